"""A secret is used and compared, and never shown."""

from __future__ import annotations

import copy
import pickle

import msgspec
import pytest

from console.model.secret import Secret


class Settings(msgspec.Struct, frozen=True):
    dsn: Secret
    headers: dict[str, Secret]


SETTINGS = Settings(Secret("hunter2"), {"Authorization": Secret("hunter2")})


def test_a_secret_is_revealed_on_demand_and_compared_by_value() -> None:
    assert Secret("a").reveal() == "a"
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_printing_shows_none() -> None:
    secret = SETTINGS.dsn
    for shown in (repr(SETTINGS), repr(secret), str(secret), f"{secret}", f"{secret!r}", "%s" % secret):  # noqa: UP031
        assert "hunter2" not in shown
    assert not hasattr(secret, "__dict__")


def test_nothing_writes_one() -> None:
    for write in (
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        pickle.dumps,
        copy.deepcopy,
    ):
        with pytest.raises(TypeError) as caught:
            write(SETTINGS)
        assert "hunter2" not in str(caught.value)
