"""Colours by role, for truecolor, 256 and 16 colours, and glyphs that say the same without them.

A role is what a piece of text means: text, strong, dim, faint, accent, ok, warn, bad, alarm, title, key or
match. Every widget styles by role; only this module knows colours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.style import Style
from textual.theme import Theme


class Colours(NamedTuple):
    """One theme. ``selected`` is the ground of the cursor row, ``on_selected`` its text if not the role's."""

    dark: bool
    background: str
    band: str
    text: str
    strong: str
    dim: str
    faint: str
    accent: str
    ok: str
    warn: str
    bad: str
    selected: str
    on_selected: str = ""


THEMES: dict[str, Colours] = {
    "warroom-dark": Colours(
        dark=True,
        background="#0d1117",
        band="#1a212b",
        text="#c3ccd6",
        strong="#f0f4f8",
        dim="#8a95a3",
        faint="#5f6b7a",
        accent="#79b8ff",
        ok="#6fb983",
        warn="#e6b450",
        bad="#ff7b72",
        selected="#22344d",
    ),
    "warroom-light": Colours(
        dark=False,
        background="#fbfbf9",
        band="#e9ecef",
        text="#2b323b",
        strong="#0b0f14",
        dim="#59636e",
        faint="#818b96",
        accent="#0a54b0",
        ok="#1b7a38",
        warn="#8f5a00",
        bad="#c4202c",
        selected="#d3e5fa",
    ),
    "warroom-contrast": Colours(
        dark=True,
        background="#000000",
        band="#303030",
        text="#ffffff",
        strong="#ffffff",
        dim="#e4e4e4",
        faint="#bcbcbc",
        accent="#5fffff",
        ok="#5fff5f",
        warn="#ffff5f",
        bad="#ff8787",
        selected="#ffffff",
        on_selected="#000000",
    ),
}
DEFAULT_THEME = "warroom-dark"

_ANSI_DARK = {
    "text": "white",
    "strong": "bright_white",
    "dim": "white",
    "faint": "bright_black",
    "accent": "bright_cyan",
    "ok": "green",
    "warn": "bright_yellow",
    "bad": "bright_red",
}
_ANSI_LIGHT = {
    "text": "black",
    "strong": "black",
    "dim": "bright_black",
    "faint": "bright_black",
    "accent": "blue",
    "ok": "green",
    "warn": "magenta",
    "bad": "red",
}
_BOLD = {"strong", "bad", "warn", "title", "key"}


def textual_theme(name: str) -> Theme:
    """The theme as Textual takes it, for its own widgets and the style sheets."""
    colours = THEMES[name]
    return Theme(
        name=name,
        primary=colours.accent,
        secondary=colours.dim,
        accent=colours.accent,
        warning=colours.warn,
        error=colours.bad,
        success=colours.ok,
        foreground=colours.text,
        background=colours.background,
        surface=colours.background,
        panel=colours.band,
        dark=colours.dark,
        variables={
            "band": colours.band,
            "faint": colours.faint,
            "input-cursor-background": colours.text,
            "input-cursor-foreground": colours.background,
            "input-selection-background": colours.selected,
        },
    )


class Palette:
    """Rich styles by role for one theme and one number of colours."""

    def __init__(self, name: str, *, few_colours: bool = False) -> None:
        self.name = name
        colours = THEMES[name]
        self.background = colours.background
        self._few = few_colours
        self._colours = colours
        self.style = lru_cache(None)(self._style)

    def _style(self, role: str, selected: bool = False, band: bool = False) -> Style:
        """The style of a role on the plain background, on the cursor row, or on a title band."""
        colours = self._colours
        base = {"alarm": "bad", "title": "strong", "key": "accent", "match": "warn"}.get(role, role)
        if self._few:
            names = _ANSI_DARK if colours.dark else _ANSI_LIGHT
            ground = "black" if colours.dark else "bright_white"
            bold = role in _BOLD or role == "alarm"
            if selected:
                return Style(color=ground, bgcolor=names["text"], bold=bold)
            if role == "alarm":
                return Style(color=ground, bgcolor=names["bad"], bold=True)
            return Style(color=names[base], bgcolor=ground, bold=bold, underline=role == "match")
        foreground: str = getattr(colours, base)
        background = colours.selected if selected else colours.band if band else colours.background
        if selected and colours.on_selected:
            foreground = colours.on_selected
        if role == "alarm":
            foreground, background = colours.background, colours.bad
        return Style(
            color=foreground,
            bgcolor=background,
            bold=role in _BOLD or role == "alarm",
            underline=role == "match",
        )


class Glyphs(NamedTuple):
    """Signs that mean the same as a colour. ``bars`` are eight rising blocks."""

    ok: str = "·"
    warn: str = "!"
    bad: str = "✗"
    unknown: str = "?"
    cursor: str = "▌"
    open: str = "▾"
    closed: str = "▸"
    branch: str = "└"
    bars: str = "▁▂▃▄▅▆▇█"
    gap: str = "┄"
    threshold: str = "╌"
    change: str = "▲"
    action: str = "◆"
    full: str = "━"
    empty: str = "─"
    light: str = "●"
    dot: str = "·"
    ellipsis: str = "…"
    rule: str = "─"


UNICODE = Glyphs()
ASCII = Glyphs(
    ok=".",
    warn="!",
    bad="x",
    unknown="?",
    cursor=">",
    open="v",
    closed=">",
    branch="`",
    bars="_.,-=+*#",
    gap=" ",
    threshold="-",
    change="^",
    action="@",
    full="#",
    empty=".",
    light="*",
    dot="-",
    ellipsis="~",
    rule="-",
)


def glyphs_for(encoding: str, term: str) -> Glyphs:
    """Unicode glyphs where the terminal's encoding and kind can show them, else ASCII."""
    plain = "utf" not in encoding.lower() or term in ("linux", "vt100", "vt220", "dumb")
    return ASCII if plain else UNICODE
