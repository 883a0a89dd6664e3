"""The last guard before the terminal: no control or direction-changing character of a text gets through.

Text is cleaned when it enters the console; this filter is the second line, should a path have been missed.
"""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class ControlGuard(LineFilter):
    """Replaces what a terminal could obey by U+FFFD, one cell each."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the segments, the same list when nothing was found."""
        if not any(_UNSAFE.search(segment.text) for segment in segments):
            return segments
        return [
            segment
            if segment.control or not _UNSAFE.search(segment.text)
            else Segment(_UNSAFE.sub("�", segment.text), segment.style)
            for segment in segments
        ]
