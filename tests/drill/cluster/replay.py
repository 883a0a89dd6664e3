"""Replays the recorded exchanges with a real API server against the simulated one."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from console.drill.cluster import ApiServer, Cluster
from tests.services import eventually_async

HERE = Path(__file__).parent / "recordings"
TOKENS = {"admin": "admin-token", "viewer": "viewer-token", "expired": "expired-token"}

# Parts that cannot or need not be alike: hashes of builds, tokens of lists, what the recording's cluster
# added.
IGNORED = re.compile(
    r"managedFields|\.annotations|\.storageVersionHash|metadata\.continue|remainingItemCount"
    r"|\.sources\[\d*\]\.configMap|openshift|\.ports|\.labels"
)


def load(name: str) -> dict[str, Any]:
    """Return a recording by the number with which its file name starts."""
    return json.loads(next(HERE.glob(f"{name}-*.json")).read_text())  # type: ignore[no-any-return]


class Answer:
    """What the simulated server answered."""

    def __init__(self, status: int, headers: Any, data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.data)

    @property
    def lines(self) -> list[Any]:
        """The decoded lines of a watch."""
        return [json.loads(line) for line in self.data.splitlines()]


async def send(
    server: ApiServer,
    method: str,
    path: str,
    *,
    body: Any = None,
    content_type: str = "application/json",
    user: str = "admin",
    accept: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request as a user and return the answer."""
    data = (
        body
        if isinstance(body, (bytes, type(None)))
        else body.encode()
        if isinstance(body, str)
        else json.dumps(body)
    )
    sent = {
        "Accept": accept,
        "Authorization": f"Bearer {TOKENS[user]}",
        "User-Agent": "Python-urllib/3.11",
        **(headers or {}),
    }
    if data is not None:
        sent["Content-Type"] = content_type
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.url + path, data=data, headers=sent) as response,
    ):
        return Answer(response.status, response.headers, await response.read())


async def replay(server: ApiServer, name: str, **changes: str) -> tuple[dict[str, Any], Answer]:
    """Send the request of a recording, with texts in path and body exchanged, and return it with the
    answer."""
    recorded = load(name)
    request = recorded["request"]
    path, body = request["path"], request.get("body")
    text = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    for old, new in changes.items():
        path = path.replace(old, new)
        text = text.replace(old, new) if text is not None else None
    answer = await send(
        server, request["method"], path, body=text, content_type=request.get("content_type",
        "application/json"),
        user=request["as"], accept=request["accept"], headers=request.get("headers"),
    )  # fmt: skip
    return recorded["response"], answer


def differences(recorded: Any, got: Any, path: str = "") -> list[str]:
    """Return where two bodies differ in structure: fields missing or added, types, lengths of short lists."""
    if IGNORED.search(path):
        return []
    if isinstance(recorded, dict) and isinstance(got, dict):
        found = [
            f"{path}.{k} is missing"
            for k in recorded.keys() - got.keys()
            if not IGNORED.search(f"{path}.{k}")
        ]
        found += [
            f"{path}.{k} is new" for k in got.keys() - recorded.keys() if not IGNORED.search(f"{path}.{k}")
        ]
        for key in recorded.keys() & got.keys():
            found += differences(recorded[key], got[key], f"{path}.{key}")
        return found
    if isinstance(recorded, list) and isinstance(got, list):
        if bool(recorded) != bool(got):
            return [f"{path} has {len(got)} entries, not {len(recorded)}"]
        return [one for a, b in zip(recorded, got, strict=False) for one in differences(a, b, f"{path}[]")]
    if type(recorded) is not type(got):
        return [f"{path} is {got!r}, not {recorded!r}"]
    return []


def deployment(
    name: str, replicas: int = 3, image: str = "registry.example/auth:v1", **spec: Any
) -> dict[str, Any]:
    """Return a Deployment as the recordings have it."""
    container = {
        "name": "app",
        "image": image,
        "env": [{"name": "CACHE_QUERIES", "value": "false"}],
        "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}},
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            **spec,
        },
    }


async def until(check: Callable[[], object], what: str) -> None:
    """Wait until `check` gives something true."""

    async def asked() -> object:
        return check()

    await eventually_async(asked, what)


def prepared(cluster: Cluster) -> None:
    """Make what was there before the recordings: the namespace and its api-server."""
    cluster.add_namespace("production")
    cluster.create(
        deployment("api-server", 4, "registry.example/api:v1"), "production", manager="Python-urllib"
    )


def condition(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition of an object."""
    return next(one for one in obj["status"]["conditions"] if one["type"] == kind)


def set_image(cluster: Cluster, image: str, name: str = "web") -> None:
    """Change the image of a Deployment."""
    change = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
    cluster.patch("deploy", name, change, "production")


def states(cluster: Cluster, name: str = "web") -> list[dict[str, Any]]:
    """Return the container states of a workload's pods."""
    return [
        one["state"]
        for pod in cluster.pods_of(name, "production")
        for one in pod["status"].get("containerStatuses", [])
    ]


def reasons(cluster: Cluster, kind: str = "") -> dict[str, int]:
    """Return how often each reason was given in events about a kind."""
    found: dict[str, int] = {}
    for event in cluster.list("events", "production"):
        if kind in ("", event["involvedObject"]["kind"]):
            found[event["reason"]] = found.get(event["reason"], 0) + event.get("count", 1)
    return found
