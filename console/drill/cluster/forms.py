"""The forms in which objects leave the server: JSON, Table, PartialObjectMetadata; chosen by `Accept`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from console.drill.cluster import columns, convert, errors
from console.drill.cluster.resources import Resource
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, encode

JSON: Final = "application/json"


class Form(msgspec.Struct, frozen=True):
    """What the client wants: `kind` is full, table or partial; `include` of a Table is None, Metadata or
    Object."""

    kind: str = "full"
    include: str = "Metadata"
    pretty: bool = False


def negotiate(accept: str, include: str = "Metadata") -> Form:
    """Return the first form in an Accept header that the server can give. Raises a 406."""
    if not accept.strip():
        return Form()
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media not in (JSON, "application/*", "*/*"):
            continue
        values = dict(one.partition("=")[::2] for one in parameters)
        wanted = values.get("as", "")
        if not wanted:
            return Form()
        if values.get("v", "v1") != "v1" or values.get("g", "meta.k8s.io") != "meta.k8s.io":
            continue
        if wanted == "Table":
            return Form("table", include or "Metadata")
        if wanted.startswith("PartialObjectMetadata"):
            return Form("partial")
    raise errors.not_acceptable("application/json, application/yaml, application/vnd.kubernetes.protobuf")


class _OnlyMetadata(msgspec.Struct):
    metadata: msgspec.Raw


_METADATA: Final = msgspec.json.Decoder(_OnlyMetadata)
_PARTIAL: Final = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'


def metadata_of(raw: bytes) -> bytes:
    """Return the encoded metadata of an encoded object."""
    return bytes(_METADATA.decode(raw).metadata)


def stored(resource: Resource, entry: Entry) -> bytes:
    """Return an entry's JSON in the served version, without `kind` and `apiVersion`."""
    if convert.converted(resource):
        return encode(convert.from_storage(resource, entry.obj))
    return entry.raw


def full(resource: Resource, raw: bytes) -> bytes:
    """Return an object's JSON with its kind."""
    return b'{"kind":"%b","apiVersion":"%b",%b' % (
        resource.kind.encode(),
        resource.api_version.encode(),
        raw[1:],
    )


def partial(raw: bytes) -> bytes:
    """Return an object's PartialObjectMetadata."""
    return _PARTIAL + metadata_of(raw) + b"}"


def row(kind: str, api_version: str, obj: Obj, raw: bytes, include: str, now: datetime) -> bytes:
    """Return one row of a Table."""
    cells = encode(columns.cells(kind, obj, now))
    if include == "None":
        return b'{"cells":' + cells + b"}"
    shown = partial(raw)
    if include == "Object":
        shown = b'{"kind":"%b","apiVersion":"%b",%b' % (kind.encode(), api_version.encode(), raw[1:])
    return b'{"cells":' + cells + b',"object":' + shown + b"}"


def table(kind: str, meta: Obj, rows: Iterable[bytes], *, headers: bool = True) -> bytes:
    """Return a Table."""
    head = encode(columns.definitions(kind)) if headers else b"null"
    return (
        b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":%b,"columnDefinitions":%b,"rows":[%b]}'
        % (
            encode(meta),
            head,
            b",".join(rows),
        )
    )


def one(resource: Resource, raw: bytes, form: Form, now: datetime) -> bytes:
    """Return a single object in a form."""
    if form.kind == "full":
        return full(resource, raw)
    if form.kind == "partial":
        return partial(raw)
    obj = msgspec.json.decode(raw)
    meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    line = row(resource.kind, resource.api_version, _stored_form(resource, obj), raw, form.include, now)
    return table(resource.kind, meta, [line])


def _stored_form(resource: Resource, obj: Obj) -> Obj:
    return convert.to_storage(resource, obj) if convert.converted(resource) else obj


def many(resource: Resource, entries: list[Entry], meta: Obj, form: Form, now: datetime) -> bytes:
    """Return a list in a form."""
    if form.kind == "table":
        rows = (
            row(resource.kind, resource.api_version, entry.obj, stored(resource, entry), form.include, now)
            for entry in entries
        )
        return table(resource.kind, meta, rows)
    if form.kind == "partial":
        items = b",".join(partial(entry.raw) for entry in entries)
        return (
            b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":%b,"items":[%b]}'
            % (
                encode(meta),
                items,
            )
        )
    items = b",".join(stored(resource, entry) for entry in entries)
    return b'{"kind":"%bList","apiVersion":"%b","metadata":%b,"items":[%b]}' % (
        resource.kind.encode(),
        resource.api_version.encode(),
        encode(meta),
        items,
    )


def frame(resource: Resource, event: Event, kind: str, form: Form, now: datetime, *, first: bool) -> bytes:
    """Return a watch event as one line; encoded once for all watchers that want the same.

    `kind` may differ from the event's own: what leaves a selector is DELETED for its watcher, in its old
    state.
    """
    left = kind == "DELETED" and event.type != "DELETED"
    heads = first and form.kind == "table"
    key = (resource.group, resource.version, form, kind, left, heads)
    known = event.frames.get(key)
    if known is None:
        if left and event.old is not None:
            old = event.old.obj
            raw = encode({**old, "metadata": {**old["metadata"], "resourceVersion": str(event.rv)}})
            entry = Entry(None, raw, event.rv, old["metadata"])
        else:
            entry = event.entry
        known = line(resource, entry, kind, form, now, first=first)
        event.frames[key] = known
    return known


def line(resource: Resource, entry: Entry, kind: str, form: Form, now: datetime, *, first: bool) -> bytes:
    """Return a watch event about an entry as one line."""
    raw = stored(resource, entry)
    if form.kind == "table":
        rows = [row(resource.kind, resource.api_version, entry.obj, raw, form.include, now)]
        body = table(resource.kind, {"resourceVersion": str(entry.rv)}, rows, headers=first)
    else:
        body = full(resource, raw) if form.kind == "full" else partial(raw)
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)


# What Go's empty objects still show: fields without omitempty.
_EMPTY: Final[dict[str, Obj]] = {
    "Pod": {"spec": {"containers": None}, "status": {}},
    "Deployment": {
        "spec": {
            "replicas": 0,
            "selector": None,
            "template": {"metadata": {}, "spec": {"containers": None}},
            "strategy": {},
        },
        "status": {},
    },
}


def bookmark(resource: Resource, rv: int, form: Form, *, initial_end: bool = False) -> bytes:
    """Return a BOOKMARK line."""
    meta: Obj = {"resourceVersion": str(rv)}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    body: Obj
    if form.kind == "table":
        body = {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "columnDefinitions": None,
            "rows": [],
        }
    elif form.kind == "partial":
        body = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    else:
        body = {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": meta,
            **_EMPTY.get(resource.kind, {}),
        }
    return encode({"type": "BOOKMARK", "object": body}) + b"\n"


def failure(error: errors.ApiError) -> bytes:
    """Return an ERROR line."""
    return encode({"type": "ERROR", "object": error.status()}) + b"\n"
