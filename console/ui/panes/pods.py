"""The pods pane: workloads as rows, sick first, each of which opens to its pods."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar

from console.model.budgets import covering, refusal
from console.model.kube import KubeSnapshot, Pod, Workload
from console.model.plan import Target
from console.model.source import Health
from console.model.symptoms.kube import clusters_of
from console.model.symptoms.words import plural
from console.ui.cells import Spans
from console.ui.format import age, count, percent, size
from console.ui.panes.base import Pane, Selection
from console.ui.panes.podrows import PodRows, Rank, Row
from console.ui.widgets.table import Column

_KINDS = {"Deployment": "", "StatefulSet": "sts", "DaemonSet": "ds", "Job": "job", "CronJob": "cron"}

_PREAMBLE = re.compile(r"^[0-9]+ of [0-9]+ pods: ")

_FULL_NAMES = 110
"""Cells from which a pod under its workload shows its whole name."""


class PodsPane(Pane):
    """See the module. Row keys are ``source|uid``."""

    NAME: ClassVar[str] = "pods"
    SOURCES: ClassVar[tuple[str, ...]] = ("kubernetes:",)
    SORTS: ClassVar[tuple[str, ...]] = ("sick", "name", "rst", "age", "cpu", "mem")
    REORDER: ClassVar[float] = 0.5
    SETUP: ClassVar[tuple[str, ...]] = (
        "No Kubernetes cluster is configured.",
        "Start with --context NAME, or write in warroom.toml:",
        "  [[kubernetes]]",
        '  context = "production"',
        '  namespaces = ["shop"]',
    )

    def __init__(self, engine: Any) -> None:
        self._snapshots: dict[str, KubeSnapshot] = {}
        self._open: set[str] = set()
        self._rows: dict[str, PodRows] = {}
        self._sick = 0
        self._total = 0
        self._pods = 0
        self._several = (False, False)
        self.namespace = ""
        super().__init__(engine)
        self.table.old = lambda key: self._unreachable(key.partition("|")[0])

    def _unreachable(self, source: str) -> bool:
        """Whether a cluster's rows are what was last known of it."""
        status = self.engine.board.status(source)
        return status is not None and status.health in (Health.FAILED, Health.DENIED)

    # The rows

    def columns(self) -> Sequence[Column]:
        """The columns; what goes first on a narrow screen has the highest rank."""
        clusters, namespaces = self._several
        return (
            Column("", 1, self._state_cell),
            Column("NAME", 18, self._name_cell, grow=2),
            *((Column("CLUSTER", 10, self._cluster_cell),) if clusters else ()),
            *((Column("NAMESPACE", 10, self._namespace_cell, rank=2),) if namespaces else ()),
            Column("READY", 6, self._ready_cell, right=True),
            Column("RST", 4, self._restarts_cell, rank=1, right=True),
            Column("AGE", 8, self._age_cell, rank=3, right=True),
            Column("CPU", 5, self._cpu_cell, rank=5, right=True),
            Column("MEM", 5, self._memory_cell, rank=4, right=True),
            Column("STATUS", 17, self._why_cell, grow=3),
        )

    def lookup(self, key: str) -> Workload | Pod | None:
        """The record of ``source|uid``."""
        source, _, uid = key.partition("|")
        snapshot = self._snapshots.get(source)
        if snapshot is None:
            return None
        return snapshot.workloads.get(uid) or snapshot.pods.get(uid)

    def refresh_records(self) -> None:
        """Show the latest records in the order as it stands."""
        self._snapshots = self.engine.board.of_type(KubeSnapshot)

    def read(self) -> None:
        """Sort and filter the workloads, and the pods of those that are open."""
        self.refresh_records()
        self._rows = {source: self._rows.get(source) or PodRows(source) for source in self._snapshots}
        rank = self._rank()
        for source, snapshot in self._snapshots.items():
            self._rows[source].take(snapshot, rank)
        self._fit_columns()
        counts = [rows.counts(self.namespace) for rows in self._rows.values()]
        self._total, self._sick, self._pods = map(sum, zip(*counts, strict=True)) if counts else (0, 0, 0)
        shown = [rows.blocks(self.namespace, self.filter, self._open) for rows in self._rows.values()]
        keys: list[str] = []
        # The sick of all clusters come first, not the sick of each.
        for _, key, members in heapq.merge(*shown) if len(shown) > 1 else chain(*shown):
            keys.append(key)
            keys.extend(members)
        self.table.set_keys(keys)

    def _fit_columns(self) -> None:
        """A column that says the same in every row is left out."""
        clusters = clusters_of(self.engine.board)
        several = (len(clusters) > 1, not self.namespace and len(self.namespaces()) > 1)
        if several != self._several:
            self._several = several
            self.table.set_columns(self.columns())

    def _rank(self) -> Rank:
        return _RANKS.get(self.sort, _by_trouble)

    # The cells

    def _state_cell(self, row: Workload | Pod) -> Spans:
        glyphs = self.table.glyphs
        if row.sick:
            return ((glyphs.bad, "bad"),)
        return ((glyphs.warn, "warn"),) if _moving(row) else ((glyphs.ok, "faint"),)

    def _name_cell(self, row: Workload | Pod) -> Spans:
        glyphs = self.table.glyphs
        role = "strong" if row.sick else "text"
        if isinstance(row, Pod):
            if not row.workload:
                return (("  ", "text"), (row.name, role))
            name = row.name
            if self.size.width < _FULL_NAMES:  # the end tells pods apart, so it must not be cut
                name = name.removeprefix(f"{row.workload.partition('/')[2]}-")
            return ((f"  {glyphs.branch} ", "faint"), (name, role if row.sick else "dim"))
        arrow = glyphs.open if row.uid in self._open else glyphs.closed
        kind = _KINDS.get(row.kind, row.kind.lower())
        return ((f"{arrow} ", "faint"), (row.name, role), (f" {kind}" if kind else "", "faint"))

    def _cluster_cell(self, row: Workload | Pod) -> Spans:
        for source, snapshot in self._snapshots.items():
            if (snapshot.workloads.get(row.uid) or snapshot.pods.get(row.uid)) is row:
                name = source.partition(":")[2]
                return (
                    ((f"{self.table.glyphs.bad} {name}", "bad"),)
                    if self._unreachable(source)
                    else ((name, "accent"),)
                )
        return ()

    def _namespace_cell(self, row: Workload | Pod) -> Spans:
        return ((row.namespace, "dim"),)

    def _ready_cell(self, row: Workload | Pod) -> Spans:
        if isinstance(row, Pod):
            ready, wanted = row.ready_containers, len([c for c in row.containers if not c.init]) or 1
        else:
            ready, wanted = row.ready, row.desired
        role = "dim" if ready >= wanted else "bad" if ready == 0 else "warn"
        if isinstance(row, Pod) and row.phase == "Succeeded":
            role = "dim"
        return ((f"{ready}/{wanted}", role),)

    def _restarts_cell(self, row: Workload | Pod) -> Spans:
        recent = row.last_restart is not None and self.now - row.last_restart < 900
        return ((count(row.restarts), "warn" if recent else "dim" if row.restarts else "faint"),)

    def _age_cell(self, row: Workload | Pod) -> Spans:
        changed = _changed_at(row)
        old = self.now - changed if changed is not None else None
        fresh = old is not None and old < 3600 and isinstance(row, Workload)
        if isinstance(row, Pod) or row.revision is None:
            return ((age(old), "dim"),)
        return ((f"r{row.revision} ", "faint"), (age(old), "accent" if fresh else "dim"))

    def _cpu_cell(self, row: Workload | Pod) -> Spans:
        return _usage(row.cpu, row.cpu_limit, f"{row.cpu:.2f}" if row.cpu is not None else "", 0.9)

    def _memory_cell(self, row: Workload | Pod) -> Spans:
        return _usage(row.memory, row.memory_limit, size(row.memory), 0.9)

    def _why_cell(self, row: Workload | Pod) -> Spans:
        if row.why:
            why = row.why
            if self.size.width < _FULL_NAMES:  # READY has the count, and the row itself the usual container
                why = _PREAMBLE.sub("", why)
                name = next((c.name for c in row.containers if why.startswith(f"{c.name}: ")), None)
                why = why if name is None else why[len(name) + 2 :]
            return ((why, "bad" if row.sick else "dim"),)
        if isinstance(row, Pod):
            return ((row.reason, "dim"),)
        if row.kind == "Job" and row.finished is None:
            return (("running", "dim"),)
        if _moving(row):
            return ((f"rolling out {row.updated}/{row.desired}", "warn"),)
        return (("paused", "warn"),) if row.paused else (("ok", "faint"),)

    # What the screen asks

    def summary(self) -> Spans:
        """How many, and how many are sick."""
        if not self._snapshots:
            return ()
        where = f" in {self.namespace}" if self.namespace else ""
        counts = f"{plural(self._total, 'workload')}, {plural(self._pods, 'pod')}{where}"
        if self._sick:
            return ((f"{self._sick} sick", "bad"), (f"  {counts}", "dim"))
        return ((counts, "dim"),)

    def selections(self) -> tuple[Selection, ...]:
        """The workload or pod under the cursor."""
        row, key = self.table.record, self.table.cursor
        if not isinstance(row, Workload | Pod) or key is None:
            return ()
        kind = "pod" if isinstance(row, Pod) else row.kind.lower()
        target = Target(kind, row.name, row.namespace, row.uid, row.resource_version)
        return (Selection(key.partition("|")[0], target, f"{kind}/{row.name}"),)

    def detail(self) -> Spans:
        """The row's reason in full, with images and limits."""
        row = self.table.record
        if row is None:
            return () if self.table.cursor is None else (("The selected object is gone.", "warn"),)
        where = row.namespace if self._several[1] and isinstance(row, Workload | Pod) else ""
        if isinstance(row, Pod):
            reason = "" if row.reason in row.why else row.reason
            parts = [f"pod/{row.name}", where, reason, row.why, row.node and f"on {row.node}", row.ip]
        elif isinstance(row, Workload):
            images = ", ".join(container.image for container in row.containers)
            parts = [
                f"{row.kind.lower()}/{row.name}",
                where,
                row.why or row.message,
                images,
                row.managed_by,
                row.hpa,
            ]
        else:
            return ()
        said = "  ".join(part for part in parts if part)
        held = self._held(row) if isinstance(row, Workload) else ""
        return (
            ((said, "text"), (f"  no ready pod can be evicted: {held}", "warn"))
            if held
            else ((said, "text"),)
        )

    def _held(self, row: Workload) -> str:
        """Why no ready pod of a workload may be evicted, or ""."""
        snapshot = self._snapshots.get((self.table.cursor or "").partition("|")[0])
        if snapshot is None or not row.pods or not row.labels:
            return ""
        return refusal(covering(snapshot.budgets.values(), row.namespace, dict(row.labels)), ready=True)

    def toggle(self, uid: str) -> None:
        """Open or close a workload."""
        self._open.symmetric_difference_update({uid})
        self.reread()

    def open(self) -> bool:
        """Open or close the workload under the cursor; a pod opens elsewhere."""
        row = self.table.record
        if isinstance(row, Workload):
            self.toggle(row.uid)
            return True
        return False

    def namespaces(self) -> tuple[str, ...]:
        """All namespaces that have rows."""
        return tuple(
            sorted({name for rows in self._rows.values() for name, count in rows.namespaces.items() if count})
        )

    def extra_notice(self) -> Sequence[Spans]:
        """Nothing runs here, which is worth saying."""
        if not self._snapshots:
            return ()
        where = f"namespace {self.namespace}" if self.namespace else "the namespaces you watch"
        return [((f"There are no workloads in {where}.", "dim"),)]


