"""Notices who waits for the disk."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest


class DiskWatch:
    """Opened and synced files, by the thread that did it; put in place of those functions of ``os``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here: list[str] = []
        self.elsewhere: list[str] = []
        self._loop = threading.current_thread()
        for name in ("open", "fsync"):
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Any) -> Any:
        def call(what: Any, *given: Any, **more: Any) -> Any:
            mine = threading.current_thread() is self._loop
            (self.here if mine else self.elsewhere).append(f"{name} {what}")
            return real(what, *given, **more)

        return call
