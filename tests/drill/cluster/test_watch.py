"""Lists and watches over HTTP: pages, resourceVersion, selectors, bookmarks, history."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

import pytest

from console.drill.cluster import ApiServer, Cluster
from tests.drill.cluster.replay import Answer, deployment, send, until

PODS = "/api/v1/namespaces/production/pods"
MAPS = "/api/v1/namespaces/production/configmaps"


def configmap(cluster: Cluster, name: str, labels: dict[str, str] | None = None, **data: str) -> None:
    """Create a ConfigMap."""
    meta = {"name": name, "labels": labels or {}}
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}, "production")


def serve(cluster: Cluster, test: Callable[[ApiServer], Coroutine[Any, Any, None]]) -> None:
    """Run a test against a server that does not tick by itself."""

    async def main() -> None:
        async with ApiServer(cluster, tick=None) as server:
            await test(server)

    asyncio.run(main())


def names(answer: Answer) -> list[str]:
    """Return the names in a list."""
    return [item["metadata"]["name"] for item in answer.json["items"]]


def test_pages_show_one_moment(cluster: Cluster) -> None:
    for number in range(7):
        configmap(cluster, f"c{number}")

    async def test(server: ApiServer) -> None:
        first = await send(server, "GET", f"{MAPS}?limit=3")
        assert names(first) == ["c0", "c1", "c2"]
        meta = first.json["metadata"]
        assert meta["remainingItemCount"] == 4
        cluster.delete("cm", "c4", "production")
        cluster.patch("cm", "c5", {"data": {"a": "b"}}, "production")
        configmap(cluster, "c3a")
        second = await send(server, "GET", f"{MAPS}?limit=3&continue={meta['continue']}")
        assert names(second) == ["c3", "c4", "c5"]
        assert "data" not in second.json["items"][2]
        assert second.json["metadata"]["resourceVersion"] == meta["resourceVersion"]
        last = await send(server, "GET", f"{MAPS}?limit=3&continue={second.json['metadata']['continue']}")
        assert names(last) == ["c6"]
        assert "continue" not in last.json["metadata"]

    serve(cluster, test)


def test_an_old_continue_token_is_gone(cluster: Cluster) -> None:
    for number in range(3):
        configmap(cluster, f"c{number}")

    async def test(server: ApiServer) -> None:
        token = (await send(server, "GET", f"{MAPS}?limit=1")).json["metadata"]["continue"]
        configmap(cluster, "later")
        cluster.expire_history()
        answer = await send(server, "GET", f"{MAPS}?limit=1&continue={token}")
        assert (answer.status, answer.json["reason"]) == (410, "Expired")
        # The refusal has a token with which the rest comes as it is now.
        rest = await send(server, "GET", f"{MAPS}?continue={answer.json['metadata']['continue']}")
        assert names(rest) == ["c1", "c2", "later"]
        assert rest.json["metadata"]["resourceVersion"] == str(cluster.store.rv)

    serve(cluster, test)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["a"]),
        ("app==web", ["a"]),
        ("app!=web", ["b", "c"]),
        ("app in (web, db)", ["a", "b"]),
        ("app notin (web)", ["b", "c"]),
        ("app", ["a", "b"]),
        ("!app", ["c"]),
        ("size>3", ["b"]),
        ("size<3,app", ["a"]),
    ],
)
def test_label_selectors(cluster: Cluster, selector: str, expected: list[str]) -> None:
    configmap(cluster, "a", {"app": "web", "size": "1"})
    configmap(cluster, "b", {"app": "db", "size": "5"})
    configmap(cluster, "c")

    async def test(server: ApiServer) -> None:
        path = f"{MAPS}?labelSelector={quote(selector)}"
        assert names(await send(server, "GET", path)) == expected

    serve(cluster, test)


def test_field_selectors(cluster: Cluster) -> None:
    cluster.create(deployment("web", 2), "production")
    cluster.settle()
    pods = cluster.list("pods", "production")
    node = pods[0]["spec"]["nodeName"]
    here = [pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == node]

    async def test(server: ApiServer) -> None:
        assert names(await send(server, "GET", f"{PODS}?fieldSelector=spec.nodeName%3D{node}")) == here
        assert names(await send(server, "GET", f"{PODS}?fieldSelector=status.phase%21%3DRunning")) == []
        one = pods[1]["metadata"]["name"]
        assert names(await send(server, "GET", f"{PODS}?fieldSelector=metadata.name%3D{one}")) == [one]
        events = "/api/v1/namespaces/production/events?fieldSelector="
        chosen = await send(server, "GET", f"{events}involvedObject.name%3D{one},reason%3DStarted")
        assert [item["message"] for item in chosen.json["items"]] == ["Started container app"]
        bad = await send(server, "GET", f"{PODS}?fieldSelector=spec.containers%3Dx")
        assert (bad.status, bad.json["message"]) == (400, "field label not supported: spec.containers")

    serve(cluster, test)


def test_watch_resumes_where_it_was(cluster: Cluster) -> None:
    configmap(cluster, "a")
    start = cluster.store.rv
    configmap(cluster, "b")
    cluster.patch("cm", "a", {"data": {"x": "1"}}, "production")
    cluster.delete("cm", "b", "production")

    async def test(server: ApiServer) -> None:
        answer = await send(server, "GET", f"{MAPS}?watch=1&resourceVersion={start}&timeoutSeconds=1")
        told = [(line["type"], line["object"]["metadata"]["name"]) for line in answer.lines]
        assert told == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
        versions = [int(line["object"]["metadata"]["resourceVersion"]) for line in answer.lines]
        assert versions == sorted(versions)
        assert answer.headers["Audit-Id"]

    serve(cluster, test)


def test_watch_turns_selection_into_added_and_deleted(cluster: Cluster) -> None:
    configmap(cluster, "a", {"app": "web"})
    start = cluster.store.rv
    cluster.patch("cm", "a", {"metadata": {"labels": {"app": "db"}}}, "production")
    cluster.patch("cm", "a", {"metadata": {"labels": {"app": "web"}}}, "production")

    async def test(server: ApiServer) -> None:
        path = f"{MAPS}?watch=1&resourceVersion={start}&timeoutSeconds=1&labelSelector=app%3Dweb"
        lines = (await send(server, "GET", path)).lines
        assert [(line["type"], line["object"]["metadata"]["labels"]["app"]) for line in lines] == [
            ("DELETED", "web"),
            ("ADDED", "web"),
        ]

    serve(cluster, test)


def test_watch_from_a_forgotten_version_says_410(cluster: Cluster) -> None:
    configmap(cluster, "a")
    cluster.expire_history()

    async def test(server: ApiServer) -> None:
        answer = await send(server, "GET", f"{MAPS}?watch=1&resourceVersion=2&timeoutSeconds=1")
        assert answer.status == 200
        (line,) = answer.lines
        assert line["type"] == "ERROR"
        assert line["object"]["code"] == 410
        assert line["object"]["reason"] == "Expired"
        assert line["object"]["message"].startswith("too old resource version: 2 (")

    serve(cluster, test)


def test_bookmarks_carry_the_version_on(cluster: Cluster) -> None:
    configmap(cluster, "a")

    async def test(server: ApiServer) -> None:
        start = cluster.store.rv
        cluster.create(deployment("web", 1), "production")
        path = f"{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={start}&timeoutSeconds=1"
        lines = (await send(server, "GET", path)).lines
        assert {line["type"] for line in lines} == {"BOOKMARK"}
        assert int(lines[-1]["object"]["metadata"]["resourceVersion"]) == cluster.store.rv > start

    serve(cluster, test)


def test_many_watchers_see_the_same_bytes(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        start = cluster.store.rv
        path = f"{MAPS}?watch=1&resourceVersion={start}&timeoutSeconds=1"
        watching = [asyncio.create_task(send(server, "GET", path)) for _ in range(5)]
        await until(lambda: len(server.hub.watchers) == 5, "all watches are open")
        configmap(cluster, "a", annotations="x")
        answers = await asyncio.gather(*watching)
        assert len({answer.data for answer in answers}) == 1
        assert answers[0].lines[0]["object"]["metadata"]["name"] == "a"
        assert not server.hub.watchers

    serve(cluster, test)


def test_tables_and_metadata_can_be_watched(cluster: Cluster) -> None:
    configmap(cluster, "a")
    configmap(cluster, "b")

    async def test(server: ApiServer) -> None:
        table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        lines = (await send(server, "GET", f"{MAPS}?watch=1&timeoutSeconds=1", accept=table)).lines
        assert [line["object"]["kind"] for line in lines] == ["Table", "Table"]
        assert [bool(line["object"]["columnDefinitions"]) for line in lines] == [True, False]
        assert lines[1]["object"]["rows"][0]["cells"] == ["b", 0, "0s"]
        partial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
        lines = (await send(server, "GET", f"{MAPS}?watch=1&timeoutSeconds=1", accept=partial)).lines
        assert lines[0]["object"].keys() == {"kind", "apiVersion", "metadata"}

    serve(cluster, test)


def test_streaming_list_needs_its_match(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        answer = await send(server, "GET", f"{MAPS}?watch=1&sendInitialEvents=true&timeoutSeconds=1")
        assert answer.status == 422
        assert answer.json["details"]["causes"][0]["field"] == "resourceVersionMatch"

    serve(cluster, test)


def test_large_answers_are_compressed(cluster: Cluster) -> None:
    configmap(cluster, "big", text="x" * 300_000)

    async def test(server: ApiServer) -> None:
        answer = await send(server, "GET", MAPS, headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.json["items"][0]["data"]["text"]) == 300_000
        plain = await send(server, "GET", MAPS, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert json.loads(plain.data) == answer.json

    serve(cluster, test)


def test_a_version_of_the_future_is_a_timeout(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        answer = await send(server, "GET", f"{MAPS}?resourceVersion={cluster.store.rv + 100}")
        assert (answer.status, answer.json["details"]["causes"][0]["reason"]) == (
            504,
            "ResourceVersionTooLarge",
        )

    serve(cluster, test)


def test_events_are_served_in_both_groups(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1), "production")
    cluster.settle()

    async def test(server: ApiServer) -> None:
        core = (await send(server, "GET", "/api/v1/namespaces/production/events")).json["items"]
        new = (await send(server, "GET", "/apis/events.k8s.io/v1/namespaces/production/events")).json["items"]
        assert [one["message"] for one in core] == [one["note"] for one in new]
        assert [one["involvedObject"] for one in core] == [one["regarding"] for one in new]
        assert new[0]["reportingController"]

    serve(cluster, test)
