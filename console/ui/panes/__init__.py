"""The panes: one module each, and one line each in the table below."""

from __future__ import annotations

from console.ui.panes.alerts import AlertsPane
from console.ui.panes.base import PaneFactory
from console.ui.panes.cache import CachePane
from console.ui.panes.database import DatabasePane
from console.ui.panes.errors import ErrorsPane
from console.ui.panes.pods import PodsPane
from console.ui.panes.suggestions import SuggestionsPane
from console.ui.panes.timeline import TimelinePane

LEFT: tuple[PaneFactory, ...] = (PodsPane, ErrorsPane, TimelinePane)
"""The panes of the left column, from the top."""

RIGHT: tuple[PaneFactory, ...] = (SuggestionsPane, AlertsPane, DatabasePane, CachePane)
"""The panes of the right column, from the top."""
