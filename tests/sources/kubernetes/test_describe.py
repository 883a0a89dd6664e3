"""Descriptions: all that an object says, masked and cleaned."""

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from console.model.logs import Description
from console.sources.kubernetes.describe import describe
from console.sources.kubernetes.disruption import Known
from tests.sources.kubernetes.fake import fake_api, status
from tests.sources.kubernetes.running import connected
from tests.sources.kubernetes.samples import deployment, stamp

POD: dict[str, Any] = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "u1",
        "labels": {"app": "web"},
        "annotations": {
            "note": "\x1b[31mred\x1b[0m",
            "kubectl.kubernetes.io/last-applied-configuration": '{"kind":"Pod"}',
        },
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-abc"}],
    },
    "spec": {
        "nodeName": "node-1",
        "nodeSelector": {"disk": "ssd"},
        "initContainers": [{"name": "migrate", "image": "m:1", "command": ["sh", "-c"], "args": ["run"]}],
        "containers": [
            {
                "name": "app",
                "image": "shop:v1",
                "ports": [{"containerPort": 8080}],
                "resources": {"limits": {"memory": "1Gi"}},
                "startupProbe": {"grpc": {"port": 9000}},
                "readinessProbe": {"exec": {"command": ["cat", "/ready"]}, "periodSeconds": 3},
                "livenessProbe": {"tcpSocket": {"port": 8080}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "env": [
                    {"name": "DB_PASSWORD", "value": "hunter2"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "t"}}},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                ],
                "envFrom": [{"configMapRef": {"name": "cm"}}],
            }
        ],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "keys", "secret": {"secretName": "tls"}},
        ],
        "tolerations": [{"operator": "Exists"}, {"key": "gpu", "value": "yes", "effect": "NoSchedule"}],
    },
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "reason": "X", "message": "not yet"}],
        "containerStatuses": [
            {
                "name": "app",
                "ready": False,
                "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            }
        ],
    },
}


def lines(found: Description) -> dict[str, tuple[str, ...]]:
    return dict(found.sections)


def test_a_pod_in_all_its_parts(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:

            async def script(request: web.Request) -> web.Response | None:
                if request.path.endswith("/pods/web-1"):
                    return web.json_response(POD)
                if request.path.endswith("/events"):
                    assert request.query["fieldSelector"] == "involvedObject.uid=u1"
                    event = {"type": "Warning", "reason": "BackOff", "count": 7}
                    late = {**event, "lastTimestamp": stamp(10), "message": "token=abcdef1234567890 \x07"}
                    early = {**event, "reason": "Killed", "series": {"count": 9}, "eventTime": stamp(99)}
                    return web.json_response({"items": [late, early]})
                return None

            api.script = script
            found = lines(await describe(connection, "Pod", "shop", "web-1", Known()))
            assert "Annotations: note=red" in found["Overview"]
            assert "Owner: ReplicaSet/web-abc" in found["Overview"]
            assert "Command: sh -c run" in found["Init container migrate"]
            app = found["Container app"]
            assert "State: waiting (reason CrashLoopBackOff, message back-off 40s)" in app
            assert "Last state: terminated (reason OOMKilled, exitCode 137)" in app
            assert "Ports: 8080/TCP" in app and "Mounts: /data from data" in app
            assert "Startup: grpc 9000, every 10 s, timeout 1 s, fails after 3" in app
            assert "Readiness: cat /ready, every 3 s, timeout 1 s, fails after 3" in app
            assert any(line.startswith("Liveness: tcp 8080") for line in app)
            assert "Env DB_PASSWORD=REDACTED" in app
            assert "Env TOKEN=<secretKey web/t>" in app
            assert "Env IP=<field status.podIP>" in app
            assert "Env from configMap cm" in app
            assert any("Ready=False" in line and "(X: not yet)" in line for line in found["Conditions"])
            assert found["Volumes"] == (
                "data: persistentVolumeClaim data-0",
                "tmp: emptyDir",
                "keys: secret tls",
            )
            assert found["Tolerations"] == ("everything:any effect", "gpu=yes:NoSchedule")
            assert found["Node selector"] == ("disk: ssd",)
            assert [line.split()[2] for line in found["Events"]] == ["Killed", "BackOff"]
            assert "(9 times)" in found["Events"][0]
            assert "abcdef1234567890" not in found["Events"][1] and "\x07" not in found["Events"][1]

    asyncio.run(main())


def test_a_workload_whose_events_may_not_be_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:

            async def script(request: web.Request) -> web.Response | None:
                if request.path.endswith("/events"):
                    return status(403, "Forbidden", "events is forbidden")
                return web.json_response(deployment())

            api.script = script
            found = lines(await describe(connection, "Deployment", "shop", "web", Known()))
            assert "Replicas: 2" in found["Rollout"]
            assert "Bounds: maxSurge=25%, maxUnavailable=0" in found["Rollout"]
            assert "Image: shop:v1" in found["Container app"]
            assert found["Events"][0].startswith("cannot be read:")

    asyncio.run(main())
