"""The HTTP API of Prometheus over a store: queries, series, labels, targets, rules and alerts."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from console.drill.promql import parse as parser
from console.drill.promql.ast import Expression, PromQLError, Selector
from console.drill.promql.evaluate import evaluate
from console.drill.promql.exposition import number
from console.drill.promql.rules import Active, RuleState
from console.drill.promql.store import Series, Store

MAX_POINTS = 11_000
VERSION = "2.53.0"
"""The release whose API and semantics are offered."""


class Target(msgspec.Struct, frozen=True):
    """A scrape target and how its last scrape went."""

    job: str
    url: str
    error: str
    at: float
    seconds: float


Handler = Callable[[web.Request], Awaitable[web.Response]]


class QueryApi:
    """Answers like Prometheus; ``now`` gives unix seconds, ``targets`` and ``rules`` what they are now."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        targets: Callable[[], Sequence[Target]],
        rules: Sequence[RuleState],
    ) -> None:
        self._store, self._now, self._targets, self._rules = store, now, targets, rules

    def routes(self) -> Iterable[web.RouteDef]:
        """The routes of an aiohttp application."""
        both: dict[str, Callable[[web.Request], Awaitable[Any]]] = {
            "query": self._query,
            "query_range": self._query_range,
            "series": self._series,
            "labels": self._labels,
        }
        for name, handler in both.items():
            yield web.get(f"/api/v1/{name}", _guarded(handler), allow_head=False)
            yield web.post(f"/api/v1/{name}", _guarded(handler))
        only_get: dict[str, Callable[[web.Request], Awaitable[Any]]] = {
            "/api/v1/label/{name}/values": self._label_values,
            "/api/v1/targets": self._answer_targets,
            "/api/v1/rules": self._answer_rules,
            "/api/v1/alerts": self._answer_alerts,
            "/api/v1/status/buildinfo": self._build,
        }
        for path, handler in only_get.items():
            yield web.get(path, _guarded(handler))
        for path in ("/", "/-/healthy", "/-/ready"):
            yield web.get(path, _ready)

    async def _query(self, request: web.Request) -> Any:
        form = await _form(request)
        at = _time(form.get("time", ""), self._now())
        tree = parser.parse(form.get("query", ""))
        if isinstance(tree, Selector) and tree.window is not None:
            return {"resultType": "matrix", "result": self._raw(tree, at)}
        value = evaluate(tree, at, self._store)
        if isinstance(value, list):
            result = [{"metric": dict(labels), "value": [at, number(v)]} for labels, v in value]
            return {"resultType": "vector", "result": result}
        kind = "string" if isinstance(value, str) else "scalar"
        return {"resultType": kind, "result": [at, value if isinstance(value, str) else number(value)]}

    def _raw(self, selector: Selector, at: float) -> list[dict[str, Any]]:
        end = at - selector.offset
        found = []
        for series in self._store.select(selector.matchers):
            low, high = series.between(end - (selector.window or 0), end)
            points = [
                [series.times[i], number(series.values[i])]
                for i in range(low, high)
                if math.isfinite(series.values[i])
            ]
            if points:
                found.append({"metric": series.lookup, "values": points})
        return found

    async def _query_range(self, request: web.Request) -> Any:
        form = await _form(request)
        tree = parser.parse(form.get("query", ""))
        start, end = _time(form.get("start", ""), None), _time(form.get("end", ""), None)
        step = parser.duration(form.get("step", ""))
        if step <= 0:
            raise PromQLError("zero or negative query resolution step widths are not accepted")
        if end < start:
            raise PromQLError("end timestamp must not be before start time")
        if (end - start) / step > MAX_POINTS:
            raise PromQLError(f"exceeded maximum resolution of {MAX_POINTS:,} points per timeseries")
        return {"resultType": "matrix", "result": self._matrix(tree, start, end, step)}

    def _matrix(self, tree: Expression, start: float, end: float, step: float) -> list[dict[str, Any]]:
        lines: dict[Any, list[list[Any]]] = {}
        for index in range(int((end - start) / step + 1e-9) + 1):
            at = round(start + index * step, 3)
            value = evaluate(tree, at, self._store)
            if isinstance(value, str):
                raise PromQLError("invalid expression type 'string' for range query")
            for labels, sample in value if isinstance(value, list) else [((), value)]:
                lines.setdefault(labels, []).append([at, number(sample)])
        return [{"metric": dict(labels), "values": points} for labels, points in sorted(lines.items())]

    async def _selected(self, request: web.Request, *, required: bool) -> list[Series]:
        data = await request.post() if request.method == "POST" else request.query
        texts = [str(text) for text in (*data.getall("match[]", []),)]
        if not texts:
            if required:
                raise PromQLError("no match[] parameter provided")
            return self._store.select(())
        found: dict[Any, Series] = {}
        for text in texts:
            tree = parser.parse(text)
            if not isinstance(tree, Selector):
                raise PromQLError("match[] must be a series selector")
            found.update({series.labels: series for series in self._store.select(tree.matchers)})
        return list(found.values())

    async def _series(self, request: web.Request) -> Any:
        return [series.lookup for series in await self._selected(request, required=True)]

    async def _labels(self, request: web.Request) -> Any:
        return sorted(
            {name for series in await self._selected(request, required=False) for name in series.lookup}
        )

    async def _label_values(self, request: web.Request) -> Any:
        name = request.match_info["name"]
        found = await self._selected(request, required=False)
        return sorted({series.lookup[name] for series in found if name in series.lookup})

    async def _answer_targets(self, _: web.Request) -> Any:
        active = [
            {
                "discoveredLabels": {"__address__": target.url, "job": target.job},
                "labels": {"instance": target.job, "job": target.job},
                "scrapePool": target.job,
                "scrapeUrl": target.url,
                "globalUrl": target.url,
                "lastError": target.error,
                "lastScrape": _iso(target.at),
                "lastScrapeDuration": target.seconds,
                "health": "down" if target.error else "up" if target.at else "unknown",
                "scrapeInterval": "1s",
                "scrapeTimeout": "1s",
            }
            for target in self._targets()
        ]
        return {"activeTargets": active, "droppedTargets": []}

    async def _answer_rules(self, _: web.Request) -> Any:
        rules = [
            {
                "type": "alerting",
                "name": state.rule.name,
                "query": state.rule.expression,
                "duration": state.rule.hold,
                "labels": state.rule.labels,
                "annotations": state.rule.annotations,
                "state": _worst(state.active.values()),
                "health": "err" if state.error else "ok",
                "lastError": state.error,
                "lastEvaluation": _iso(state.evaluated),
                "evaluationTime": 0.0,
                "alerts": [_alert(alert) for alert in state.active.values()],
            }
            for state in self._rules
        ]
        return {"groups": [{"name": "shop", "file": "drill", "interval": 1, "rules": rules}]}

    async def _answer_alerts(self, _: web.Request) -> Any:
        return {"alerts": [_alert(alert) for state in self._rules for alert in state.active.values()]}

    async def _build(self, _: web.Request) -> Any:
        return {"version": VERSION, "revision": "drill", "branch": "drill", "goVersion": ""}