def _moving(row: Workload | Pod) -> bool:
    if isinstance(row, Pod):
        return row.terminating or row.phase == "Pending"
    if row.kind == "Job":
        return False
    return row.updated < row.desired or row.observed_generation < row.generation or row.ready < row.desired


def _changed_at(row: Workload | Pod) -> float | None:
    return row.created if isinstance(row, Pod) else row.revision_at or row.created


def _by_trouble(row: Row) -> tuple[Any, ...]:
    return (not row.sick, -row.severity, not _moving(row), row.name, row.namespace)


_RANKS: dict[str, Rank] = {
    "name": lambda row: (row.name, row.namespace),
    "rst": lambda row: (-row.restarts, row.name),
    "age": lambda row: (-(_changed_at(row) or 0.0), row.name),
    "cpu": lambda row: (-(row.cpu or 0.0), row.name),
    "mem": lambda row: (-(row.memory or 0), row.name),
}


def _usage(used: float | None, limit: float | None, absolute: str, threshold: float) -> Spans:
    """Use against its limit as percent, or the use itself where there is no limit."""
    if used is None:
        return (("-", "faint"),)
    if not limit:
        return ((absolute, "dim"),)
    ratio = used / limit
    return (
        (percent(ratio) if ratio < 0.1 else f"{ratio * 100:.0f}%", "bad" if ratio >= threshold else "dim"),
    )
