"""pg_stat_statements as the statements that cost most since the last look."""

from __future__ import annotations

from typing import Any

from console.model.postgres import Statement
from console.model.redact import redact
from console.model.text import clean
from console.sources.postgres import queries
from console.sources.postgres.link import Link

TOP = 10
SPAN_SECONDS = 10.0
"""At least this long between two looks: each reads the counters of every statement."""


class StatementWatch:
    """Keeps the counters of the last look, for the counters are cumulative since the last reset."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[int, float]] | None = None
        self._read_at = 0.0
        self._latest: tuple[Statement, ...] | None = None

    async def read(self, link: Link, now: float) -> tuple[Statement, ...] | None:
        """The statements, most time first; None without the extension.

        ``now`` is monotonic. Within SPAN_SECONDS of the last look its result comes back.
        Raises what ``Link.fetch`` raises.
        """
        if self._before is not None and now - self._read_at < SPAN_SECONDS:
            return self._latest
        extension = await link.fetch(queries.STATEMENTS_EXTENSION)
        if not extension:
            self._before = self._latest = None
            return None
        schema, version = extension[0]
        counters = {
            queryid: (calls, total)
            for queryid, calls, total in await link.fetch(queries.statement_counters(schema, version))
        }
        costs = since(self._before, counters)
        first = sorted(costs, key=lambda queryid: -costs[queryid][1])[: 2 * TOP]
        texts = dict(await link.fetch(queries.statement_texts(schema), [first])) if first else {}
        self._before, self._read_at = counters, now
        self._latest = tuple(_statement(texts[it], *costs[it]) for it in first if _foreign(texts.get(it)))[
            :TOP
        ]
        return self._latest


def since(
    before: dict[int, tuple[int, float]] | None, now: dict[int, tuple[int, float]]
) -> dict[int, tuple[int, float]]:
    """Calls and milliseconds added since ``before``, of the statements that ran; all of them without one.

    Counters that went down were reset or evicted meanwhile and count from zero.
    """
    added: dict[int, tuple[int, float]] = {}
    for queryid, (calls, total) in now.items():
        old_calls, old_total = (before or {}).get(queryid, (0, 0.0))
        if calls < old_calls:
            old_calls, old_total = 0, 0.0
        if calls > old_calls:
            added[queryid] = (calls - old_calls, max(0.0, total - old_total))
    return added


def _foreign(text: Any) -> bool:
    return isinstance(text, str) and queries.MARK not in text


def _statement(text: str, calls: int, total: float) -> Statement:
    return Statement(redact(clean(text, 500)), calls, total, total / calls)
