"""The alerts and the silences of one Alertmanager, API v2, by GET only.

Alertmanager's default answer includes silenced and inhibited alerts; they are told apart by
``status.state`` (active, suppressed, unprocessed) with the ids of what silences or inhibits them.
Who silenced them, until when and why is in the silences; failing to read these takes no alert away.
Documentation: https://prometheus.io/docs/alerting/latest/alerts_api/ and its OpenAPI description.
"""

from __future__ import annotations

import asyncio
import random
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from console.config import AlertmanagerSettings
from console.model.clock import Clock
from console.model.metrics import Alert, AlertsSnapshot, Silence
from console.model.redact import redact
from console.model.source import Health
from console.model.text import clean
from console.sources.base import Publisher, Reporter, SourceError, healthy, poll
from console.sources.http import read_only_session
from console.sources.proxy import environment_proxy
from console.sources.trust import aiohttp, trust
from console.sources.wording import describe_failure, without_userinfo

T = TypeVar("T")

NAME = "alertmanager"
ALERTS = "/api/v2/alerts"
SILENCES = "/api/v2/silences"
STATUS = "/api/v2/status"
TIMEOUT = 5.0

_STATES = {"active": 0, "unprocessed": 1, "suppressed": 2}
_SEVERITIES = {"critical": 0, "page": 0, "error": 1, "warning": 2, "info": 3, "none": 4}


class _Status(msgspec.Struct, rename="camel"):
    state: str
    silenced_by: list[str] = []
    inhibited_by: list[str] = []


class _Alert(msgspec.Struct, rename="camel"):
    fingerprint: str
    labels: dict[str, str]
    starts_at: datetime
    status: _Status
    annotations: dict[str, str] = {}


class _SilenceStatus(msgspec.Struct):
    state: str


class _Silence(msgspec.Struct, rename="camel"):
    id: str
    status: _SilenceStatus
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""


class _Version(msgspec.Struct):
    version: str = ""


class _About(msgspec.Struct, rename="camel"):
    version_info: _Version = msgspec.field(default_factory=_Version)


class AlertmanagerSource:
    """Polls the alerts and the silences of one Alertmanager."""

    def __init__(self, settings: AlertmanagerSettings, clock: Clock, rng: random.Random) -> None:
        self.name = NAME
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._tls = trust(settings.url)
        self._session: aiohttp.ClientSession | None = None
        self._version: str | None = None

    async def run(self, publisher: Publisher) -> None:
        """Read until cancelled."""
        reporter = Reporter(self.name, without_userinfo(self._settings.url), publisher, self._clock)
        headers = {name: value.reveal() for name, value in self._settings.headers.items()}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.TCPConnector(ssl=self._tls)
        async with read_only_session(headers=headers, timeout=timeout, connector=connector) as self._session:
            await poll(
                self.read,
                reporter,
                publisher,
                interval=self._settings.interval,
                timeout=TIMEOUT + 1,
                rng=self._rng,
                judge=_judge,
            )

    async def close(self) -> None:
        """Close open connections."""
        if self._session is not None:
            await self._session.close()

    async def read(self) -> AlertsSnapshot:
        """One round: alerts and silences at the same time. Raises SourceError when the alerts fail."""
        asking = asyncio.create_task(self._silences())
        try:
            alerts = await self._ask(ALERTS, list[_Alert])
            silences, failed = await asking
        finally:
            asking.cancel()
        if self._version is None:
            self._version = await self._ask_version()
        return AlertsSnapshot(self._clock.now().timestamp(), _alerts(alerts), silences, failed, self._version)

    async def _ask_version(self) -> str:
        """The server's version, "" where it does not say."""
        try:
            return clean((await self._ask(STATUS, _About)).version_info.version, 40)
        except SourceError:
            return ""

    async def _silences(self) -> tuple[dict[str, Silence], str]:
        """The active silences by id, or none and why they cannot be read."""
        try:
            return _active(await self._ask(SILENCES, list[_Silence])), ""
        except SourceError as error:
            return {}, error.reason

    async def _ask(self, path: str, kind: type[T]) -> T:
        assert self._session is not None
        try:
            async with self._session.get(
                self._settings.url.rstrip("/") + path,
                allow_redirects=False,
                proxy=environment_proxy(self._settings.url),
            ) as response:
                content = await response.read()
        except TimeoutError:
            raise SourceError(
                f"Alertmanager gave no answer within {TIMEOUT:g} s", "check the network and the server"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise SourceError(
                f"Alertmanager cannot be reached: {describe_failure(error)}",
                "check the url in [alertmanager], the network and the server",
            ) from None
        if response.status != 200:
            raise _refused(response.status, content, response.headers.get("location", ""))
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise SourceError(
                f"the answer to {path} is not what Alertmanager's API v2 gives",
                "check the url in [alertmanager]: a path prefix may be missing, or a login page answers",
            ) from None


def _judge(snapshot: AlertsSnapshot) -> tuple[Health, str, str]:
    if not snapshot.silences_failed:
        return healthy(snapshot)
    return (
        Health.LIMITED,
        f"the silences cannot be read: {snapshot.silences_failed}",
        f"let the console read {SILENCES}",
    )


def _refused(status: int, content: bytes, location: str) -> SourceError:
    if status in (401, 403):
        return SourceError(
            f"Alertmanager refuses with status {status}",
            "check the headers in [alertmanager]",
            Health.DENIED,
        )
    if 300 <= status < 400:
        where = without_userinfo(location)
        return SourceError(
            f"Alertmanager redirects to {where or 'nowhere'}", "set the url in [alertmanager] to that"
        )
    said = clean(content[:300], 160)
    return SourceError(
        f"Alertmanager answers with status {status}" + (f": {said}" if said and "<" not in said else ""),
        "check the url in [alertmanager] and the server's log",
    )


def _text(value: Any, limit: int = 300) -> str:
    return clean(redact(clean(value)), limit)


def _alerts(found: list[_Alert]) -> tuple[Alert, ...]:
    alerts = [
        Alert(
            fingerprint=clean(item.fingerprint, 64),
            name=clean(item.labels.get("alertname", "(no name)"), 120),
            state=clean(item.status.state, 20),
            severity=clean(item.labels.get("severity", ""), 20),
            summary=_summary(item.annotations),
            starts_at=item.starts_at.timestamp(),
            labels=tuple(sorted((clean(key, 80), _text(value, 200)) for key, value in item.labels.items())),
            silenced_by=tuple(clean(value, 64) for value in item.status.silenced_by),
            inhibited_by=tuple(clean(value, 64) for value in item.status.inhibited_by),
        )
        for item in found
    ]
    alerts.sort(
        key=lambda alert: (
            _STATES.get(alert.state, 3),
            _SEVERITIES.get(alert.severity.lower(), 2),
            -alert.starts_at,
            alert.fingerprint,
        )
    )
    return tuple(alerts)


def _summary(annotations: dict[str, str]) -> str:
    for key in ("summary", "message", "description", "title"):
        if annotations.get(key, "").strip():
            return _text(annotations[key])
    return ""


def _active(found: list[_Silence]) -> dict[str, Silence]:
    silences = (
        Silence(
            id=clean(item.id, 64),
            created_by=_text(item.created_by, 80),
            comment=_text(item.comment),
            starts_at=item.starts_at.timestamp(),
            ends_at=item.ends_at.timestamp(),
        )
        for item in found
        if item.status.state == "active"
    )
    return {silence.id: silence for silence in silences}
