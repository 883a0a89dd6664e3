"""Runbook files: found by name, read strictly, and used to fill what a configuration leaves out.

The bundled ones come with the console. Own ones are files anywhere, or ``runbooks/NAME.toml`` beside the
default configuration file, which then count before a bundled one of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from console.config import ConfigError, default_config_file
from console.model.actions import ACTIONS, find
from console.model.explain import Path as Place
from console.model.explain import line_of, nearest, positions, read_toml, where
from console.model.runbook import Runbook, Step
from console.model.strict import Mistake, MistakesError, convert
from console.model.text import clean_lines
from console.runbooks import bundled

LIMIT = 1_000_000
"""Bytes of a runbook that are read."""


class UnreadableError(ConfigError):
    """A runbook that cannot be opened or is no TOML; the message is a sentence."""


class Source(msgspec.Struct, frozen=True):
    """A runbook file as it was read; ``data`` is its cleaned content, ``name`` stands in messages."""

    name: str
    text: str
    data: dict[str, Any]


def available() -> dict[str, Path]:
    """Every runbook that has a name: the bundled ones, and before them the own ones."""
    folder = default_config_file().parent / "runbooks"
    own = {file.stem: file for file in sorted(folder.glob("*.toml"))}
    return bundled() | own


def is_file(name: str) -> bool:
    """Whether a NAME|FILE means a file."""
    return "/" in name or name.endswith(".toml")


def locate(name: str, base: Path) -> Path:
    """The file of a runbook: a path (relative to ``base``) when it looks like one, else a known name."""
    if is_file(name):
        return base / Path(name).expanduser()
    known = available()
    if name not in known:
        raise UnreadableError(f"there is no runbook {name!r}{nearest(name, known)}")
    return known[name]


def read(name: str, base: Path) -> Source:
    """The content of a runbook, not yet judged. Raises UnreadableError."""
    file = locate(name, base)
    try:
        with file.open("rb") as stream:
            content = stream.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise UnreadableError(f"{file}: is larger than {LIMIT} bytes; that is no runbook.")
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"{file}: cannot be read: {error}. List the runbooks with: runbook list"
        ) from None
    return understand(text, str(file))


def understand(text: str, name: str) -> Source:
    """TOML as cleaned data. Raises UnreadableError."""
    try:
        data = read_toml(text)
    except ValueError as error:
        raise UnreadableError(f"{name}: {error}") from None
    return Source(name, text, _cleaned(data))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_lines(value)
    if isinstance(value, dict):
        return {clean_lines(key): _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


def load_runbook(name: str, base: Path = Path()) -> Runbook:
    """The runbook of a name or file. Raises ConfigError with one line a mistake."""
    source = read(name, base)
    runbook, mistakes = judge(source)
    if runbook is None or mistakes:
        lines = positions(source.text)
        raise ConfigError(
            "\n".join(f"{where(source.name, line_of(path, lines))}: {words}" for path, words in mistakes)
        )
    return runbook


def judge(source: Source) -> tuple[Runbook | None, list[Mistake]]:
    """The runbook, None when it has another shape, and its mistakes."""
    try:
        runbook = convert(source.data, Runbook)
    except MistakesError as error:
        return None, list(error.mistakes)
    return runbook, list(_contradictions(runbook))


def _contradictions(runbook: Runbook) -> Iterator[Mistake]:
    """What refers to something that is not there, or stands twice."""
    if not runbook.severities:
        yield ("severities",), "a runbook defines at least one severity"
    yield from _doubles("severities", [str(item.level) for item in runbook.severities])
    yield from _doubles("contacts", [item.role for item in runbook.contacts])
    for section in ("phases", "templates", "scenarios", "recipes", "triage"):
        yield from _doubles(section, [item.id for item in getattr(runbook, section)])
    roles = [contact.role for contact in runbook.contacts]
    for number, severity in enumerate(runbook.severities):
        for role in severity.escalate_to:
            if role not in roles:
                yield (
                    ("severities", number, "escalate_to"),
                    f"no contact has the role {role!r}{nearest(role, roles)}",
                )
        if severity.update_overdue and severity.update_overdue < (severity.update_due or 1):
            yield ("severities", number, "update_overdue"), "an update is overdue before it is due"
    for number, scenario in enumerate(runbook.scenarios):
        if not scenario.mitigation:
            yield ("scenarios", number), f"{scenario.id!r} has no mitigation: a diagnosis alone ends nothing"
    for number, recipe in enumerate(runbook.recipes):
        if not recipe.steps:
            yield ("recipes", number), f"{recipe.id!r} has no steps"
    yield from _triage(runbook)
    yield from _phases(runbook)
    yield from _templates(runbook)
    for path, step in steps(runbook):
        for sentence in _step(step):
            yield path, sentence


def _doubles(section: str, names: list[str]) -> Iterator[Mistake]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield (section, number), f"{name!r} stands twice in {section}"


def _triage(runbook: Runbook) -> Iterator[Mistake]:
    known = [question.id for question in runbook.triage]
    for number, question in enumerate(runbook.triage):
        for key, answer in (("yes", question.yes), ("no", question.no)):
            if isinstance(answer, str) and answer not in known[number + 1 :]:
                yield (
                    ("triage", number, key),
                    f"no later question is called {answer!r}{nearest(answer, known)}",
                )


def _phases(runbook: Runbook) -> Iterator[Mistake]:
    known = [phase.id for phase in runbook.phases]
    for number, phase in enumerate(runbook.phases):
        if phase.minutes and phase.minutes[0] > phase.minutes[1]:
            yield ("phases", number, "minutes"), "the window ends before it begins"
        if phase.parallel_with and phase.parallel_with not in known:
            name = phase.parallel_with
            yield ("phases", number, "parallel_with"), f"no phase is called {name!r}{nearest(name, known)}"


def _templates(runbook: Runbook) -> Iterator[Mistake]:
    for number, template in enumerate(runbook.templates):
        used, named = template.placeholders, tuple(template.fields)
        for place in used:
            if place not in named:
                yield ("templates", number, "messages"), f"{{{place}}} is no field{nearest(place, named)}"
        for place in named:
            if place not in used:
                yield ("templates", number, "fields", place), f"no message has the field {{{place}}}"
        if set(used) == set(named) and used != named:
            yield (
                ("templates", number, "fields"),
                f"the fields stand in another order than in the messages: {', '.join(used)}",
            )


def steps(runbook: Runbook) -> Iterator[tuple[Place, Step]]:
    """Every step with its path in the file."""
    for number, scenario in enumerate(runbook.scenarios):
        for part, several in (("diagnosis", scenario.diagnosis), ("mitigation", scenario.mitigation)):
            for index, step in enumerate(several):
                yield ("scenarios", number, part, index), step
    for number, recipe in enumerate(runbook.recipes):
        for index, step in enumerate(recipe.steps):
            yield ("recipes", number, "steps", index), step


def _step(step: Step) -> Iterator[str]:
    """The mistakes of one step."""
    if sum(map(bool, (step.action, step.run, step.sql, step.query))) > 1:
        yield "a step is one thing: an action, or else run, sql or query"
    if step.temporary and not step.undo:
        yield "a temporary measure needs its undo: what is to be reverted, and how"
    if not step.action:
        if step.target or step.params:
            yield "target and params belong to an action"
        return
    action = find(step.action)
    if action is None or not action.targets:
        known = [item.name for item in ACTIONS if item.targets]
        yield f"no mitigation is called {step.action!r}{nearest(step.action, known)}"
        return
    kind = step.target.partition("/")[0]
    if kind not in action.targets:
        yield f"{step.action} acts on {', '.join(action.targets)}, not on {step.target!r}"
    names = [param.name for param in action.params]
    for name in step.params:
        if name not in names:
            yield f"{step.action} has no parameter {name!r}{nearest(name, names)}"


def fill(data: dict[str, Any], base: Path) -> None:
    """Add what the runbook ``data["runbook"]`` knows and the configuration does not say. Raises ConfigError.

    Nothing that is written there is changed: a section, or a key of a server or service, stays as it is. Only
    the path of a runbook file is made absolute.
    """
    name = data["runbook"]
    runbook = load_runbook(name, base)
    if is_file(name):
        data["runbook"] = str(locate(name, base).absolute())
    for cluster in _tables(data.get("kubernetes")):
        if runbook.namespace:
            cluster.setdefault("namespaces", [runbook.namespace])
    for server in _tables(data.get("redis")):
        if runbook.queues:
            server.setdefault("queues", [queue.key for queue in runbook.queues])
    checks = [
        {"name": check.name, "url": check.url, "method": check.method, "expect": check.expect}
        for check in runbook.checks
        if not check.placeholder
    ]
    if checks:
        data.setdefault("http", checks)
    prometheus = data.get("prometheus")
    for service in _tables(prometheus.get("services") if isinstance(prometheus, Mapping) else None):
        for key, value in _thresholds(runbook, service.get("name")).items():
            service.setdefault(key, value)


def _thresholds(runbook: Runbook, service: Any) -> dict[str, Any]:
    """The thresholds of a service; those under its name count before those of every service."""
    given: dict[str, Any] = {}
    for item in sorted(runbook.thresholds, key=lambda item: bool(item.service)):
        if item.service in ("", service):
            pairs = (
                ("threshold", item.error_ratio),
                ("p95_threshold", item.p95),
                ("workload", item.workload),
            )
            given |= {key: value for key, value in pairs if value}
    return given


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
