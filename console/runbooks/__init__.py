"""The bundled runbooks, as data: one TOML file each."""

from pathlib import Path


def bundled() -> dict[str, Path]:
    """The files by the name that ``--runbook`` takes."""
    return {file.stem: file for file in sorted(Path(__file__).parent.glob("*.toml"))}
