"""Lists: selection, pages with continue tokens, resourceVersion."""

from __future__ import annotations

import base64
import binascii
import heapq
import json
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from console.drill.cluster import errors, selectors
from console.drill.cluster.errors import ApiError
from console.drill.cluster.resources import Resource
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Key, Store

_NOW: Final = -1
"""The resourceVersion in a token that goes on with whatever there is now."""


class Choice(msgspec.Struct, frozen=True):
    """Which objects of a resource are meant."""

    namespace: str
    labels: selectors.Selector
    fields: tuple[selectors.FieldTerm, ...]

    @property
    def everything(self) -> bool:
        """Whether nothing but the namespace chooses."""
        return not self.labels.requirements and not self.fields

    def admits(self, entry: Entry) -> bool:
        """Return whether an entry is meant."""
        if self.namespace and entry.namespace != self.namespace:
            return False
        if not self.labels.matches(entry.labels):
            return False
        for term in self.fields:
            if term.path == "metadata.name":
                value = entry.name
            elif term.path == "metadata.namespace":
                value = entry.namespace
            else:
                value = selectors.field(entry.obj, term.path)
            if (value == term.value) != term.equal:
                return False
        return True


def choose(resource: Resource, namespace: str, query: Mapping[str, str]) -> Choice:
    """Return the choice that a query makes. Raises a 400."""
    labels = selectors.parse_labels(query.get("labelSelector", ""))
    fields = selectors.parse_fields(query.get("fieldSelector", ""), resource.table)
    return Choice(namespace if resource.namespaced else "", labels, fields)


def number(query: Mapping[str, str], name: str) -> int:
    """Return a whole number of a query, 0 when absent. Raises a 400."""
    text = query.get(name) or "0"
    try:
        return int(text)
    except ValueError:
        raise errors.bad_request(f'strconv.ParseUint: parsing "{text}": invalid syntax') from None


def page(
    store: Store, resource: Resource, choice: Choice, query: Mapping[str, str]
) -> tuple[list[Entry], Obj]:
    """Return the entries of a list request and the list's metadata. Raises 400, 410 or 504."""
    limit, wanted = number(query, "limit"), number(query, "resourceVersion")
    rv, after = store.rv, None
    table = store.tables[resource.table]
    if query.get("continue"):
        if query.get("resourceVersion", "0") not in ("0", ""):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        rv, after = _read_token(query["continue"])
        rv = store.rv if rv == _NOW else rv
    elif wanted > store.rv:
        message = f"Too large resource version: {wanted}, current: {store.rv}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        details = {"causes": [cause], "retryAfterSeconds": 1}
        raise ApiError(504, "Timeout", f"Timeout: {message}", details, {"Retry-After": "1"})
    elif query.get("resourceVersionMatch") == "Exact":
        rv = wanted
    then: dict[Key, Entry | None] = {}
    if rv < store.rv:
        try:
            then = store.at(resource.table, rv)
        except LookupError:
            raise _expired(after, rv, table.floor) from None
    keys: Iterator[Key] = table.keys(choice.namespace, after)
    if then:
        gone = [k for k, e in then.items() if e is not None and k not in table.entries]
        fit = [
            k
            for k in gone
            if (not choice.namespace or k[0] == choice.namespace) and (after is None or k > after)
        ]
        keys = heapq.merge(keys, sorted(fit))
    found: list[Entry] = []
    more = 0
    for key in keys:
        entry = then[key] if key in then else table.entries[key]
        if entry is None or not choice.admits(entry):
            continue
        if limit and len(found) == limit:
            more = 1
            if choice.everything and not then:
                more = table.count(choice.namespace, found[-1].key)
            break
        found.append(entry)
    meta: Obj = {"resourceVersion": str(rv)}
    if more:
        meta["continue"] = _write_token(rv, found[-1].key)
        if choice.everything:
            meta["remainingItemCount"] = more
    return found, meta


def _expired(after: Key | None, rv: int, floor: int) -> ApiError:
    if after is None:
        return errors.too_old(rv, floor)
    text = (
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list."
    )
    return errors.ExpiredError(text, _write_token(_NOW, after))


def _write_token(rv: int, key: Key) -> str:
    body = json.dumps(
        {"v": "meta.k8s.io/v1", "rv": rv, "start": f"{key[0]}/{key[1]}\0"}, separators=(",", ":")
    )
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, Key]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raise errors.bad_request(
            "invalid continue token: continue key is not valid: illegal base64 data"
        ) from None
    try:
        body = json.loads(raw)
        namespace, _, name = body["start"].rstrip("\0").partition("/")
        return int(body["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError):
        first = raw[:1].decode("latin-1")
        why = f"invalid character '{first}' looking for beginning of value"
        raise errors.bad_request(f"invalid continue token: continue key is not valid: {why}") from None
