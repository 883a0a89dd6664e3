"""Alerts and silences over the API of Alertmanager (v2): the real one, or the drill's own."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from console.drill.servers import Servers, accepts, free_port

RESOLVE_AFTER = 300.0
"""Seconds after which an alert that nobody repeats is resolved, unless it names its own end."""


def start(servers: Servers, program: Path) -> int:
    """Start a real Alertmanager that notifies nobody; returns its port. Raises DrillError."""
    folder = servers.folder("alertmanager")
    settings = folder / "alertmanager.json"
    settings.write_bytes(
        msgspec.json.encode(
            {"route": {"receiver": "nobody", "group_wait": "1s"}, "receivers": [{"name": "nobody"}]}
        )
    )
    servers.give(settings)
    port = free_port()
    servers.start(
        "alertmanager",
        [
            str(program),
            f"--config.file={settings}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ],
        cwd=folder,
    )
    servers.await_ready("alertmanager", lambda: accepts(port))
    return port


class Held(msgspec.Struct, frozen=True):
    """An alert as it was last posted; times in unix seconds."""

    labels: dict[str, str]
    annotations: dict[str, str]
    generator: str
    starts: float
    ends: float
    updated: float


class Alertmanager:
    """The drill's own: keeps what is posted, matches silences, forgets what has ended."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._alerts: dict[str, Held] = {}
        self._silences: dict[str, dict[str, Any]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """The routes of an aiohttp application."""
        return (
            web.get("/api/v2/alerts", self._get_alerts),
            web.post("/api/v2/alerts", self._post_alerts),
            web.get("/api/v2/silences", self._get_silences),
            web.post("/api/v2/silences", self._post_silence),
            web.get("/api/v2/silence/{id}", self._get_silence),
            web.delete("/api/v2/silence/{id}", self._delete_silence),
            web.get("/api/v2/status", self._status),
            web.get("/-/healthy", self._ready),
            web.get("/-/ready", self._ready),
        )

    def post(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """Take in alerts in the form of the API. Raises ValueError."""
        now = self._now()
        for alert in alerts:
            labels = {str(key): str(value) for key, value in alert["labels"].items() if value}
            if not labels:
                raise ValueError("at least one label pair required")
            fingerprint = hashlib.sha256(msgspec.json.encode(sorted(labels.items()))).hexdigest()[:16]
            known = self._alerts.get(fingerprint)
            starts = _unix(alert.get("startsAt")) or now
            self._alerts[fingerprint] = Held(
                labels,
                {str(key): str(value) for key, value in (alert.get("annotations") or {}).items()},
                str(alert.get("generatorURL") or ""),
                min(starts, known.starts) if known and known.ends > now else starts,
                _unix(alert.get("endsAt")) or now + RESOLVE_AFTER,
                now,
            )
        self._alerts = {key: held for key, held in self._alerts.items() if held.ends > now}

    async def _post_alerts(self, request: web.Request) -> web.Response:
        try:
            self.post(msgspec.json.decode(await request.read()))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            return _json(str(error), 400)
        return web.Response()

    async def _get_alerts(self, request: web.Request) -> web.Response:
        try:
            matchers = [_matcher(text) for text in request.query.getall("filter", [])]
        except ValueError as error:
            return _json(str(error), 400)
        now, wanted = self._now(), request.query
        found = []
        for fingerprint, held in self._alerts.items():
            silenced = [one["id"] for one in self._silences.values() if self._silences_it(one, held, now)]
            kept = wanted.get("silenced" if silenced else "active", "true") != "false"
            if held.ends > now and kept and all(_matches(one, held.labels) for one in matchers):
                found.append(_as_json(fingerprint, held, silenced))
        return _json(found)

    def _silences_it(self, silence: Mapping[str, Any], held: Held, now: float) -> bool:
        active = _state(silence, now) == "active"
        return active and all(_matches(one, held.labels) for one in silence["matchers"])

    async def _get_silences(self, _: web.Request) -> web.Response:
        return _json([self._shown(one) for one in self._silences.values()])

    async def _get_silence(self, request: web.Request) -> web.Response:
        found = self._silences.get(request.match_info["id"])
        return _json(self._shown(found)) if found else _json("silence not found", 404)

    async def _post_silence(self, request: web.Request) -> web.Response:
        now = self._now()
        try:
            body = msgspec.json.decode(await request.read())
            matchers = [_checked(one) for one in body["matchers"]]
            starts, ends = _unix(body["startsAt"]) or now, _unix(body["endsAt"])
            created_by, comment = str(body["createdBy"]), str(body["comment"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, re.error) as error:
            return _json(f"invalid silence: {error}", 400)
        if not matchers:
            return _json({"code": 612, "message": "matchers in body should have at least 1 items"}, 422)
        if all(_matches(one, {}) for one in matchers):
            return _json("invalid silence: at least one matcher must not match the empty string", 400)
        if ends is None or ends <= max(starts, now):
            return _json("invalid silence: end time must be after the start and not in the past", 400)
        old = self._silences.get(str(body.get("id") or ""))
        if body.get("id") and old is None:
            return _json("silence not found", 404)
        if old is not None and old["matchers"] != matchers:
            old["endsAt"], old = now, None
        identity = old["id"] if old else secrets.token_hex(16)
        self._silences[identity] = {
            "id": identity,
            "matchers": matchers,
            "startsAt": max(starts, now),
            "endsAt": ends,
            "createdBy": created_by,
            "comment": comment,
            "updatedAt": now,
        }
        return _json({"silenceID": identity})

    async def _delete_silence(self, request: web.Request) -> web.Response:
        found = self._silences.get(request.match_info["id"])
        if found is None:
            return _json("silence not found", 404)
        found["endsAt"] = found["updatedAt"] = self._now()
        return web.Response()

    def _shown(self, silence: Mapping[str, Any]) -> dict[str, Any]:
        times = {key: _iso(silence[key]) for key in ("startsAt", "endsAt", "updatedAt")}
        return {**silence, **times, "status": {"state": _state(silence, self._now())}}

    async def _status(self, _: web.Request) -> web.Response:
        return _json(
            {
                "cluster": {"status": "disabled", "peers": []},
                "versionInfo": {"version": "0.27.0", "revision": "drill", "branch": "drill"},
                "config": {"original": ""},
                "uptime": _iso(self._now()),
            }
        )

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="OK")


def _as_json(fingerprint: str, held: Held, silenced: list[str]) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint,
        "labels": held.labels,
        "annotations": held.annotations,
        "generatorURL": held.generator,
        "startsAt": _iso(held.starts),
        "endsAt": _iso(held.ends),
        "updatedAt": _iso(held.updated),
        "receivers": [{"name": "nobody"}],
        "status": {
            "state": "suppressed" if silenced else "active",
            "silencedBy": silenced,
            "inhibitedBy": [],
        },
    }


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, headers={"Content-Type": "application/json"}
    )


