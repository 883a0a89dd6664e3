"""How cells look, as SGR parameters, and the fewest parameters that lead from one look to the next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style


class Pen(NamedTuple):
    """Foreground, background and attributes as SGR parameters.

    A blank cell shows neither foreground nor most attributes: its ``fore`` is empty and its ``attributes``
    are None, and it takes those that the terminal holds.
    """

    fore: str
    back: str
    attributes: frozenset[str] | None


PLAIN = Pen("39", "49", frozenset())
"""What a terminal holds after a reset."""

_OFF = {
    "1": "22",
    "2": "22",
    "3": "23",
    "4": "24",
    "5": "25",
    "6": "25",
    "7": "27",
    "8": "28",
    "9": "29",
    "21": "24",
    "51": "54",
    "52": "54",
    "53": "55",
}
_NAMES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "blink": "5",
    "blink2": "6",
    "reverse": "7",
    "conceal": "8",
    "strike": "9",
    "underline2": "21",
    "frame": "51",
    "encircle": "52",
    "overline": "53",
}
_SEEN_ON_BLANK = frozenset(("4", "7", "9", "21", "51", "52", "53"))


class Pens:
    """The pens of styles for one number of colours, and the ways between them; both are remembered."""

    def __init__(self, colours: ColorSystem | None) -> None:
        self._colours = colours
        self._pens: dict[Style | None, tuple[Pen, Pen]] = {}
        self._same: dict[Pen, Pen] = {}
        self._turns: dict[tuple[Pen, Pen], tuple[str, Pen]] = {}

    def of(self, style: Style | None) -> tuple[Pen, Pen]:
        """The pen of a style for text and for blanks. Equal pens are one object."""
        pens = self._pens.get(style)
        if pens is None:
            pens = self._pens[style] = self._make(style)
        return pens

    def _make(self, style: Style | None) -> tuple[Pen, Pen]:
        pen = PLAIN
        if style is not None:
            attributes = frozenset(code for name, code in _NAMES.items() if getattr(style, name))
            pen = Pen(self._code(style.color, True), self._code(style.bgcolor, False), attributes)
        assert pen.attributes is not None
        blank = pen if _SEEN_ON_BLANK & pen.attributes else Pen("", pen.back, None)
        return self._same.setdefault(pen, pen), self._same.setdefault(blank, blank)

    def _code(self, colour: Color | None, foreground: bool) -> str:
        if colour is None or self._colours is None:
            return "39" if foreground else "49"
        return ";".join(colour.downgrade(self._colours).get_ansi_codes(foreground))

    def turn(self, held: Pen, pen: Pen) -> tuple[str, Pen]:
        """The bytes that make a terminal which holds ``held`` write with ``pen``, and what it holds then."""
        key = (held, pen)
        turned = self._turns.get(key)
        if turned is None:
            turned = self._turns[key] = _turn(held, pen)
        return turned


def _turn(held: Pen, pen: Pen) -> tuple[str, Pen]:
    had = held.attributes or frozenset()
    wanted = had - _SEEN_ON_BLANK if pen.attributes is None else pen.attributes
    new = Pen(pen.fore or held.fore, pen.back, wanted)
    codes = [*_attributes(had, wanted)]
    codes += [code for code, old in ((new.fore, held.fore), (new.back, held.back)) if code != old]
    # From a reset on it can be shorter; what a blank does not show may then be dropped as well.
    fresh = Pen(pen.fore or PLAIN.fore, pen.back, pen.attributes or frozenset())
    anew = ["0", *sorted(fresh.attributes or ())]
    anew += [code for code, old in ((fresh.fore, PLAIN.fore), (fresh.back, PLAIN.back)) if code != old]
    if len(";".join(anew)) < len(";".join(codes)):
        codes, new = anew, fresh
    return (f"\x1b[{';'.join(codes)}m" if codes else ""), new


def _attributes(had: frozenset[str], wanted: frozenset[str]) -> Iterable[str]:
    """Parameters that end and begin attributes; two may share the one that ends them."""
    ends = {_OFF[code] for code in had - wanted}
    kept = {code for code in had & wanted if _OFF[code] not in ends}
    return (*sorted(ends), *sorted(wanted - kept))
