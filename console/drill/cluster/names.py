"""Names, identifiers, hashes and times in the forms that Kubernetes uses."""

import random
import uuid
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

# k8s.io/apimachinery `util/rand`: no vowels and nothing that looks like another character.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_STABLE: Final = msgspec.json.Encoder(order="sorted")


def suffix(rng: random.Random, length: int = 5) -> str:
    """Return the random end of a generated name."""
    return "".join(rng.choices(_ALPHABET, k=length))


def uid(rng: random.Random) -> str:
    """Return a random UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def digest(value: Any) -> str:
    """Return a short stable hash of JSON, in the alphabet of pod-template-hash (FNV-1a, 32 bits)."""
    number = 2166136261
    for byte in _STABLE.encode(value):
        number = ((number ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(number))


def timestamp(moment: datetime) -> str:
    """Return a time as RFC 3339 in whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(moment: datetime) -> str:
    """Return a time as RFC 3339 with microseconds (MicroTime)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nano(seconds: float) -> str:
    """Return unix seconds as RFC 3339 with nanoseconds, as container logs have them."""
    whole = datetime.fromtimestamp(seconds, UTC)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def parse_time(text: str) -> datetime:
    """Return the time of an RFC 3339 text. Raises ValueError."""
    return datetime.fromisoformat(text)


def owner_reference(api_version: str, kind: str, owner: dict[str, Any]) -> dict[str, Any]:
    """Return the reference with which a controller marks what it makes."""
    meta = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def at(seconds: float) -> datetime:
    """Return the time of unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)
