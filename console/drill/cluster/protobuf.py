"""Request bodies in protobuf, which newer kubectl versions send, decoded to the same objects as JSON.

`protobuf.json` is a digest of the field numbers in the Kubernetes API's Go types (k8s.io/api, Apache-2.0): by
type and number `<kind> <json name>`. Kinds: `s` string, `i` integer, `b` boolean, `d` double, `y` bytes, `t`
time, `q` quantity, `o` IntOrString, `f` raw JSON, `#Type` a message; before it `[]` repeated, `{}` a map, `*`
optional (present even when zero), `+` inlined into its parent.
"""

from __future__ import annotations

import base64
import functools
import importlib.resources
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from console.drill.cluster.errors import bad_request
from console.drill.cluster.schema import Obj

MEDIA: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@functools.cache
def _types() -> dict[str, dict[str, str]]:
    data = importlib.resources.files(__package__).joinpath("protobuf.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, dict[str, str]])


def decode(data: bytes) -> Obj:
    """Return the object in a body that starts with the Kubernetes magic. Raises a 400."""
    if not data.startswith(_MAGIC):
        raise bad_request("the body is not in the Kubernetes protobuf format")
    try:
        return _decode(data[len(_MAGIC) :])
    except (IndexError, ValueError, KeyError, UnicodeDecodeError, struct.error, OverflowError) as error:
        raise bad_request(f"the protobuf body cannot be decoded: {error}") from None


def _decode(data: bytes) -> Obj:
    head: Obj = {}
    raw = b""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            texts = {n: v.decode() for n, v in _fields(value) if isinstance(v, bytes)}
            head = {"apiVersion": texts.get(1, ""), "kind": texts.get(2, "")}
        elif number == 2 and isinstance(value, bytes):
            raw = value
    group, _, version = head["apiVersion"].rpartition("/")
    package = group.removesuffix(".k8s.io").partition(".")[0] or "core"
    name = f"{package}.{version}.{head['kind']}"
    if head["kind"] == "DeleteOptions":
        name = "meta.v1.DeleteOptions"
    return {**head, **_message(name, raw)}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field numbers and values: an int for varints, bytes for everything else."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            number, at = _varint(data, at)
            yield tag >> 3, number
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("it breaks off")
        yield tag >> 3, data[at : at + size]
        at += size


def _message(name: str, data: bytes) -> Obj:
    types = _types()[name]
    result: Obj = {}
    for number, value in _fields(data):
        known = types.get(str(number))
        if known is None:
            continue
        kind, _, field = known.partition(" ")
        if kind.startswith("+"):
            result.update(_value(kind[1:].lstrip("*"), value))
        elif kind.startswith("[]"):
            result.setdefault(field, []).append(_value(kind[2:].lstrip("*"), value))
        elif kind.startswith("{}"):
            key, inner = _pair(kind[2:], value)
            result.setdefault(field, {})[key] = inner
        else:
            decoded = _value(kind.lstrip("*"), value)
            # Go writes every plain field; those that JSON leaves out when empty are left out here too.
            if kind.startswith("*") or decoded not in ("", 0, False, None, {}):
                result[field] = decoded
    return result


def _pair(kind: str, value: int | bytes) -> tuple[str, Any]:
    key, inner = "", b""
    for number, part in _fields(_bytes(value)):
        if number == 1:
            key = _bytes(part).decode()
        else:
            inner = _bytes(part)
    if kind.startswith("[]"):
        return key, [_bytes(part).decode() for _, part in _fields(inner)]
    return key, _value(kind, inner)


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text was expected")
    return value


def _signed(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("text where a number was expected")
    return value - (1 << 64) if value >= 1 << 63 else value


def _value(kind: str, value: int | bytes) -> Any:
    if kind in ("i", "b"):
        return bool(value) if kind == "b" else _signed(value)
    if kind == "d":
        return struct.unpack("<d", _bytes(value))[0]
    data = _bytes(value)
    if kind == "s":
        return data.decode()
    if kind == "y":
        return base64.b64encode(data).decode()
    if kind.startswith("#"):
        return _message(kind[1:], data)
    parts = dict(_fields(data))
    if kind == "f":
        return msgspec.json.decode(_bytes(parts[1])) if parts.get(1) else None
    if kind == "q":
        return _bytes(parts.get(1, b"0")).decode()
    if kind == "o":
        return _bytes(parts.get(3, b"")).decode() if parts.get(1) else _signed(parts.get(2, 0))
    seconds = _signed(parts.get(1, 0))
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ") if parts else None
