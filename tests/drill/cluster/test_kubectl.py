"""kubectl works against the simulated cluster as against a real one."""

import asyncio
import json
import os
import random
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from console.drill.cluster import ApiServer, Behaviour, Cluster, Container, Start, State
from tests.drill.cluster.replay import deployment
from tests.services import eventually_async

pytestmark = pytest.mark.services


class Quick(Behaviour):
    """Starts and stops at once; `crashy` dies after a second."""

    poll_seconds = 0.1

    def state(self, container: Container, age: float) -> State:
        """Return that `crashy` ends."""
        if container.workload == "crashy" and age > 0.3:
            return State(exit_code=1, last_words=[b"fatal: no database"])
        return super().state(container, age)

    def start(self, container: Container) -> Start:
        """Return that images are there, or not, at once."""
        error = super().start(container).pull_error
        return Start(create_seconds=0.02, pull_seconds=0.02, pull_error=error, ready_seconds=0.1)

    def stop_seconds(self, container: Container) -> float:
        """Return that containers stop at once."""
        return 0.05


class Rig:
    """A cluster with a server and kubectl."""

    def __init__(self, folder: Path, kubectl: str) -> None:
        self.cluster = Cluster(None, random.Random(1), Quick())
        self.cluster.add_namespace("production")
        self._folder = folder
        self._kubectl = kubectl

    def start(self, server: ApiServer) -> None:
        """Write the configurations of the users."""
        for user in ("admin", "viewer", "stranger"):
            server.write_kubeconfig(self._folder / user, user=user, namespace="production")

    def command(self, *words: str, user: str = "admin") -> list[str]:
        """Return the argv of a kubectl call."""
        return [
            self._kubectl,
            f"--kubeconfig={self._folder / user}",
            f"--cache-dir={self._folder / 'cache'}",
            *words,
        ]

    async def run(self, *words: str, user: str = "admin", code: int | None = 0, stdin: str = "") -> str:
        """Run kubectl and return what it prints; its exit code must be `code`."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        process = await asyncio.create_subprocess_exec(
            *self.command(*words, user=user), env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, _ = await process.communicate(stdin.encode())
        text = out.decode(errors="replace")
        assert code is None or process.returncode == code, text
        return text

    async def ready(self, kind: str, name: str) -> None:
        """Wait until a workload has all its replicas ready."""

        async def full() -> bool:
            obj = self.cluster.get(kind, name, "production")
            return bool(obj["status"].get("readyReplicas") == obj["spec"]["replicas"])

        await eventually_async(full, f"{kind}/{name} is ready")


Play = Callable[[Callable[[Rig], Awaitable[None]]], None]


@pytest.fixture
def play(tmp_path: Path, kubectl: str, certificates: Path) -> Iterator[Play]:
    """Return a function that runs a test against a server with TLS."""

    def run(test: Callable[[Rig], Awaitable[None]]) -> None:
        async def main() -> None:
            rig = Rig(tmp_path, kubectl)
            tls = (certificates / "server.crt", certificates / "server.key", certificates / "ca.crt")
            async with ApiServer(rig.cluster, tick=0.02, certificate=tls[0], key=tls[1], ca=tls[2]) as server:
                rig.start(server)
                await test(rig)

        asyncio.run(main())

    yield run


def test_get_and_describe(play: Play) -> None:
    async def test(rig: Rig) -> None:
        rig.cluster.create(deployment("auth-service"), "production")
        await rig.ready("deploy", "auth-service")
        text = await rig.run("get", "pods", "-o", "wide")
        assert text.splitlines()[0].split() == [
            "NAME",
            "READY",
            "STATUS",
            "RESTARTS",
            "AGE",
            "IP",
            "NODE",
            "NOMINATED",
            "NODE",
            "READINESS",
            "GATES",
        ]
        assert [line.split()[1:4] for line in text.splitlines()[1:]] == [["1/1", "Running", "0"]] * 3
        assert "deployment.apps/auth-service   3/3     3            3" in await rig.run("get", "all")
        assert "registry.example/auth:v1" in await rig.run("get", "deploy", "auth-service", "-o", "yaml")
        shown = await rig.run("describe", "deploy", "auth-service")
        assert "Scaled up replica set auth-service-" in shown
        assert "3 desired | 3 updated | 3 total | 3 available | 0 unavailable" in shown
        pod = rig.cluster.list("pods", "production")[0]["metadata"]["name"]
        assert "Started container app" in await rig.run("describe", "pod", pod)
        assert "Allocated resources" in await rig.run("describe", "node", "node-1")
        assert "Started" in await rig.run("get", "events", "--sort-by=.metadata.creationTimestamp")

    play(test)


def test_a_bad_image_gets_stuck_and_undo_mends_it(play: Play) -> None:
    async def test(rig: Rig) -> None:
        rig.cluster.create(deployment("auth-service"), "production")
        await rig.ready("deploy", "auth-service")
        await rig.run("set", "image", "deploy/auth-service", "app=registry.example/auth:bad")
        await rig.run("rollout", "status", "deploy/auth-service", "--timeout=2s", code=1)

        async def stuck() -> bool:
            return "ErrImagePull" in (text := await rig.run("get", "pods")) or "ImagePullBackOff" in text

        await eventually_async(stuck, "the image cannot be pulled")
        assert rig.cluster.get("deploy", "auth-service", "production")["status"]["availableReplicas"] == 3
        await rig.run("rollout", "undo", "deploy/auth-service")
        assert "successfully rolled out" in await rig.run(
            "rollout", "status", "deploy/auth-service", "--timeout=30s"
        )
        assert [
            line.split()[0]
            for line in (await rig.run("rollout", "history", "deploy/auth-service")).splitlines()[2:4]
        ] == ["2", "3"]
        images = {
            p["spec"]["containers"][0]["image"] for p in rig.cluster.pods_of("auth-service", "production")
        }
        assert "registry.example/auth:v1" in images

    play(test)


def test_restart_scale_and_undo_to_a_revision(play: Play) -> None:
    async def test(rig: Rig) -> None:
        rig.cluster.create(deployment("auth-service"), "production")
        await rig.ready("deploy", "auth-service")
        await rig.run("set", "env", "deploy/auth-service", "CACHE_QUERIES=true")
        await rig.run("rollout", "status", "deploy/auth-service", "--timeout=30s")
        await rig.run("set", "resources", "deploy/auth-service", "--limits=memory=2048Mi")
        await rig.run("rollout", "status", "deploy/auth-service", "--timeout=30s")
        limits = rig.cluster.get("deploy", "auth-service", "production")["spec"]["template"]["spec"][
            "containers"
        ][0]
        assert limits["resources"]["limits"] == {"memory": "2Gi"}
        await rig.run("rollout", "restart", "deploy/auth-service")
        await rig.run("rollout", "status", "deploy/auth-service", "--timeout=30s")
        await rig.run("rollout", "undo", "deploy/auth-service", "--to-revision=1")
        await rig.run("rollout", "status", "deploy/auth-service", "--timeout=30s")
        spec = rig.cluster.get("deploy", "auth-service", "production")["spec"]["template"]
        assert spec["spec"]["containers"][0]["env"] == [{"name": "CACHE_QUERIES", "value": "false"}]
        assert "annotations" not in spec["metadata"]
        await rig.run("scale", "deploy/auth-service", "--replicas=5", "--current-replicas=3")
        await rig.ready("deploy", "auth-service")
        assert len(rig.cluster.pods_of("auth-service", "production")) == 5
        await rig.run("scale", "deploy/auth-service", "--replicas=1", "--current-replicas=3", code=1)

    play(test)


def test_logs(play: Play) -> None:
    async def test(rig: Rig) -> None:
        rig.cluster.create(deployment("auth-service", 1), "production")
        rig.cluster.create(deployment("crashy", 1), "production")
        await rig.ready("deploy", "auth-service")
        pod = rig.cluster.pods_of("auth-service", "production")[0]["metadata"]["name"]
        rig.cluster.write_log(pod, [b"one", b"\x1b[31mtwo\xff"], "production")
        assert await rig.run("logs", pod, "--tail=2", "--all-containers") != ""
        process = await asyncio.create_subprocess_exec(
            *rig.command("logs", "-f", pod, "--tail=1", "--since=1h"), stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"\x1b[31mtwo\xff\n"
            rig.cluster.write_log(pod, [b"three"], "production")
            assert await process.stdout.readline() == b"three\n"
        process.terminate()
        await process.wait()
        assert "two" in await rig.run("logs", "-l", "app=auth-service", "--timestamps")

        async def crashed() -> bool:
            return "CrashLoopBackOff" in await rig.run("get", "pods", "-l", "app=crashy")

        await eventually_async(crashed, "the container crashes")
        assert "fatal: no database" in await rig.run("logs", "deploy/crashy", "--previous")

    play(test)


def test_apply_on_both_sides(play: Play) -> None:
    async def test(rig: Rig) -> None:
        manifest = json.dumps(deployment("web", 2))
        assert "created" in await rig.run("apply", "-f", "-", stdin=manifest)
        changed = manifest.replace("auth:v1", "auth:v2")
        assert "configured (server dry run)" in await rig.run(
            "apply", "--dry-run=server", "-f", "-", stdin=changed
        )
        assert rig.cluster.get("deploy", "web", "production")["metadata"]["generation"] == 1
        assert "configured" in await rig.run("apply", "-f", "-", stdin=changed)
        refused = await rig.run("apply", "--server-side", "-f", "-", stdin=manifest, code=1)
        assert '.spec.template.spec.containers[name="app"].image' in refused
        await rig.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
        container = rig.cluster.get("deploy", "web", "production")["spec"]["template"]["spec"]["containers"][
            0
        ]
        assert container["image"] == "registry.example/auth:v1"
        strange = json.dumps({**deployment("odd"), "sepc": 1})
        # kubectl before 1.25 does not ask the server to be strict and shows its warning.
        assert 'unknown field "sepc"' in await rig.run("apply", "-f", "-", stdin=strange, code=None)
        await rig.run("label", "deploy", "web", "team=core")
        await rig.run("annotate", "deploy", "web", "note=hello world")
        meta = rig.cluster.get("deploy", "web", "production")["metadata"]
        assert (meta["labels"]["team"], meta["annotations"]["note"]) == ("core", "hello world")
        await rig.run("delete", "deploy", "web")
        await rig.run("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=20s")
        assert rig.cluster.list("rs", "production", "app=web") == []

    play(test)


def test_users_and_what_they_may(play: Play) -> None:
    async def test(rig: Rig) -> None:
        assert await rig.run("auth", "can-i", "delete", "pods") == "yes\n"
        assert await rig.run("auth", "can-i", "delete", "pods", user="viewer", code=1) == "no\n"
        assert "deployments.apps" in await rig.run("auth", "can-i", "--list", user="viewer")
        assert 'User "viewer" cannot list resource "nodes"' in await rig.run(
            "get", "nodes", user="viewer", code=1
        )
        assert "No resources found" in await rig.run("get", "pods", user="viewer")
        assert "logged in" in await rig.run("get", "pods", user="stranger", code=1)
        await rig.run("create", "configmap", "c", "--from-literal=a=b")
        assert rig.cluster.get("cm", "c", "production")["data"] == {"a": "b"}
        await rig.run("create", "deployment", "made", "--image=nginx:1", "--replicas=0", "--port=80")
        made = rig.cluster.get("deploy", "made", "production")["spec"]
        assert made["replicas"] == 0
        assert made["template"]["spec"]["containers"][0]["ports"] == [
            {"containerPort": 80, "protocol": "TCP"}
        ]

    play(test)


def test_top(play: Play) -> None:
    async def test(rig: Rig) -> None:
        rig.cluster.create(deployment("auth-service", 1), "production")
        await rig.ready("deploy", "auth-service")
        cells = (await rig.run("top", "pods")).splitlines()[1].split()
        assert cells[1].endswith("m")
        assert 30 <= int(cells[2].removesuffix("Mi")) <= 64
        assert len((await rig.run("top", "nodes")).splitlines()) == 4
        rig.cluster.metrics_available = False
        assert "Metrics API not available" in await rig.run("top", "pods", code=1)

    play(test)


def test_drain_waits_for_the_budget(play: Play) -> None:
    async def test(rig: Rig) -> None:
        rig.cluster.create(deployment("auth-service", 3), "production")
        selector = {"matchLabels": {"app": "auth-service"}}
        budget = {"metadata": {"name": "auth"}, "spec": {"minAvailable": 3, "selector": selector}}
        rig.cluster.create({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **budget}, "production")
        await rig.ready("deploy", "auth-service")
        blocked = await rig.run("drain", "node-1", "--ignore-daemonsets", "--timeout=3s", code=1)
        assert "Cannot evict pod as it would violate the pod's disruption budget." in blocked
        rig.cluster.patch("pdb", "auth", {"spec": {"minAvailable": 2}}, "production")
        said = await rig.run("drain", "node-1", "--ignore-daemonsets", "--timeout=40s")
        assert "node/node-1 drained" in said or "node/node-1 evicted" in said  # the word before 1.25
        assert "SchedulingDisabled" in await rig.run("get", "node", "node-1")
        assert all(
            p["spec"].get("nodeName") != "node-1" for p in rig.cluster.pods_of("auth-service", "production")
        )
        await rig.run("uncordon", "node-1")

    play(test)


def test_pods_are_deleted_and_replaced_and_exec_is_refused(play: Play) -> None:
    async def test(rig: Rig) -> None:
        rig.cluster.create(deployment("auth-service", 1), "production")
        await rig.ready("deploy", "auth-service")
        pod = rig.cluster.pods_of("auth-service", "production")[0]["metadata"]["name"]
        watch = await asyncio.create_subprocess_exec(
            *rig.command("get", "pods", "-w"), stdout=subprocess.PIPE
        )
        assert watch.stdout is not None
        async with asyncio.timeout(30):
            assert b"NAME" in await watch.stdout.readline()
            assert pod.encode() in await watch.stdout.readline()
            await rig.run("delete", "pod", pod)
            assert b"Terminating" in await watch.stdout.readline()
        watch.terminate()
        await watch.wait()
        await rig.ready("deploy", "auth-service")
        refused = await rig.run("exec", "deploy/auth-service", "--", "ls", code=1)
        assert "not supported by the simulated cluster" in refused

    play(test)


def test_plain_http_needs_no_credentials(tmp_path: Path, kubectl: str) -> None:
    async def main() -> None:
        rig = Rig(tmp_path, kubectl)
        async with ApiServer(rig.cluster, tick=0.02) as server:
            rig.start(server)
            assert "production" in await rig.run("get", "namespaces")

    asyncio.run(main())
