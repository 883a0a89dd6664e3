"""Who asks and what they may do: bearer tokens, users, and roles as RBAC rules."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from console.drill.cluster import errors
from console.drill.cluster.schema import Obj

READ: Final = ("get", "list", "watch")


class Rule(msgspec.Struct, frozen=True):
    """A rule of a role; "*" stands for all. `urls` makes it one for paths that are no resources."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def allows(self, verb: str, group: str, resource: str) -> bool:
        """Return whether the rule allows a verb on a resource (`pods`, `pods/log`)."""
        return (
            _in(verb, self.verbs)
            and _in(group, self.groups)
            and (_in(resource, self.resources) or f"*/{resource.partition('/')[2]}" in self.resources)
        )

    def allows_url(self, verb: str, path: str) -> bool:
        """Return whether the rule allows a verb on a path."""
        return _in(verb, self.verbs) and any(
            url in ("*", path) or (url.endswith("*") and path.startswith(url[:-1])) for url in self.urls
        )

    def as_object(self) -> Obj:
        """Return it as it stands in a SelfSubjectRulesReview."""
        if self.urls:
            return {"verbs": list(self.verbs), "nonResourceURLs": list(self.urls)}
        return {"verbs": list(self.verbs), "apiGroups": list(self.groups), "resources": list(self.resources)}


def _in(value: str, allowed: Iterable[str]) -> bool:
    return any(one in ("*", value) for one in allowed)


# The cluster role `view` of Kubernetes: no secrets, no nodes, no roles.
VIEW: Final = (
    Rule(READ, ("",), (
        "configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
        "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services",
        "services/status",
    )),
    Rule(READ, ("",), (
        "bindings", "limitranges", "namespaces/status", "pods/log", "pods/status",
        "replicationcontrollers/status",
        "resourcequotas", "resourcequotas/status",
    )),
    Rule(READ, ("",), ("namespaces",)),
    Rule(READ, ("", "events.k8s.io"), ("events",)),
    Rule(READ, ("discovery.k8s.io",), ("endpointslices",)),
    Rule(READ, ("apps",), (
        "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
        "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets",
        "statefulsets/scale", "statefulsets/status",
    )),
    Rule(READ, ("autoscaling",), ("horizontalpodautoscalers", "horizontalpodautoscalers/status")),
    Rule(READ, ("batch",), ("cronjobs", "cronjobs/status", "jobs", "jobs/status")),
    Rule(READ, ("policy",), ("poddisruptionbudgets", "poddisruptionbudgets/status")),
    Rule(READ, ("networking.k8s.io",), ("ingresses", "ingresses/status", "networkpolicies")),
    Rule(READ, ("metrics.k8s.io",), ("pods",)),
)  # fmt: skip

# What every authenticated user has: system:basic-user, system:discovery, system:public-info-viewer.
BASIC: Final = (
    Rule(("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    Rule(("get",), urls=(
        "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
        "/version",
        "/version/",
    )),
    Rule(("get",), urls=("/healthz", "/livez", "/readyz", "/version", "/version/")),
)  # fmt: skip
ADMIN: Final = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))


class User(msgspec.Struct, frozen=True):
    """A user with a bearer token. `namespaces` limits the rules to some namespaces; empty is the whole
    cluster."""

    name: str
    token: str
    groups: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    namespaces: tuple[str, ...] = ()

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Return whether the user may do something ("" is cluster-wide)."""
        if any(rule.allows(verb, group, resource) for rule in BASIC):
            return True
        if self.namespaces and namespace not in self.namespaces:
            return False
        return any(rule.allows(verb, group, resource) for rule in self.rules)

    def may_url(self, verb: str, path: str) -> bool:
        """Return whether the user may ask for a path."""
        return any(rule.allows_url(verb, path) for rule in (*BASIC, *self.rules))

    def info(self) -> Obj:
        """Return the user's `userInfo`."""
        groups = [*self.groups, "system:authenticated"]
        return {"username": self.name, "uid": f"{self.name}-uid", "groups": groups}


ADMIN_USER: Final = User("admin", "admin-token", ("system:masters",), ADMIN)
VIEWER: Final = User("viewer", "viewer-token", ("viewers",), VIEW)
EXPIRED_TOKEN: Final = "expired-token"  # noqa: S105


class Users:
    """The users that the server knows; more can be added."""

    def __init__(self) -> None:
        self._by_token = {user.token: user for user in (ADMIN_USER, VIEWER)}

    def add(self, user: User) -> None:
        """Make a user known, in place of an older one with the token."""
        self._by_token[user.token] = user

    def revoke(self, name: str) -> None:
        """Forget the tokens of a user: from now on they get a 401."""
        self._by_token = {token: user for token, user in self._by_token.items() if user.name != name}

    def named(self, name: str) -> User:
        """Return a user by name. Raises KeyError."""
        return next(user for user in self._by_token.values() if user.name == name)

    def token(self, name: str) -> str:
        """Return the token of a user; for an unknown name one that the server refuses."""
        return next((user.token for user in self._by_token.values() if user.name == name), EXPIRED_TOKEN)

    def authenticate(self, header: str, anonymous: str = "") -> User:
        """Return the user of an Authorization header, or `anonymous` when there is no header. Raises the
        401."""
        if not header and anonymous:
            return self.named(anonymous)
        scheme, _, token = header.partition(" ")
        user = self._by_token.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise errors.unauthorized()
        return user


def review(user: User, kind: str, body: Any, now: str) -> Obj:
    """Return the answer to one of the self subject reviews."""
    if kind == "SelfSubjectReview":
        return {"metadata": {"creationTimestamp": now}, "status": {"userInfo": user.info()}}
    spec = body.get("spec") or {}
    if kind == "SelfSubjectRulesReview":
        if not spec.get("namespace"):
            raise errors.bad_request("no namespace on request")
        rules = [rule for rule in (*user.rules, *BASIC) if not rule.urls]
        urls = [rule for rule in (*BASIC, *user.rules) if rule.urls]
        status = {
            "resourceRules": [rule.as_object() for rule in rules],
            "nonResourceRules": [rule.as_object() for rule in urls],
            "incomplete": False,
        }
        return {"metadata": {}, "spec": {}, "status": status}
    asked = spec.get("resourceAttributes")
    if asked:
        resource = asked.get("resource", "") + (
            f"/{asked['subresource']}" if asked.get("subresource") else ""
        )
        allowed = user.may(
            asked.get("verb", ""), asked.get("group", ""), resource, asked.get("namespace", "")
        )
    else:
        url = spec.get("nonResourceAttributes") or {}
        allowed = user.may_url(url.get("verb", ""), url.get("path", ""))
    return {"metadata": {}, "spec": spec, "status": {"allowed": allowed}}
