"""What the server tells about itself: /version, /api, /apis (also aggregated), OpenAPI as far as kubectl
needs it."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from console.drill.cluster.request import METRICS_GROUP
from console.drill.cluster.resources import RESOURCES, REVIEWS, SUBRESOURCE_KINDS, Resource
from console.drill.cluster.schema import Obj

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def version(text: str) -> Obj:
    """Return the body of /version for a version such as `1.36.2`."""
    major, minor, _ = text.split(".", 2)
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"v{text}",
        "gitCommit": hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
        "gitTreeState": "clean",
        "buildDate": "2026-06-09T10:00:00Z",
        "goVersion": "go1.26.4",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def groups(metrics: bool) -> dict[str, list[str]]:
    """Return the versions of each named group, the preferred first."""
    found: dict[str, list[str]] = {}
    for resource in RESOURCES:
        if resource.group and resource.version not in found.setdefault(resource.group, []):
            found[resource.group].append(resource.version)
    for group, number, _ in REVIEWS.values():
        found.setdefault(group, [])
        if number not in found[group]:
            found[group].append(number)
    if metrics:
        found[METRICS_GROUP] = ["v1beta1"]
    return found


def _group(name: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{one}", "version": one} for one in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(metrics: bool) -> Obj:
    """Return the body of /apis."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(*one) for one in groups(metrics).items()],
    }


def one_group(name: str, metrics: bool) -> Obj | None:
    """Return the body of /apis/<group>."""
    versions = groups(metrics).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def core_versions(address: str) -> Obj:
    """Return the body of /api."""
    where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}


def _entry(resource: Resource) -> Obj:
    entry: Obj = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.hash:
        entry["storageVersionHash"] = resource.hash
    return entry


def _subresource(resource: Resource, name: str) -> Obj:
    group, number, kind, verbs = SUBRESOURCE_KINDS[name]
    entry: Obj = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    if group:
        entry |= {"group": group, "version": number}
    return {**entry, "kind": kind or resource.kind, "verbs": list(verbs)}


def _metric(plural: str, kind: str, namespaced: bool) -> Obj:
    return {
        "name": plural,
        "singularName": "",
        "namespaced": namespaced,
        "kind": kind,
        "verbs": ["get", "list"],
    }


def resource_list(group: str, number: str, metrics: bool) -> Obj | None:
    """Return the body of /api/v1 or /apis/<group>/<version>."""
    entries: list[Obj] = []
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, number):
            entries.append(_entry(resource))
            entries += [_subresource(resource, name) for name in resource.subresources]
    for plural, (review_group, review_version, kind) in REVIEWS.items():
        if (review_group, review_version) == (group, number):
            entries.append(
                {
                    "name": plural,
                    "singularName": kind.lower(),
                    "namespaced": False,
                    "kind": kind,
                    "verbs": ["create"],
                }
            )
    if metrics and (group, number) == (METRICS_GROUP, "v1beta1"):
        entries += [_metric("nodes", "NodeMetrics", False), _metric("pods", "PodMetrics", True)]
    if not entries:
        return None
    head: Obj = {"kind": "APIResourceList"} if not group else {"kind": "APIResourceList", "apiVersion": "v1"}
    return {**head, "groupVersion": f"{group}/{number}" if group else number, "resources": entries}


def aggregated(core: bool, metrics: bool) -> Obj:
    """Return /api or /apis as an APIGroupDiscoveryList (apidiscovery.k8s.io/v2)."""
    wanted = {"": ["v1"]} if core else groups(metrics)
    items = []
    for name, versions in wanted.items():
        listed = []
        for number in versions:
            found = resource_list(name, number, metrics)
            listed.append(
                {"version": number, "freshness": "Current", "resources": _nested(found, name, number)}
            )
        items.append({"metadata": {"name": name} if name else {}, "versions": listed})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _nested(found: Obj | None, group: str, number: str) -> list[Obj]:
    result: list[Obj] = []
    for entry in (found or {}).get("resources", ()):
        kind = {
            "group": entry.get("group", group),
            "version": entry.get("version", number),
            "kind": entry["kind"],
        }
        name, _, sub = entry["name"].partition("/")
        if sub:
            result[-1].setdefault("subresources", []).append(
                {"subresource": sub, "responseKind": kind, "verbs": entry["verbs"]}
            )
            continue
        one: Obj = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if entry["namespaced"] else "Cluster",
            "singularResource": entry["singularName"],
            "verbs": entry["verbs"],
        }
        for key in ("shortNames", "categories"):
            if key in entry:
                one[key] = entry[key]
        result.append(one)
    return result


def openapi_paths() -> Obj:
    """Return the index of /openapi/v3."""
    names = {f"apis/{one.group}/{one.version}" if one.group else "api/v1" for one in RESOURCES}
    return {
        "paths": {
            name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={hash_of(name)}"} for name in sorted(names)
        }
    }


def hash_of(text: str) -> str:
    """Return the hash under which a specification is cached."""
    return hashlib.sha256(text.encode()).hexdigest().upper()


def openapi(name: str) -> Obj | None:
    """Return one specification of /openapi/v3: the write operations and the query parameters they
    understand."""
    paths: Obj = {}
    parameters = [
        {"name": parameter, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for parameter in ("dryRun", "fieldManager", "fieldValidation")
    ]
    for resource in RESOURCES:
        prefix = f"apis/{resource.group}/{resource.version}" if resource.group else "api/v1"
        if prefix != name:
            continue
        place = "/namespaces/{namespace}" if resource.namespaced else ""
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        operation: dict[str, Any] = {
            "parameters": parameters,
            "x-kubernetes-group-version-kind": kind,
            "responses": {},
        }
        paths[f"/{prefix}{place}/{resource.plural}/{{name}}"] = {
            "put": {**operation, "x-kubernetes-action": "put"},
            "patch": {**operation, "x-kubernetes-action": "patch"},
        }
        paths[f"/{prefix}{place}/{resource.plural}"] = {"post": {**operation, "x-kubernetes-action": "post"}}
    if not paths:
        return None
    info = {"title": "Kubernetes", "version": "v1.36.2"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
