"""Which cluster, server, namespace and object ``warroom act`` means: told or clear, and never guessed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from console.config import Config, cluster_name
from console.engine.assemble import board_names
from console.engine.board import Board
from console.model.actions import Action
from console.model.kube import KubeSnapshot
from console.model.plan import Target

LIST_SECONDS = 5.0
"""How long the list that tells the namespace of a target may take."""


class UsageError(Exception):
    """A command line that cannot be used, as a sentence."""


def locate(
    board: Board,
    config: Config,
    action: Action,
    kind: str,
    name: str,
    *,
    namespaces: Sequence[str] = (),
    server: str = "",
) -> tuple[str, Target]:
    """The board name of the system that is meant, and the target on it. Raises UsageError."""
    sources = find_sources(config, action)
    if action.name.startswith("pg."):
        return find_server(sources, kind, name, server), Target(kind, name)
    known = {source: look_at(board, source, kind) for source in sources}
    source = find_source(known, kind, name, namespaces)
    spaces = namespaces or namespaces_of(config, source)
    return source, Target(kind, name, find_namespace(spaces, kind, name, known[source]))


def find_sources(config: Config, action: Action) -> list[str]:
    """The board names of the systems that the action may mean: all clusters, or all database servers.

    Raises UsageError when there is none.
    """
    sort = {"k8s": "kubernetes", "pg": "postgres"}[action.name.partition(".")[0]]
    found = [name for name in board_names(config) if name.startswith(f"{sort}:")]
    if not found:
        flag = "--context or --kubeconfig" if sort == "kubernetes" else "--postgres-dsn"
        raise UsageError(f"{action.name} needs a {sort} in the configuration; give {flag}")
    return found


def find_server(servers: Sequence[str], kind: str, name: str, wanted: str) -> str:
    """The one of the database servers that is meant. Raises UsageError otherwise: it is never guessed.

    ``wanted`` is the NAME of ``server=NAME``, if that is given; ``db/NAME`` may name a server, too.
    """
    named = f"postgres:{wanted or (name if kind == 'db' else '')}"
    if named in servers:
        return named
    if wanted:
        raise UsageError(f"no database server is called {wanted!r}; there are {_names(servers)}")
    if len(servers) == 1:
        return servers[0]
    words = " or ".join(f"server={server.partition(':')[2]}" for server in servers)
    whole = ", or a whole server as db/NAME" if kind == "db" else ""
    raise UsageError(
        f"the server of {kind}/{name} is not clear: {_names(servers)} are configured; add {words}{whole}"
    )


def find_source(
    known: Mapping[str, KubeSnapshot | None], kind: str, name: str, namespaces: Sequence[str]
) -> str:
    """The one of the clusters ``known`` that has the target. Raises UsageError otherwise: never guessed.

    A cluster that could not be looked at may have it as well.
    """
    if len(known) == 1:
        return next(iter(known))
    unseen = [source for source, shot in known.items() if shot is None or f"{kind}s" not in shot.synced]
    having = [source for source in known if _places(known[source], kind, name, namespaces)]
    if len(having) == 1 and not unseen:
        return having[0]
    parts = [f"it exists in {_names(having)}"] if having else []
    parts += [f"{_names(unseen)} could not be looked at"] if unseen else []
    where = ", and ".join(parts) or f"none of {_names(known)} has it"
    raise UsageError(f"the cluster of {kind}/{name} is not clear: {where}; name it with --context")


def _names(sources: Iterable[str]) -> str:
    return ", ".join(source.partition(":")[2] for source in sources)


def namespaces_of(config: Config, source: str) -> Sequence[str]:
    """The namespaces that a cluster is configured with."""
    for index, cluster in enumerate(config.kubernetes):
        if source == f"kubernetes:{cluster_name(cluster, index)}":
            return cluster.namespaces
    return ()


def _places(snapshot: KubeSnapshot | None, kind: str, name: str, namespaces: Sequence[str]) -> set[str]:
    """The namespaces, of those given if any, in which a target exists."""
    found: set[str] = set()
    if snapshot is not None and kind == "pod":
        found = {pod.namespace for pod in snapshot.pods.values() if pod.name == name}
    elif snapshot is not None:
        rows = snapshot.workloads.values()
        found = {row.namespace for row in rows if (row.kind.lower(), row.name) == (kind, name)}
    return found & set(namespaces) if namespaces else found


def find_namespace(configured: Sequence[str], kind: str, name: str, known: KubeSnapshot | None) -> str:
    """The one namespace that is meant, of those given or configured if any. Raises UsageError otherwise: it
    is never guessed."""
    if len(configured) == 1:
        return configured[0]
    found = _places(known, kind, name, configured)
    if len(found) == 1:
        return found.pop()
    where = (
        f"it exists in {', '.join(sorted(found))}" if found else "it was not found in any that can be read"
    )
    raise UsageError(f"the namespace of {kind}/{name} is not clear: {where}; name it with --namespace")


def look_at(board: Board, source: str, kind: str) -> KubeSnapshot | None:
    """The snapshot of a cluster once its list of ``kind`` is complete, or what is known after a while."""
    complete = threading.Event()

    def look(_name: str = "") -> None:
        snapshot = board.snapshot(source)
        if isinstance(snapshot, KubeSnapshot) and f"{kind}s" in {*snapshot.synced, *snapshot.denied}:
            complete.set()

    stop = board.listen(look)
    look()
    complete.wait(LIST_SECONDS)
    stop()
    snapshot = board.snapshot(source)
    return snapshot if isinstance(snapshot, KubeSnapshot) else None
