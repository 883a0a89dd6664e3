"""Logs: followed or of the time before the last crash, of one pod or several merged, filtered and saved."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import events
from textual.widget import Widget
from textual.widgets import Input

from console.engine.ports import LogFeed
from console.model.logs import LogLine, LogRequest, is_5xx, is_error
from console.model.symptoms.words import plural
from console.ui.cells import Span, Spans, fit
from console.ui.feed import Feed
from console.ui.format import age, clock_text
from console.ui.port import Engine
from console.ui.screens.dialog import Dialog
from console.ui.widgets.line_widget import Bar
from console.ui.widgets.lines import LineView

_SINCE: tuple[float | None, ...] = (None, 60, 300, 900, 3600)
_POD = 11


class LogsScreen(Dialog[None]):
    """See the module. ``containers`` are the names to go through; all of them come first."""

    FULL: ClassVar[bool] = True
    QUITS: ClassVar[bool] = True
    HINT: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/", "Filter"),
        ("e", "Errors"),
        ("5", "5xx"),
        ("f", "Follow"),
        ("p", "Previous"),
        ("s", "Since"),
        ("w", "Save"),
        ("c", "Container"),
        ("t", "Times"),
        ("esc", "Close"),
    )

    def __init__(
        self, engine: Engine, source: str, label: str, request: LogRequest, containers: Sequence[str] = ()
    ) -> None:
        super().__init__(engine, f"LOGS  {label}")
        self._source = source
        self._label = label
        self._request = request
        self._containers = ("", *containers)
        self._feed: LogFeed | None = None
        self._wake: Feed | None = None
        self._dropped = 0
        self._notices: deque[int] = deque()
        self._text = ""
        self._errors = False
        self._five = False
        self._times = True
        self._saved = ""
        self.lines = LineView(self._form)
        self.state = Bar(classes="heading")
        self.field = Input(classes="field", placeholder="text to find", select_on_focus=False)

    def body(self) -> Iterable[Widget]:
        """The lines, what is filtered out, and the field of the filter."""
        yield self.lines
        yield self.state
        yield self.field

    def first_focus(self) -> Widget:
        """The lines scroll."""
        return self.lines

    def opened(self) -> None:
        """Start reading."""
        self.field.display = False
        self._wake = Feed(asyncio.get_running_loop(), self._drain)
        self._read()

    def on_unmount(self) -> None:
        """Stop reading."""
        if self._wake is not None:
            self._wake.close()
        if self._feed is not None:
            self._feed.close()

    # Reading

    def _read(self) -> None:
        if self._feed is not None:
            self._feed.close()
        assert self._wake is not None
        self._dropped = 0
        self._notices.clear()
        self.lines.clear()
        self.lines.following = True
        self._feed = self.engine.logs(self._source, self._request, self._wake.poke)
        self.renew()

    def _drain(self) -> None:
        if self._feed is None or not self.is_attached:
            return
        lines, dropped = self._feed.take()
        self._dropped += dropped
        first = self.lines.forgotten + self.lines.held
        self._notices.extend(number for number, line in enumerate(lines, first) if line.notice)
        self.lines.append(lines)
        self._show_state()

    # Drawing

    def badge(self) -> Spans:
        """How it is read."""
        request = self._request
        since = (
            f"last {age(request.since)}"
            if request.since is not None
            else f"last {plural(request.tail, 'line')}{' of each' if len(request.pods) > 1 else ''}"
        )
        parts = ["previous container" if request.previous else "live", since]
        parts.append(f"container {request.container}" if request.container else "all containers")
        return ((f"{'  '.join(parts)} ", "accent"),)

    def refresh_data(self) -> None:
        """Write the counts."""
        self._drain()

    def _show_state(self) -> None:
        lines = self.lines
        while self._notices and self._notices[0] < lines.forgotten:
            self._notices.popleft()
        notices = len(self._notices)  # which every filter lets pass, and nobody wrote into a log
        if self._saved:
            self.state.show((_tail(f" {self._saved}", self.state.size.width),))
            return
        spans: list[Span] = [(f" {plural(lines.held - notices, 'line', show=',')}", "dim")]
        if self._filtered:
            named = [f"/{self._text}" if self._text else "", "errors" if self._errors else ""]
            named.append("5xx" if self._five else "")
            wanted = " ".join(part for part in named if part)
            spans += [
                ("  ", "dim"),
                (f"{plural(max(0, lines.total - notices), 'matches', 'match', ',')} {wanted}", "match"),
            ]
        if lines.forgotten:
            spans.append((f"  {lines.forgotten:,} older gone", "dim"))
        if self._dropped:
            spans.append((f"  {self._dropped:,} dropped", "bad"))
        ended = self._feed is not None and self._feed.finished
        if ended:
            spans.append(("  ended", "warn"))
        if lines.following:
            spans += [] if ended else [("  following", "ok")]
        else:
            spans.append(
                (f"  paused, {plural(lines.waiting, 'new line', show=',')}, f or End follows", "warn")
            )
        self.state.show(spans)

    def _form(self, line: LogLine) -> Spans:
        spans: list[Span] = []
        if self._times:
            spans.append((f"{clock_text(line.at) if line.at is not None else '--:--:--'} ", "faint"))
        if len(self._request.pods) > 1:
            spans.append((f"{fit(_short(line.pod), _POD)} ", "accent"))
        if not self._request.container and len(self._containers) > 2:
            spans.append((f"{fit(line.container, 9)} ", "dim"))
        role = "warn" if line.notice else "bad" if is_error(line.text) else "text"
        return (*spans, *highlight(line.text, self._text, role))

    # Filters

    @property
    def _filtered(self) -> bool:
        return bool(self._text) or self._errors or self._five

    def _apply(self) -> None:
        needle = self._text.casefold()

        def wanted(line: LogLine) -> bool:
            if line.notice:
                return True
            if needle and needle not in line.text.casefold():
                return False
            if self._errors and self._five:
                return is_error(line.text) or is_5xx(line.text)
            if self._errors:
                return is_error(line.text)
            return not self._five or is_5xx(line.text)

        self.lines.set_filter(wanted if self._filtered else None)
        self._show_state()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self._text = event.value
        self._apply()

    def on_line_view_moved(self, _event: LineView.Moved) -> None:
        """Say whether it follows."""
        self._show_state()

    # Keys

    def handle(self, event: events.Key) -> bool:
        """The keys of the line below."""
        self._saved = ""
        if self.field.has_focus:
            if event.key not in ("escape", "enter", "tab"):
                return False
            if event.key == "escape":
                self.field.value = ""
            self.field.display = False
            self.lines.focus()
            return True
        match event.key:
            case "escape" if self._text or self._errors or self._five:
                self.field.value, self._errors, self._five = "", False, False
                self._apply()
            case "slash":
                self.field.display = True
                self.field.focus()
            case "e":
                self._errors = not self._errors
                self._apply()
            case "5":
                self._five = not self._five
                self._apply()
            case "f":
                self.lines.follow()
            case "p":
                previous = not self._request.previous
                self._ask(previous=previous, follow=not previous)
            case "s":
                after = _SINCE[(_SINCE.index(self._request.since) + 1) % len(_SINCE)]
                self._ask(since=after)
            case "c":
                at = self._containers.index(self._request.container)
                self._ask(container=self._containers[(at + 1) % len(self._containers)])
            case "t":
                self._times = not self._times
                self.lines.forget()
            case "w":
                self.run_worker(self._save(), exclusive=True, exit_on_error=False)
            case _:
                return False
        return True

    def _ask(self, **changes: object) -> None:
        self._request = msgspec.structs.replace(self._request, **changes)
        self._read()

    # Saving

    async def _save(self) -> None:
        folder = self.engine.state_dir / "logs"
        stamp = self.engine.clock.now().strftime("%Y%m%dT%H%M%SZ")
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self._label).strip("-.") or "logs"
        text = "".join(_plain(line) for line in self.lines.shown())
        try:
            path = await asyncio.to_thread(write_private, folder, f"{name}-{stamp}.log", text)
        except OSError as error:
            self._saved = f"Not saved: {error.strerror} ({folder})"
        else:
            self._saved = f"Saved {plural(self.lines.total, 'line', show=',')} to {path}"
        self._show_state()


def write_private(folder: Path, name: str, text: str) -> Path:
    """Write ``text`` into a new file that only its owner can read; returns where. Raises OSError."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    stem, dot, suffix = name.rpartition(".")
    for number in range(1000):
        path = folder / (f"{stem}{f'-{number}' if number else ''}{dot}{suffix}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path
    raise FileExistsError(17, "a thousand files of that name exist", str(folder))


def highlight(text: str, needle: str, role: str) -> Spans:
    """``text`` with every occurrence of ``needle`` marked."""
    if not needle:
        return ((text, role),)
    spans: list[Span] = []
    folded, wanted, start = text.casefold(), needle.casefold(), 0
    if len(folded) != len(text):
        return ((text, role),)
    while (found := folded.find(wanted, start)) >= 0:
        if found > start:
            spans.append((text[start:found], role))
        spans.append((text[found : found + len(wanted)], "match"))
        start = found + len(wanted)
    spans.append((text[start:], role))
    return tuple(span for span in spans if span[0])


def _short(pod: str) -> str:
    """The part of a pod's name that tells it from its siblings."""
    return pod if len(pod) <= _POD else pod[-_POD:].lstrip("-")


def _tail(text: str, width: int) -> Span:
    """``text``, cut at its beginning where it is too long: the end of a path is what tells files apart."""
    return (text if len(text) <= width else f"…{text[len(text) - width + 1 :]}", "ok")


def _plain(line: LogLine) -> str:
    at = f"{clock_text(line.at)}Z " if line.at is not None else ""
    return f"{at}{line.pod}/{line.container} {line.text}\n"
