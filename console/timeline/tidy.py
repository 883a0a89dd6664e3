"""What an entry may hold: text and data cleaned, free of secrets and of bounded size."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from console.model.redact import redact, redact_value
from console.model.text import clean, clean_lines
from console.timeline.entry import format_time

TEXT_LIMIT = 8_192
STRING_LIMIT = 16_384
DATA_LIMIT = 256 * 1024
"""Bytes of the JSON of an entry's data."""
_ITEMS = 2_000
_DEPTH = 16
# A secret that a clip cuts in two may lose the mark by which it is known (the @ of a URL), so redaction
# sees this much more than what is kept.
_MARGIN = 1_024


def tidy_text(text: str | bytes, limit: int = TEXT_LIMIT) -> str:
    """Return `text` cleaned and redacted; a longer one is cut at `limit` and says how long it was."""
    return _cut(redact(clean_lines(text, limit + _MARGIN)).strip(), limit, len(text))


def tidy_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` as JSON-ready values, cleaned, redacted and cut to size.

    Times become UTC text, bytes and other types become text. When the whole stays above `DATA_LIMIT`, its
    strings are cut shorter, and if even that does not do, it is replaced by a note of its size.
    """
    for limit in (STRING_LIMIT, 512):
        kept = redact_value(_plain(data, limit, 0))
        size = len(msgspec.json.encode(kept))
        if size <= DATA_LIMIT and isinstance(kept, dict):
            return kept
    return {"omitted": f"data of {size} bytes; an entry holds at most {DATA_LIMIT}"}


def _cut(text: str, limit: int, original: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… (cut; {original:,} in all)"


def _plain(value: object, limit: int, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (str, bytes)):
        return _cut(redact(clean_lines(value, limit + _MARGIN)), limit, len(value))
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return format_time(value)
    if depth >= _DEPTH:
        return "…"
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        pairs = list(value.items())
        out = {clean(str(key), 256): _plain(item, limit, depth + 1) for key, item in pairs[:_ITEMS]}
        if len(pairs) > _ITEMS:
            out["…"] = f"{len(pairs) - _ITEMS} more"
        return out
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else list(value)
        more = [f"… {len(items) - _ITEMS} more"] if len(items) > _ITEMS else []
        return [_plain(item, limit, depth + 1) for item in items[:_ITEMS]] + more
    return redact(clean_lines(str(value), limit))
