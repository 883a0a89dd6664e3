"""Writes over HTTP: create, update, the patches, apply, delete, dry runs, validation."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from console.drill.cluster import ApiError, ApiServer, Cluster
from tests.drill.cluster.replay import Answer, deployment, send

DEPLOYMENTS = "/apis/apps/v1/namespaces/production/deployments"
WEB = f"{DEPLOYMENTS}/web"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


def serve(cluster: Cluster, test: Callable[[ApiServer], Coroutine[Any, Any, None]]) -> None:
    """Run a test against a server that does not tick by itself."""

    async def main() -> None:
        async with ApiServer(cluster, tick=None) as server:
            await test(server)

    asyncio.run(main())


@pytest.fixture
def web(cluster: Cluster) -> Cluster:
    """A cluster with a Deployment `web` that is rolled out."""
    cluster.create(deployment("web"), "production")
    cluster.settle()
    return cluster


def container(answer: Answer) -> dict[str, Any]:
    """Return the first container of a Deployment."""
    return answer.json["spec"]["template"]["spec"]["containers"][0]  # type: ignore[no-any-return]


def test_create_fills_in_and_refuses_a_second(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        made = await send(server, "POST", DEPLOYMENTS, body=deployment("web"))
        assert (made.status, made.json["metadata"]["generation"]) == (201, 1)
        assert container(made)["imagePullPolicy"] == "IfNotPresent"
        again = await send(server, "POST", DEPLOYMENTS, body=deployment("web"))
        assert (again.status, again.json["message"]) == (409, 'deployments.apps "web" already exists')
        elsewhere = await send(
            server, "POST", DEPLOYMENTS.replace("production", "nowhere"), body=deployment("web")
        )
        assert (elsewhere.status, elsewhere.json["message"]) == (404, 'namespaces "nowhere" not found')

    serve(cluster, test)


def test_update_needs_the_version_that_was_read(web: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        obj = (await send(server, "GET", WEB)).json
        obj["spec"]["replicas"] = 4
        first = await send(server, "PUT", WEB, body=obj)
        assert (first.status, first.json["metadata"]["generation"]) == (200, 2)
        second = await send(server, "PUT", WEB, body=obj)
        assert (second.status, second.json["reason"]) == (409, "Conflict")
        assert web.get("deploy", "web", "production")["spec"]["replicas"] == 4

    serve(web, test)


def test_a_write_that_changes_nothing_keeps_the_version(web: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        before = web.store.rv
        answer = await send(server, "PATCH", WEB, body={"spec": {"replicas": 3}}, content_type=MERGE)
        assert answer.status == 200
        assert web.store.rv == before

    serve(web, test)


def test_status_is_apart_from_the_rest(web: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        body = {"spec": {"replicas": 9}, "status": {"observedGeneration": 77}}
        answer = await send(server, "PATCH", f"{WEB}/status", body=body, content_type=MERGE)
        assert (answer.json["spec"]["replicas"], answer.json["status"]["observedGeneration"]) == (3, 77)
        answer = await send(
            server, "PATCH", WEB, body={"status": {"observedGeneration": 5}}, content_type=MERGE
        )
        assert answer.json["status"]["observedGeneration"] == 77

    serve(web, test)


def test_strategic_merge_goes_by_keys(web: Cluster) -> None:
    async def patch(server: ApiServer, containers: list[Any]) -> Answer:
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        return await send(server, "PATCH", WEB, body=body, content_type=STRATEGIC)

    async def test(server: ApiServer) -> None:
        answer = await patch(server, [{"name": "app", "env": [{"name": "NEW", "value": "1"}]}])
        assert [env["name"] for env in container(answer)["env"]] == ["NEW", "CACHE_QUERIES"]
        answer = await patch(
            server, [{"name": "app", "env": [{"name": "CACHE_QUERIES", "$patch": "delete"}]}]
        )
        assert [env["name"] for env in container(answer)["env"]] == ["NEW"]
        side = {"name": "side", "image": "side:1", "ports": [{"containerPort": 80}]}
        answer = await patch(server, [side])
        assert [one["name"] for one in answer.json["spec"]["template"]["spec"]["containers"]] == [
            "side",
            "app",
        ]
        answer = await patch(
            server,
            [{"name": "side", "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]}],
        )
        ports = answer.json["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert {(port["containerPort"], port.get("name")) for port in ports} == {(80, "http"), (81, None)}
        answer = await patch(server, [{"name": "app", "image": "a:2"}, {"$patch": "replace"}])
        assert [one["name"] for one in answer.json["spec"]["template"]["spec"]["containers"]] == ["app"]
        body = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
        answer = await send(server, "PATCH", WEB, body=body, content_type=STRATEGIC)
        assert answer.json["spec"]["strategy"] == {"type": "Recreate"}

    serve(web, test)


def test_merge_patch_replaces_lists_and_removes_by_null(web: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        spec = {"template": {"spec": {"containers": [{"name": "app", "image": "a:2"}]}}}
        answer = await send(server, "PATCH", WEB, body={"spec": spec}, content_type=MERGE)
        assert "env" not in container(answer)
        answer = await send(server, "PATCH", WEB, body={"metadata": {"labels": None}}, content_type=MERGE)
        assert "labels" not in answer.json["metadata"]

    serve(web, test)


def test_json_patch(web: Cluster) -> None:
    env = "/spec/template/spec/containers/0/env"
    annotation = "/metadata/annotations/example.com~1note"

    async def test(server: ApiServer) -> None:
        steps: list[Any] = [
            {"op": "test", "path": "/spec/replicas", "value": 3},
            {"op": "add", "path": f"{env}/-", "value": {"name": "B", "value": "2"}},
            {"op": "replace", "path": f"{env}/0/value", "value": "true"},
            {"op": "copy", "from": f"{env}/0", "path": f"{env}/1"},
            {"op": "remove", "path": f"{env}/0"},
            {"op": "add", "path": annotation, "value": "x"},
            {"op": "move", "from": annotation, "path": "/metadata/annotations/moved"},
        ]
        answer = await send(server, "PATCH", WEB, body=steps, content_type=JSON_PATCH)
        assert container(answer)["env"] == [
            {"name": "CACHE_QUERIES", "value": "true"},
            {"name": "B", "value": "2"},
        ]
        assert answer.json["metadata"]["annotations"]["moved"] == "x"
        for bad in (
            {"op": "remove", "path": "/spec/nothing"},
            {"op": "test", "path": "/spec/replicas", "value": 9},
        ):
            answer = await send(server, "PATCH", WEB, body=[bad], content_type=JSON_PATCH)
            assert (answer.status, answer.json["reason"]) == (422, "Invalid")
        answer = await send(server, "PATCH", WEB, body={"op": "test"}, content_type=JSON_PATCH)
        assert answer.status == 400

    serve(web, test)


def test_apply_owns_removes_and_conflicts(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/production/configmaps/settings"

    def manifest(**data: str) -> str:
        return json.dumps(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}
        )

    async def apply(server: ApiServer, manager: str, more: str = "", **data: str) -> Answer:
        query = f"?fieldManager={manager}{more}"
        return await send(server, "PATCH", path + query, body=manifest(**data), content_type=APPLY)

    async def test(server: ApiServer) -> None:
        assert (await apply(server, "one", a="1", b="1")).status == 201
        shared = await apply(server, "two", b="1", c="2")
        assert shared.json["data"] == {"a": "1", "b": "1", "c": "2"}
        left = await apply(server, "one", a="1")
        assert left.json["data"] == {"a": "1", "b": "1", "c": "2"}
        gone = await apply(server, "two", c="2")
        assert gone.json["data"] == {"a": "1", "c": "2"}
        refused = await apply(server, "one", a="1", c="3")
        assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (409, ".data.c")
        forced = await apply(server, "one", "&force=true", a="1", c="3")
        assert forced.json["data"] == {"a": "1", "c": "3"}
        owners = {entry["manager"]: entry["operation"] for entry in forced.json["metadata"]["managedFields"]}
        assert owners == {"one": "Apply"}
        version = cluster.store.rv
        assert (await apply(server, "one", a="1", c="3")).status == 200
        assert cluster.store.rv == version
        nameless = await send(server, "PATCH", path, body=manifest(a="1"), content_type=APPLY)
        assert nameless.status == 422

    serve(cluster, test)


def test_dry_runs_of_everything_store_nothing(web: Cluster) -> None:
    pod = web.pods_of("web", "production")[0]["metadata"]["name"]
    pods = "/api/v1/namespaces/production/pods"

    async def test(server: ApiServer) -> None:
        before = web.store.rv
        live = (await send(server, "GET", WEB)).json
        live["spec"]["replicas"] = 7
        dry = "?dryRun=All"
        answers = [
            await send(server, "POST", DEPLOYMENTS + dry, body=deployment("other")),
            await send(server, "PUT", WEB + dry, body=live),
            await send(server, "PATCH", WEB + dry, body={"spec": {"replicas": 7}}, content_type=MERGE),
            await send(server, "DELETE", WEB + dry),
            await send(server, "DELETE", f"{pods}/{pod}{dry}"),
            await send(server, "DELETE", f"{pods}{dry}&labelSelector=app%3Dweb"),
            await send(server, "DELETE", f"{pods}/{pod}", body={"dryRun": ["All"]}),
            await send(server, "POST", f"{pods}/{pod}/eviction{dry}", body={"metadata": {"name": pod}}),
        ]
        assert [answer.status for answer in answers] == [201, 200, 200, 200, 200, 200, 200, 201]
        assert answers[1].json["spec"]["replicas"] == answers[2].json["spec"]["replicas"] == 7
        assert web.store.rv == before
        assert all(one.dry_run for one in server.requests if one.method != "GET")

    serve(web, test)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"metadata": {"labels": {"a b": "c"}}}, "metadata.labels"),
        ({"spec": {"replicas": -1}}, "spec.replicas"),
        ({"spec": {"selector": {"matchLabels": {"app": "other"}}}}, "spec.template.metadata.labels"),
        ({"spec": {"template": {"spec": {"containers": []}}}}, "spec.template.spec.containers"),
        ({"spec": {"template": {"spec": {"restartPolicy": "Never"}}}}, "spec.template.spec.restartPolicy"),
        (
            {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}},
            "spec.strategy.rollingUpdate.maxUnavailable",
        ),
    ],
)
def test_invalid_objects_are_refused_with_their_field(
    web: Cluster, change: dict[str, Any], cause: str
) -> None:
    async def test(server: ApiServer) -> None:
        answer = await send(server, "PATCH", WEB, body=change, content_type=MERGE)
        assert answer.status == 422
        assert cause in [one["field"] for one in answer.json["details"]["causes"]]

    serve(web, test)


def test_wrong_types_are_a_400(web: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        answer = await send(server, "PATCH", WEB, body={"spec": {"replicas": "three"}}, content_type=MERGE)
        assert answer.status == 400
        assert (
            "cannot unmarshal string into Go struct field Deployment.spec.replicas" in answer.json["message"]
        )
        answer = await send(server, "POST", DEPLOYMENTS, body={"kind": "Pod", "apiVersion": "v1"})
        assert answer.status == 400
        assert (await send(server, "POST", DEPLOYMENTS, body="[1, 2]")).status == 400

    serve(web, test)


def test_pods_can_hardly_be_changed(web: Cluster) -> None:
    pod = web.pods_of("web", "production")[0]["metadata"]["name"]

    async def test(server: ApiServer) -> None:
        path = f"/api/v1/namespaces/production/pods/{pod}"
        change = {"spec": {"containers": [{"name": "app", "env": [{"name": "X", "value": "1"}]}]}}
        answer = await send(server, "PATCH", path, body=change, content_type=STRATEGIC)
        assert answer.status == 422
        assert "pod updates may not change fields other than" in answer.json["message"]
        image = {"spec": {"containers": [{"name": "app", "image": "registry.example/auth:v9"}]}}
        assert (await send(server, "PATCH", path, body=image, content_type=STRATEGIC)).status == 200

    serve(web, test)


def test_evictions_follow_the_budget(web: Cluster) -> None:
    selector = {"matchLabels": {"app": "web"}}
    budget = {"metadata": {"name": "web"}, "spec": {"maxUnavailable": 1, "selector": selector}}
    web.create({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **budget}, "production")
    web.settle()
    first, second, _ = (pod["metadata"]["name"] for pod in web.pods_of("web", "production"))

    async def evict(server: ApiServer, pod: str) -> Answer:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": "production"},
        }
        return await send(server, "POST", f"/api/v1/namespaces/production/pods/{pod}/eviction", body=body)

    async def test(server: ApiServer) -> None:
        assert (await evict(server, first)).status == 201
        assert "deletionTimestamp" in web.get("pod", first, "production")["metadata"]
        blocked = await evict(server, second)
        assert (blocked.status, blocked.json["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
        web.settle()
        assert (await evict(server, second)).status == 201

    serve(web, test)


def test_services_of_the_second_version(web: Cluster) -> None:
    base = "namespaces/production/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": 5, "targetCPUUtilizationPercentage": 60}

    async def test(server: ApiServer) -> None:
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": spec,
        }
        made = await send(server, "POST", f"/apis/autoscaling/v1/{base}", body=body)
        assert (made.status, made.json["spec"]["targetCPUUtilizationPercentage"]) == (201, 60)
        new = (await send(server, "GET", f"/apis/autoscaling/v2/{base}/web")).json
        assert new["spec"]["metrics"][0]["resource"]["target"] == {
            "type": "Utilization",
            "averageUtilization": 60,
        }

    serve(web, test)


def test_unknown_paths_methods_and_media(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        assert (await send(server, "GET", "/apis/example.com/v1/things")).data == b"404 page not found\n"
        assert (await send(server, "PUT", DEPLOYMENTS, body={})).status == 405
        refused = await send(server, "GET", DEPLOYMENTS, accept="application/vnd.kubernetes.protobuf")
        assert (refused.status, refused.json["reason"]) == (406, "NotAcceptable")
        for path in ("/healthz", "/livez", "/readyz"):
            answer = await send(server, "GET", path, user="expired")
            assert (answer.status, answer.data) == (200, b"ok")

    serve(cluster, test)


def test_hostile_content_is_kept_as_it_is(cluster: Cluster) -> None:
    nasty = "\x1b]0;pwn\x07\x1b[31m[bold]\u202e\u0000 ' OR 1=1 -- \U0001f4a5"
    body = deployment("web", 1)
    body["metadata"]["annotations"] = {"note": nasty}
    body["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "EVIL", "value": nasty})

    async def test(server: ApiServer) -> None:
        assert (await send(server, "POST", DEPLOYMENTS, body=body)).status == 201
        read = (await send(server, "GET", WEB)).json
        assert read["metadata"]["annotations"]["note"] == nasty
        cluster.settle()
        pod = cluster.pods_of("web", "production")[0]["metadata"]["name"]
        lines = [b"\x1b[2J\xff\xfe\x00", b"x" * 10_000_000]
        cluster.write_log(pod, lines, "production")
        answer = await send(server, "GET", f"/api/v1/namespaces/production/pods/{pod}/log?tailLines=2")
        assert answer.data == b"".join(line + b"\n" for line in lines)

    serve(cluster, test)
    with pytest.raises(ApiError, match="RFC 1123"):
        cluster.create(deployment("Not\x1bA Name"), "production")
    cluster.create(deployment("Not\x1bA Name", 0), "production", validate=False)
    assert cluster.get("deploy", "Not\x1bA Name", "production")["spec"]["replicas"] == 0


def test_admission_hooks_may_refuse(cluster: Cluster) -> None:
    def hook(resource: Any, new: dict[str, Any], old: dict[str, Any] | None) -> None:
        if resource.kind == "Deployment" and new["spec"]["replicas"] > 5:
            raise ApiError(
                403, "Forbidden", 'admission webhook "limits.example" denied the request: too many'
            )

    cluster.admit(hook)

    async def test(server: ApiServer) -> None:
        answer = await send(server, "POST", f"{DEPLOYMENTS}?dryRun=All", body=deployment("web", 6))
        assert (answer.status, answer.json["message"]) == (
            403,
            'admission webhook "limits.example" denied the request: too many',
        )

    serve(cluster, test)
