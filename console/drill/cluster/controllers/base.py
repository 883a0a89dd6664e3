"""The loop that drives the controllers, and what they share."""

from __future__ import annotations

import heapq
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.drill.cluster.api import Api
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key, Store
from console.model.clock import Clock

if TYPE_CHECKING:
    from console.drill.cluster.behaviour import Behaviour
    from console.drill.cluster.events import Recorder


class Context:
    """What every controller works with."""

    def __init__(
        self,
        store: Store,
        api: Api,
        clock: Clock,
        rng: random.Random,
        behaviour: Behaviour,
        recorder: Recorder,
    ) -> None:
        self.store = store
        self.api = api
        self.clock = clock
        self.rng = rng
        self.behaviour = behaviour
        self.recorder = recorder

    def seconds(self) -> float:
        """Return the time as unix seconds."""
        return self.clock.now().timestamp()


class Controller(ABC):
    """One controller. `watches` are the tables whose changes it hears of."""

    watches: tuple[str, ...] = ()
    manager = "kube-controller-manager"

    def __init__(self, context: Context) -> None:
        self.context = context
        self.store = context.store
        self.api = context.api

    def keys(self, event: Event) -> Iterable[Key]:
        """Return the keys to reconcile because of a change."""
        return (event.entry.key,)

    @abstractmethod
    def reconcile(self, key: Key) -> float | None:
        """Bring one object on its way; return in how many seconds it is due again, if at all."""

    def write(self, table: str, entry: Entry, obj: Obj, sub: str = "") -> Entry:
        """Store a changed object under the controller's name."""
        return self.api.write(BY_TABLE[table], entry, obj, self.manager, sub)

    def write_status(self, table: str, entry: Entry, status: Obj) -> Entry:
        """Store a changed status; nothing happens when it is the same."""
        if status == entry.obj.get("status"):
            return entry
        return self.write(table, entry, {**entry.obj, "status": status}, "status")


class Loop:
    """Collects what is to be reconciled, and the timers; `run` works until nothing is due."""

    def __init__(self, context: Context, controllers: Iterable[Controller]) -> None:
        self._context = context
        self._controllers = tuple(controllers)
        self._pending: dict[tuple[int, Key], None] = {}
        self._timers: list[tuple[float, int, int, Key]] = []
        self._due: dict[tuple[int, Key], float] = {}
        self._sequence = 0
        self._by_table: dict[str, list[int]] = {}
        for number, controller in enumerate(self._controllers):
            for table in controller.watches:
                self._by_table.setdefault(table, []).append(number)

    def hear(self, event: Event) -> None:
        """Take note of a change."""
        for number in self._by_table.get(event.table, ()):
            for key in self._controllers[number].keys(event):
                self._pending[(number, key)] = None

    def wake(self, table: str, key: Key) -> None:
        """Have the controllers that own a table look at an object again."""
        for number, controller in enumerate(self._controllers):
            if controller.watches and controller.watches[0] == table:
                self._pending[(number, key)] = None

    def next_due(self) -> float | None:
        """Return when the next timer is due, in unix seconds."""
        if self._pending:
            return self._context.seconds()
        return self._timers[0][0] if self._timers else None

    def run(self, limit: int = 200_000) -> int:
        """Reconcile what is pending or due; return how many times. Raises RuntimeError when it does not
        settle."""
        now = self._context.seconds()
        done = 0
        while True:
            while self._timers and self._timers[0][0] <= now:
                due, _, number, key = heapq.heappop(self._timers)
                if self._due.get((number, key)) == due:
                    del self._due[(number, key)]
                    self._pending[(number, key)] = None
            if not self._pending:
                return done
            batch, self._pending = self._pending, {}
            for number, key in batch:
                done += 1
                again = self._controllers[number].reconcile(key)
                if again is not None:
                    self._set_timer(number, key, now + max(again, 0.001))
            if done > limit:
                raise RuntimeError(
                    "The simulated controllers do not settle; two of them undo each other's work."
                )

    def _set_timer(self, number: int, key: Key, due: float) -> None:
        known = self._due.get((number, key))
        if known is not None and known <= due and known > self._context.seconds():
            return
        self._due[(number, key)] = due
        self._sequence += 1
        heapq.heappush(self._timers, (due, self._sequence, number, key))
