"""``warroom drill --headless`` as a process: the contract of --info, signals, the score, and no orphans."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from console import config
from console.drill.servers import accepts

KEYS = {
    "kubeconfig",
    "context",
    "namespace",
    "prometheus_url",
    "alertmanager_url",
    "postgres_dsn",
    "redis_url",
    "config",
}


WARROOM = (sys.executable, "-m", "console.cli")


def user_of(folder: Path) -> dict[str, str]:
    """The environment of a user whose folder for states is ``folder``."""
    kept = {key: value for key, value in os.environ.items() if key != "WARROOM_STATE_DIR"}
    return {**kept, "XDG_STATE_HOME": str(folder)}


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Drill:
    """A headless drill in a process of its own, with ``folder`` as the user's folder for states."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.file = folder / "info.json"
        self.process = subprocess.Popen(
            [*WARROOM, "drill", *flags, "--headless", "--info", str(self.file)],
            env=user_of(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> dict[str, str]:
        """The addresses, once everything answers."""
        assert eventually(lambda: self.file.exists() or self.process.poll() is not None, 60)
        assert self.file.exists(), self.process.communicate()[1]
        info: dict[str, str] = json.loads(self.file.read_text())
        return info

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Callable[..., Drill]]:
    made: list[Drill] = []

    def start(*flags: str) -> Drill:
        made.append(Drill(tmp_path, *flags))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def ports(info: dict[str, str]) -> list[int]:
    addresses = [
        httpx.URL(info[key]) for key in ("prometheus_url", "alertmanager_url", "redis_url", "postgres_dsn")
    ]
    settings = config.load(Path(info["config"]))
    addresses += [httpx.URL(check.url) for check in settings.http]
    found = [url.port for url in addresses]
    assert all(found)
    assert {url.host for url in addresses} == {"127.0.0.1"}
    return [port for port in found if port]


def test_everything_that_the_info_names_answers(drill: Callable[..., Drill]) -> None:
    running = drill("healthy", "--speed", "10")
    info = running.wait()
    assert set(info) == KEYS
    assert running.file.stat().st_mode & 0o077 == 0

    settings = config.load(Path(info["config"]))
    assert settings.drill
    assert Path(info["config"]).stat().st_mode & 0o077 == 0
    assert [cluster.context for cluster in settings.kubernetes] == [info["context"]]
    assert settings.kubernetes[0].kubeconfig == Path(info["kubeconfig"])
    assert settings.kubernetes[0].namespaces == (info["namespace"],)
    assert settings.prometheus
    assert settings.prometheus.url == info["prometheus_url"]
    assert settings.alertmanager
    assert settings.alertmanager.url == info["alertmanager_url"]

    with psycopg.connect(info["postgres_dsn"], autocommit=True) as connection:
        clients = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app'"
        assert eventually(lambda: (connection.execute(clients).fetchone() or (0,))[0] > 20)
    with redis.Redis.from_url(info["redis_url"]) as client:
        assert client.ping()
    with httpx.Client(trust_env=False) as client_:
        for check in settings.http:
            assert client_.get(check.url).status_code == 200, check.name
        answer = client_.get(f"{info['prometheus_url']}/api/v1/query", params={"query": "sum(up)"})
        assert float(answer.json()["data"]["result"][0]["value"][1]) >= 7
        assert client_.get(f"{info['alertmanager_url']}/api/v2/alerts").json() == []
    listening = ports(info)
    assert all(accepts(port) for port in listening)

    code, out, err = running.end()
    assert (code, err) == (0, "")
    assert out == "Drill healthy\nEnded before anything broke.\n"
    assert not running.file.exists()
    assert not Path(info["config"]).exists()
    assert not any(accepts(port) for port in listening)


def test_many_pods_are_there_and_the_console_looks_at_all_of_them(drill: Callable[..., Drill]) -> None:
    running = drill("healthy", "--pods", "20000")
    info = running.wait()
    (cluster,) = config.load(Path(info["config"])).kubernetes
    assert cluster.namespaces == ()
    server = re.search(r"server: (\S+)", Path(info["kubeconfig"]).read_text())
    assert server
    with httpx.Client(trust_env=False) as client:
        page = client.get(f"{server[1]}/api/v1/pods", params={"limit": "1"}).json()
    assert page["metadata"]["remainingItemCount"] >= 20_000
    running.end()


def test_a_killed_drill_leaves_nothing_behind(drill: Callable[..., Drill]) -> None:
    running = drill("healthy")
    info = running.wait()
    listening = ports(info)
    folder = Path(info["config"]).parent.parent
    assert folder.name.startswith("warroom-drill-")
    running.process.send_signal(signal.SIGKILL)
    running.process.communicate()
    assert eventually(lambda: not any(accepts(port) for port in listening))
    assert eventually(lambda: not folder.exists())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_the_start_ends_it(number: signal.Signals, drill: Callable[..., Drill]) -> None:
    running = drill("healthy")
    time_of_start = time.monotonic()
    assert eventually(lambda: _children(running.process.pid) > 0)
    code, out, err = running.end(number)
    assert (code, err) == (0, "")
    assert out
    assert time.monotonic() - time_of_start < 30
    assert not running.file.exists()


def _children(pid: int) -> int:
    import psutil  # type: ignore[import-untyped]

    try:
        return len(psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return 0


@pytest.mark.services
def test_a_drill_from_break_to_score_with_kubectl(drill: Callable[..., Drill]) -> None:
    """In real time, at ten times the speed, with a real Prometheus and Alertmanager where installed."""
    running = drill("bad-release", "--speed", "10", "--seed", "3")
    info = running.wait()
    kubectl = [
        "kubectl",
        "--kubeconfig",
        info["kubeconfig"],
        "--context",
        info["context"],
        "-n",
        info["namespace"],
    ]
    job = 'job="checkout"'
    errors = f'sum(rate(http_requests_total{{{job},status=~"5.."}}[6s]))'
    ratio = f"{errors} / sum(rate(http_requests_total{{{job}}}[6s]))"

    def measured(expression: str) -> float | None:
        with httpx.Client(trust_env=False) as client:
            answer = client.get(f"{info['prometheus_url']}/api/v1/query", params={"query": expression})
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def firing() -> list[str]:
        with httpx.Client(trust_env=False) as client:
            alerts = client.get(f"{info['alertmanager_url']}/api/v2/alerts").json()
        return [one["labels"]["alertname"] for one in alerts if one["labels"].get("job") == "checkout"]

    past = measured(f"count_over_time(up{{{job}}}[10m] offset 1m)")
    assert past
    assert past > 50
    assert eventually(lambda: (measured(ratio) or 0) > 0.06)
    assert eventually(lambda: firing() == ["HighErrorRatio"])
    subprocess.run([*kubectl, "rollout", "restart", "deployment/checkout"], check=True, capture_output=True)
    history = subprocess.run(
        [*kubectl, "get", "replicasets", "-l", "app=checkout", "-o", "json"], check=True, capture_output=True
    )
    revisions = [
        int(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
        for one in json.loads(history.stdout)["items"]
        if one["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":v41")
    ]
    undo = [*kubectl, "rollout", "undo", "deployment/checkout", f"--to-revision={revisions[0]}"]
    subprocess.run(undo, check=True, capture_output=True)
    assert eventually(lambda: (measured(ratio) or 0) < 0.03)
    assert eventually(lambda: firing() == [])

    _, out, err = running.end()
    assert err == ""
    assert "Wrong moves      1\n" in out
    assert "patch deployments/checkout with kubectl/" in out
    assert "Cause removed    after 0:" in out
    assert "Recovered        after 0:" in out


@pytest.mark.parametrize("given", [False, True])
def test_the_moves_of_a_console_elsewhere_are_in_the_score(
    given: bool, drill: Callable[..., Drill], tmp_path: Path
) -> None:
    """Drill and console are processes of users with state folders of their own."""
    place = tmp_path / "given" if given else tmp_path / "warroom"
    running = drill("bad-release", "--speed", "10", *(("--state-dir", str(place)) if given else ()))
    info = running.wait()

    def broken() -> bool:
        with httpx.Client(trust_env=False) as client:
            alerts = client.get(f"{info['alertmanager_url']}/api/v2/alerts").json()
        return "HighErrorRatio" in [one["labels"]["alertname"] for one in alerts]

    assert eventually(broken, 30)
    act = ["act", "k8s.restart", "deployment/checkout", "--config", info["config"]]
    subprocess.run(
        [*WARROOM, *act, "--yes", "--reason", "try"],
        env=user_of(tmp_path / "another"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
    )
    _, out, err = running.end()
    assert err == ""
    assert "Wrong moves      1\n" in out
    assert "Restart deployment/checkout" in out
    assert (place / "standby.jsonl").exists()
    assert not (tmp_path / "another").exists()


def test_the_world_ends_with_the_console(tmp_path: Path) -> None:
    """The process behind a console ends with the pipe that its parent holds, and tells the score."""
    info = tmp_path / "info.json"
    argv = [sys.executable, "-c", "import sys; from console.drill.command import child; sys.exit(child())"]
    argv += ["healthy", "--seed", "1", "--pods", "0", "--speed", "1", "--info", str(info)]
    process = subprocess.Popen(
        [*argv, "--state-dir", str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert eventually(info.exists, 60)
        listening = ports(json.loads(info.read_text()))
        out, _ = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert out.startswith("Drill healthy\n")
    assert not any(accepts(port) for port in listening)
    assert list(tmp_path.iterdir()) == []
