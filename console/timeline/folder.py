"""Where the records lie: STATE/standby.jsonl and STATE/incidents/INC-YYYYMMDD-N/timeline.jsonl."""

import contextlib
import hashlib
import os
import re
from pathlib import Path

import msgspec
import platformdirs

from console.config import APP, ConfigError, default_config_file, default_state_dir
from console.model.explain import read_toml
from console.model.strict import convert
from console.timeline.entry import TimelineError
from console.timeline.file import failure

INCIDENT_ID = re.compile(r"INC-(\d{8})-(\d{1,6})")


class _Settings(msgspec.Struct):
    state_dir: Path | None = None


def state_folder(flag: Path | None) -> Path:
    """Return the folder of all records: the one of the flag, the environment, the file, or the usual one.

    Of the configuration file no other setting has to be right. Raise ConfigError when this one cannot be
    read.
    """
    if flag is not None or os.environ.get("WARROOM_STATE_DIR"):
        return flag or default_state_dir()
    return _configured(default_config_file()) or default_state_dir()


def _configured(file: Path) -> Path | None:
    try:
        data = read_toml(file.read_text(encoding="utf-8-sig"))
        return convert({key: data[key] for key in ("state_dir",) if key in data}, _Settings).state_dir
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}.") from None
    except ValueError as error:
        raise ConfigError(f"{file}: {str(error).rstrip('.')}.") from None


def standby_path(state_dir: Path) -> Path:
    """Return the record of what happened while no incident was open."""
    return state_dir / "standby.jsonl"


def incidents_folder(state_dir: Path) -> Path:
    """Return the folder that holds one folder for each incident."""
    return state_dir / "incidents"


def incident_folder(state_dir: Path, incident: str) -> Path:
    """Return the folder of an incident; TimelineError when `incident` is no incident's id."""
    if INCIDENT_ID.fullmatch(incident) is None:
        raise TimelineError(f"{incident!r} is not the id of an incident; ids look like INC-20260301-1.")
    return incidents_folder(state_dir) / incident


def timeline_path(state_dir: Path, incident: str | None) -> Path:
    """Return the timeline of an incident, or the standby record for None."""
    if incident is None:
        return standby_path(state_dir)
    return incident_folder(state_dir, incident) / "timeline.jsonl"


def default_spool(state_dir: Path) -> Path:
    """Return the second place for entries, by state folder, so that two of them never mix."""
    mark = hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir(APP)) / "spool" / mark


def spool_path(spool: Path, incident: str | None) -> Path:
    """Return where the entries of a timeline wait when it cannot be written."""
    return spool / f"{incident or 'standby'}.jsonl"


def incident_order(incident: str) -> tuple[str, int]:
    """Return the sort key of an incident id: day, then number."""
    match = INCIDENT_ID.fullmatch(incident)
    return (match[1], int(match[2])) if match else ("", 0)


def incident_ids(state_dir: Path, spool: Path | None = None) -> list[str]:
    """Return the ids of all incidents, oldest first, with those that only reached the spool.

    Raise TimelineError when the folder of the incidents cannot be read; a spool that cannot holds none.
    """
    try:
        found = _names(incidents_folder(state_dir))
    except OSError as error:
        raise failure(incidents_folder(state_dir), "read", error) from error
    if spool is not None:
        with contextlib.suppress(OSError):
            found |= _names(spool)
    return sorted((name for name in found if INCIDENT_ID.fullmatch(name)), key=incident_order)


def _names(folder: Path) -> set[str]:
    return {item.name.removesuffix(".jsonl") for item in folder.iterdir()} if folder.is_dir() else set()
