"""What a mitigation is given: the clock, the board, connections that may write, and where evidence goes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from console.config import ClusterSettings, Config, PostgresSettings
from console.engine.ports import PlanError
from console.model.clock import Clock
from console.model.kube import KubeSnapshot
from console.model.redact import redact
from console.model.symptoms.words import plural
from console.model.text import clean, clean_lines
from console.sources.base import SourceError

if TYPE_CHECKING:
    from console.mitigations.postgres.connection import PostgresConnection
    from console.mitigations.postgres.kept import ActingSessions
    from console.sources.kubernetes.connection import Connection

T = TypeVar("T")

EVIDENCE_LIMIT = 5 * 1024 * 1024
"""Bytes of one evidence file; of more the end is kept and the file says so."""
SECRET_REACH = 16 * 1024
"""Bytes that are read before the first kept one, to recognise a secret whose name stands before the cut."""
FILE_MODE, FOLDER_MODE, SPARE_MODE = 0o640, 0o750, 0o700
"""Permissions of evidence, of its folders, and of a spare folder, which lies where everybody can look."""


class Snapshots(Protocol):
    """The part of the board that mitigations read."""

    def snapshot(self, name: str) -> object | None:
        """The latest snapshot of a source."""
        ...

    def of_type(self, kind: type[T]) -> dict[str, T]:
        """All latest snapshots of one record type, by source name."""
        ...


class Timing(msgspec.Struct, frozen=True):
    """Deadlines and pauses in seconds: one request, between two looks, a rollout, the metrics after it."""

    request: float = 10.0
    poll: float = 1.0
    rollout: float = 660.0
    settle: float = 150.0


class Evidence(msgspec.Struct, frozen=True):
    """A saved file: its path, SHA-256 and size in bytes."""

    path: str
    sha256: str
    size: int


class World:
    """One mitigation's view of the world; closed when the mitigation is over.

    ``source`` is the board name of the system acted on, ``audit_id`` marks the requests of this run, and
    ``tell`` says where it stands. ``saved`` lists the evidence, ``missing`` what could not be had.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        config: Config,
        board: Snapshots,
        source: str,
        settings: ClusterSettings | PostgresSettings | None,
        evidence_dir: Path,
        audit_id: str = "",
        timing: Timing | None = None,
        tell: Callable[[str], None] = lambda _text: None,
        sessions: ActingSessions | None = None,
        spare_dir: Path | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.board = board
        self.source = source
        self.audit_id = audit_id
        self.timing = timing or Timing()
        self.tell = tell
        self.saved: list[Evidence] = []
        self.missing: list[str] = []
        self.settings = settings
        self._evidence_dir = evidence_dir
        self._spare_dir = spare_dir
        self._kubernetes: Connection | None = None
        self._postgres: PostgresConnection | None = None
        self._sessions = sessions

    @property
    def now(self) -> float:
        """Wall time in unix seconds."""
        return self.clock.now().timestamp()

    async def kubernetes(self) -> Connection:
        """The connection to the cluster of ``source`` that may write. Raises PlanError.

        It is the cluster that is on the screen: a kubeconfig that another shell has switched or rewritten
        since then changes nothing, or is refused.
        """
        if not isinstance(self.settings, ClusterSettings):
            raise PlanError(f"{self.source} is no Kubernetes context of the configuration")
        if self._kubernetes is None:
            self._kubernetes = await self._open_kubernetes(self.settings)
        return self._kubernetes

    async def _open_kubernetes(self, settings: ClusterSettings) -> Connection:
        from console.sources.kubernetes.connection import open_connection

        seen = self.board.snapshot(self.source)
        pinned = seen if isinstance(seen, KubeSnapshot) and seen.server else None
        if pinned is not None:
            settings = msgspec.structs.replace(settings, context=pinned.context)
        try:
            connection = await open_connection(settings, writable=True, clock=self.clock)
        except SourceError as error:
            raise PlanError(": ".join(filter(None, (error.reason, error.advice)))) from None
        if pinned is not None and connection.server != pinned.server:
            await connection.close()
            raise PlanError(
                f"the context {pinned.context} of the kubeconfig now points to"
                f" {clean(connection.server, 200)}, not to {pinned.server} as on the screen; start the"
                " console anew to use it"
            )
        return connection

    async def postgres(self) -> PostgresConnection:
        """The connection to the server of ``source`` that may signal sessions. Raises PlanError."""
        if not isinstance(self.settings, PostgresSettings):
            raise PlanError(f"{self.source} is no PostgreSQL server of the configuration")
        if self._sessions is not None:
            return await self._sessions.take(self.settings)
        if self._postgres is None or self._postgres.closed:
            from console.mitigations.postgres.connection import open_postgres

            self._postgres = await open_postgres(self.settings)
        return self._postgres

    def save_evidence(
        self, name: str, data: bytes, *, limit: int = EVIDENCE_LIMIT, before: int = 0, inside: bool = False
    ) -> None:
        """Write one file, redacted and with its SHA-256 in ``SHA256SUMS`` beside it.

        What happened last tells most, so the last ``limit`` bytes are kept, under a line that says how many
        were cut; ``before`` is how many the caller has cut in front of ``data``, ``inside`` whether in the
        middle of a line. Nothing is ever overwritten: a second file of the same name gets a number. Raises
        OSError, unless there is a spare folder: what that does not take either is missing.
        """
        content = _end(data, limit, before, inside=inside)
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".")[:120] or "evidence"
        try:
            self.saved.append(_write(self._evidence_dir, name, content))
        except OSError:
            if self._spare_dir is None:
                raise
            try:
                self.saved.append(_write(self._spare_dir, name, content, SPARE_MODE))
            except OSError as error:
                self.missing.append(f"{name}: {error.strerror or error}")

    async def close(self) -> None:
        """Release the connections that were opened."""
        for connection in (self._kubernetes, self._postgres):
            if connection is not None:
                with contextlib.suppress(Exception):
                    await connection.close()
        self._kubernetes = self._postgres = None


