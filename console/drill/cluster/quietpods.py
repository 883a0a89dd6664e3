"""Pods that sleep: thousands that differ in some twenty words, written out only when somebody asks.

A pod is some 5 KB of JSON, nearly all of which it shares with every other pod of `bulk.populate`. So the JSON
is kept once, cut where pods differ, and an entry keeps only its own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from console.drill.cluster.store import Entry

# What stands in a template where workloads or pods differ; names that the API accepts.
NAMESPACE, WORKLOAD, DIGEST = "zz-namespace-zz", "zz-workload-zz", "zzdigestzz"
ROOT, SET = "00000000-0000-4000-8000-00000000d000", "00000000-0000-4000-8000-0000000000d1"
UID, NAME, ADDRESS, NODE, VERSION = "@uid@", "@name@", "@address@", "@node@", "@version@"
CONTAINER, CHANGED, RESTARTS = "@container@", "@changed@", 987654321

_MARKS: Final = (
    NAMESPACE, WORKLOAD, DIGEST, ROOT, SET, UID, NAME, ADDRESS, NODE, VERSION, CONTAINER, CHANGED,
    str(RESTARTS),
)  # fmt: skip
_SPLIT: Final = re.compile("(" + "|".join(map(re.escape, _MARKS)) + ")")


class Form:
    """A text with marks, cut at them."""

    def __init__(self, text: str) -> None:
        # Every other piece is a mark, because the pattern has a group.
        self._pieces = _SPLIT.split(text)

    def fill(self, words: Mapping[str, str]) -> bytes:
        """Return the text with a word for each mark."""
        pieces = self._pieces.copy()
        pieces[1::2] = [words[mark] for mark in pieces[1::2]]
        return "".join(pieces).encode()


class Sleepers(msgspec.Struct, frozen=True):
    """What the pods of one workload share: their JSON while `ready` and while not, the words of the workload,
    the ReplicaSet's uid and the labels. `created` is the time that stands in them.
    """

    ready: Form
    unready: Form
    words: Mapping[str, str]
    owner: str
    labels: dict[str, str]
    created: str


class QuietPod(Entry):
    """One version of a sleeping pod. `raw` is made anew each time, which takes some microseconds."""

    __slots__ = ("_address", "_changed", "_ready", "_restarts", "_sleepers", "node")

    def __init__(
        self,
        sleepers: Sleepers,
        rv: int,
        *,
        name: str,
        uid: str,
        node: str,
        address: str,
        ready: bool = True,
        restarts: int = 0,
        changed: str = "",
    ) -> None:
        self._obj = self._raw = None
        self.rv = rv
        self.namespace = sleepers.words[NAMESPACE]
        self.name = name
        self.uid = uid
        self.labels = sleepers.labels
        self.owner = sleepers.owner
        self._sleepers = sleepers
        self.node = node
        self._address = address
        self._ready = ready
        self._restarts = restarts
        self._changed = changed or sleepers.created

    @property
    def raw(self) -> bytes:
        """The pod as JSON."""
        own = {
            NAME: self.name,
            UID: self.uid,
            VERSION: str(self.rv),
            NODE: self.node,
            ADDRESS: self._address,
            CONTAINER: self.uid.replace("-", "") * 2,
            CHANGED: self._changed,
            str(RESTARTS): str(self._restarts),
        }
        form = self._sleepers.ready if self._ready else self._sleepers.unready
        return form.fill({**self._sleepers.words, **own})

    @property
    def ready(self) -> bool:
        """Whether it is ready."""
        return self._ready

    def turned(self, rv: int, now: str) -> QuietPod:
        """Return its next version: unready, or ready again with one restart more."""
        return QuietPod(
            self._sleepers,
            rv,
            name=self.name,
            uid=self.uid,
            node=self.node,
            address=self._address,
            ready=not self._ready,
            restarts=self._restarts + (not self._ready),
            changed=now,
        )
