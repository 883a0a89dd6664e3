"""A configuration with every field wrong once: refused with file, line and the nearest name."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec
import pytest

from console.cli import main
from console.config import Config
from tests.e2e.small import Desk


class Field(NamedTuple):
    """A field and the TOML that leads to it; ``header`` is the table, "" for the top."""

    header: str
    required: str
    name: str
    type: Any


def models_in(annotation: Any) -> list[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    return [found for part in get_args(annotation) for found in models_in(part)]


def is_array(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(is_array(part) for part in get_args(annotation))


def required(model: type[msgspec.Struct], but: str) -> str:
    """A line for every field that must be there."""
    return "".join(
        f"{field.name} = 'x'\n"
        for field in msgspec.structs.fields(model)
        if field.required and field.name != but
    )


def fields(
    model: type[msgspec.Struct], path: tuple[str, ...] = (), header: str = "", above: str = ""
) -> Iterator[Field]:
    """Every field of a model and of all below it."""
    for field in msgspec.structs.fields(model):
        lines = above + header + required(model, field.name)
        below = models_in(field.type)
        if not below:
            yield Field(header, lines, field.name, field.type)
            continue
        inner = (*path, field.name)
        dotted = ".".join(inner)
        title = f"[[{dotted}]]\n" if is_array(field.type) else f"[{dotted}]\n"
        yield from fields(below[0], inner, title, lines if header else "")


ALL = list(fields(Config))


def wrong_value(field: Field) -> str:
    """A value of a type that the field cannot have."""
    bare = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
    kinds = get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,)
    return "{ a = [1] }" if dict not in {get_origin(kind) or kind for kind in kinds} else "[[1]]"


def refusal(text: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What ``warroom status`` says to a configuration, a line a mistake."""
    desk.config.write_text(text)
    assert main(["status", "--config", str(desk.config), "--timeout", "0.1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err.removeprefix("warroom: ").splitlines()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def test_the_walk_finds_the_fields_that_are_known() -> None:
    found = {f"{field.header.strip()}{field.name}" for field in ALL}
    assert {"runbook", "[[kubernetes]]context", "[[postgres]]dsn", "[screen]keys"} <= found
    assert {"[[prometheus.services]]threshold", "[[http]]expect", "[alertmanager]interval"} <= found


@pytest.mark.parametrize("field", ALL, ids=lambda field: f"{field.header.strip() or 'top'}-{field.name}")
def test_a_wrong_value(field: Field, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (field.required + f"{field.name} = {wrong_value(field)}\n").splitlines()
    said = refusal("\n".join(lines), desk, capsys)
    assert any(line.startswith(f"{desk.config}:{len(lines)}: ") and field.name in line for line in said), said


@pytest.mark.parametrize("field", ALL, ids=lambda field: f"{field.header.strip() or 'top'}-{field.name}")
def test_a_misspelt_name(field: Field, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    misspelt = f"{field.name}s" if len(field.name) < 4 else field.name[:-2] + field.name[-1]
    lines = (field.required + f"{misspelt} = 'x'\n").splitlines()
    said = refusal("\n".join(lines), desk, capsys)
    (line,) = [line for line in said if "unknown key" in line]
    assert line.startswith(f"{desk.config}:{len(lines)}: ")
    assert misspelt in line
    assert "did you mean" in line or field.name in line, line
