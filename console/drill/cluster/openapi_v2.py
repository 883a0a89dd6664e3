"""/openapi/v2 as kubectl before 1.27 needs it: which kinds understand a server-side dry run.

kubectl looks for the PATCH operation of a kind and a query parameter ``dryRun`` in it (k8s.io/kubectl,
openapi/dryrun.go). The document is in protobuf with the field numbers of gnostic's OpenAPIv2.proto
(github.com/google/gnostic-models, Apache-2.0).
"""

from __future__ import annotations

import functools
import json

from console.drill.cluster.resources import RESOURCES

MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@functools.cache
def document() -> bytes:
    """The whole document: version, info and one path a resource."""
    paths = b"".join(_field(2, _path(*resource)) for resource in _resources())
    info = _text(1, "Kubernetes") + _text(2, "v1.36.2")
    return _text(1, "2.0") + _field(2, info) + _field(8, paths)


def _resources() -> list[tuple[str, str, str, str]]:
    return [(one.group, one.version, one.plural, one.kind) for one in RESOURCES]


def _path(group: str, version: str, plural: str, kind: str) -> bytes:
    """NamedPathItem with a patch operation: its query parameter dryRun (8) and the kind it is of (13)."""
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    query = _text(2, "query") + _text(4, "dryRun") + _text(6, "string")
    parameter = _field(1, _field(2, _field(3, query)))
    of_kind = json.dumps({"group": group, "kind": kind, "version": version})
    extension = _text(1, "x-kubernetes-group-version-kind") + _field(2, _text(2, of_kind))
    patch = _field(8, parameter) + _field(13, extension)
    return _text(1, f"{root}/{plural}/{{name}}") + _field(2, _field(8, patch))


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
