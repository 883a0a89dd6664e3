"""Where the style sheets are: beside the package in a wheel, at the top of the repository in a work tree."""

from __future__ import annotations

from pathlib import Path

import console


def style_sheets() -> list[Path]:
    """All style sheets, in the order of their names."""
    package = Path(console.__file__).parent
    for folder in (package / "styles", package.parent / "styles"):
        sheets = sorted(folder.glob("*.tcss"))
        if sheets:
            return sheets
    raise FileNotFoundError(f"No style sheets beside {package}; install warroom again.")