def _worst(alerts: Iterable[Active]) -> str:
    states = {alert.firing for alert in alerts}
    return "firing" if True in states else "pending" if states else "inactive"


def _alert(alert: Active) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": alert.annotations,
        "state": "firing" if alert.firing else "pending",
        "activeAt": _iso(alert.since),
        "value": number(alert.value),
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _form(request: web.Request) -> dict[str, str]:
    data = await request.post() if request.method == "POST" else {}
    return {key: str(value) for key, value in (*request.query.items(), *data.items())}


def _time(text: str, default: float | None) -> float:
    """Unix seconds or RFC 3339. Raises PromQLError."""
    if not text and default is not None:
        return default
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise PromQLError(f"invalid parameter: cannot parse {text!r} to a valid timestamp") from None


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="Prometheus Server is Ready.\n")


_STATUS = {"bad_data": 400, "execution": 422}


def _guarded(handler: Callable[[web.Request], Awaitable[Any]]) -> Handler:
    """Wrap the data of an answer, or an error, as Prometheus does."""

    async def answer(request: web.Request) -> web.Response:
        try:
            body: dict[str, Any] = {"status": "success", "data": await handler(request)}
            status = 200
        except PromQLError as error:
            body = {"status": "error", "errorType": error.kind, "error": str(error)}
            status = _STATUS.get(error.kind, 422)
        return web.Response(
            body=msgspec.json.encode(body), status=status, headers={"Content-Type": "application/json"}
        )

    return answer