def _checked(matcher: Mapping[str, Any]) -> dict[str, Any]:
    """A matcher of a silence with all its keys. Raises KeyError, re.error."""
    found = {
        "name": str(matcher["name"]),
        "value": str(matcher["value"]),
        "isRegex": bool(matcher.get("isRegex", False)),
        "isEqual": bool(matcher.get("isEqual", True)),
    }
    if found["isRegex"]:
        re.compile(str(found["value"]))
    return found


def _matcher(text: str) -> dict[str, Any]:
    """A matcher as it stands in a filter: ``name="value"``. Raises ValueError."""
    match = re.fullmatch(r'\s*([\w:]+)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*', text)
    if not match:
        raise ValueError(f"bad matcher format: {text}")
    name, operator, value = match.groups()
    return {"name": name, "value": value, "isRegex": "~" in operator, "isEqual": "!" not in operator}


def _matches(matcher: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, wanted = labels.get(matcher["name"], ""), str(matcher["value"])
    same = bool(re.fullmatch(wanted, value)) if matcher["isRegex"] else value == wanted
    return same == bool(matcher["isEqual"])


def _state(silence: Mapping[str, Any], now: float) -> str:
    if silence["endsAt"] <= now:
        return "expired"
    return "active" if silence["startsAt"] <= now else "pending"


def _unix(text: Any) -> float | None:
    """Unix seconds of an RFC 3339 time, None for the zero time or nothing. Raises ValueError."""
    if not text or str(text).startswith("0001-"):
        return None
    # Go writes nanoseconds, of which Python reads microseconds.
    short = re.sub(r"(\.\d{1,6})\d*", r"\1", str(text)).replace("Z", "+00:00")
    return datetime.fromisoformat(short).timestamp()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
