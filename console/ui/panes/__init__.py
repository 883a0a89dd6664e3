"""The panes: one module each, and one line each in the table below."""

from __future__ import annotations

from console.ui.panes.base import PaneFactory
from console.ui.panes.pods import PodsPane

LEFT: tuple[PaneFactory, ...] = (PodsPane,)
"""The panes of the left column, from the top."""

RIGHT: tuple[PaneFactory, ...] = ()
"""The panes of the right column, from the top."""
