"""With which versions of Textual the comparison of cells was proven, and whether it can be used here."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import textual

VERSIONS = ("8.2.8",)
"""The comparison with Textual's own painting (tests/ui, tests/e2e) was run with these."""

_SHAPES = (
    ("textual._compositor", "LayoutUpdate.__init__", ("self", "strips", "region")),
    ("textual._compositor", "ChopsUpdate.__init__", ("self", "chops", "spans", "chop_ends")),
    ("textual.app", "App._display", ("self", "screen", "renderable")),
    ("textual.drivers.linux_driver", "LinuxDriver.write", ("self", "data")),
    ("textual.drivers.linux_driver", "LinuxDriver.start_application_mode", ("self",)),
    ("textual.drivers.linux_driver", "LinuxDriver.disable_input", ("self",)),
    ("textual.drivers.linux_driver", "LinuxDriver.close", ("self",)),
    ("textual.driver", "Driver.process_message", ("self", "message")),
)


def installed() -> str:
    """The version of Textual, by the name of its metadata's folder.

    Textual's own answer loads importlib.metadata, which the first frame would wait 10 ms for.
    """
    found = list(Path(textual.__file__).parents[1].glob("textual-*.dist-info"))
    if len(found) == 1:
        return found[0].name.removeprefix("textual-").removesuffix(".dist-info")
    return textual.__version__


def doubt(version: str | None = None) -> str:
    """Why Textual's own output has to be used, as a sentence; empty when ours can be."""
    version = version or installed()
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        return f"Textual {version} is not proven here ({known} is), so frames take more bytes than usual."
    for module, name, parameters in _SHAPES:
        try:
            found: object = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
            fits = callable(found) and tuple(inspect.signature(found).parameters) == parameters
        except (ImportError, AttributeError, ValueError):
            fits = False
        if not fits:
            return f"{module}.{name} is not what it was, so frames take more bytes than usual."
    return ""
