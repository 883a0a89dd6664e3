"""Packages of client libraries of which only some modules are wanted."""

from __future__ import annotations

import importlib.util
import sys


def skip_init(*packages: str) -> None:
    """Make packages known without running their ``__init__``, which loads all that they have; parents first.

    Their modules are then imported one by one. It is for the whole process: nobody in it may rely on what
    the ``__init__`` defines. A package that is loaded already, or missing, is left alone.
    """
    for package in packages:
        if package not in sys.modules and (spec := importlib.util.find_spec(package)) is not None:
            sys.modules[package] = importlib.util.module_from_spec(spec)