def _end(data: bytes, limit: int, before: int, *, inside: bool) -> bytes:
    """The end of ``data``, cleaned and redacted, under a line that says how much is missing."""
    kept = data[-(limit + SECRET_REACH) :]
    before += len(data) - len(kept)
    inside = inside or len(data) > len(kept)
    content = redact(clean_lines(kept, limit + SECRET_REACH)).encode()
    # In the middle of a line the first bytes may be a secret without its name, so they go in any case.
    surplus = max(len(content) - limit, SECRET_REACH if inside else 0)
    if surplus <= 0 and not before:
        return content
    surplus = max(surplus, 0)
    head = f"[cut by warroom: at least {plural(before + surplus, 'byte')} before this]\n"
    return head.encode() + content[surplus:].decode("utf-8", "ignore").encode()


def _write(folder: Path, name: str, content: bytes, mode: int = FOLDER_MODE) -> Evidence:
    """A new file and its line in the checksums, both on the disk. Raises OSError."""
    _make(folder, mode)
    path = _write_new(folder, name, content)
    digest = hashlib.sha256(content).hexdigest()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with os.fdopen(os.open(folder / "SHA256SUMS", flags, FILE_MODE), "ab") as sums:
        sums.write(f"{digest}  {path.name}\n".encode())
        sums.flush()
        os.fsync(sums.fileno())
    return Evidence(str(path), digest, len(content))


def _make(folder: Path, mode: int) -> None:
    """The folder and those above it that are missing, each with ``mode``. Raises OSError."""
    if not folder.is_dir():
        _make(folder.parent, mode)
        folder.mkdir(mode, exist_ok=True)


def _write_new(folder: Path, name: str, content: bytes) -> Path:
    stem, dot, suffix = name.rpartition(".")
    end = dot + suffix if stem else ""
    for number in range(1, 1000):
        path = folder / (name if number == 1 else f"{stem or name}-{number}{end}")
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            return path
    raise FileExistsError(f"{folder / name}: a thousand files of that name exist already")
