"""Text of others that wants to be obeyed: it reaches the terminal, and the files, as text alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from console.drill.cluster import Container, Start
from console.drill.cluster.behaviour import LogLine
from tests.e2e.small import (
    NAMESPACE,
    Desk,
    Quick,
    SmallCluster,
    calm,
    cursor_on,
    eventually,
    metrics_server,
    press,
    press_until,
)
from tests.services import PostgresServer
from tests.services_redis import RedisFactory
from tests.terminal import Terminal

MARKUP = "[bold]b[/bold][/][@click=app.quit]x[/]"
BAD = (
    "\x1b]52;c;cHduZWQ=\x07"  # writes the clipboard
    "\x1b]0;owned\x1b\\"  # the title
    "\x1b[2J\x1b[31;5m"  # clears, blinks
    "\x9b31m\x90q\x9c"  # the same in C1
    '\x1bP$q"p\x1b\\\x1b[6n\x1b[c'  # asks the terminal, which would type the answer
    "\x07\x08\x0e\x7f\x00"
    "\u202edrowssap\u2066\u200b\ufeff\u2028"
)
HOSTILE = f"evil{BAD}{MARKUP}"
SECRETS = ("hunter2-in-the-env", "s3cr3t-of-the-dsn", "eyJtoken0123456789abcdefgh", "pw-in-a-log-line")
TYPED = "pw-that-somebody-typed"
"""Seen while it is typed, and redacted wherever it is kept."""
LOG_LINES = (
    f"level=error {HOSTILE}".encode(),
    b"\xff\xfe\xc3\x28 invalid \x80\x9b31m bytes",
    b"x" * 10_000_000,
    b"connecting to postgresql://app:s3cr3t-of-the-dsn@db:5432/shop",
    b"Authorization: Bearer eyJtoken0123456789abcdefgh",
    b"login failed password=pw-in-a-log-line",
    b"end of the story",
)


class Evil(Quick):
    """Says terrible things whenever it is asked."""

    def start(self, container: Container) -> Start:
        if container.name == "puller":
            return Start(pull_error=f"failed to pull: {HOSTILE}")
        return super().start(container)

    def logs(self, container: Container, since: float, until: float) -> list[LogLine]:
        return [LogLine(0.0, line) for line in LOG_LINES] if since < 0 else []


class Scene(NamedTuple):
    desk: Desk
    cluster: SmallCluster
    terminal: Terminal


def deployment(name: str, container: str) -> dict[str, object]:
    labels = {"app": "evil"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"note": HOSTILE, "kubernetes.io/change-cause": HOSTILE},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "evil"}},
            "template": {
                "metadata": {"labels": labels, "annotations": {"note": HOSTILE}},
                "spec": {
                    "containers": [
                        {
                            "name": container,
                            "image": "shop/evil:v1",
                            "env": [
                                {"name": "DB_PASSWORD", "value": SECRETS[0]},
                                {"name": "DATABASE_URL", "value": f"postgresql://a:{SECRETS[1]}@db/shop"},
                                {"name": "GREETING", "value": HOSTILE},
                            ],
                        }
                    ]
                },
            },
        },
    }


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, postgres_18: PostgresServer, wheel_redis: RedisFactory
) -> Iterator[Scene]:
    desk = Desk(tmp_path_factory.mktemp("hostile"))
    cluster = SmallCluster(Evil())
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{HOSTILE}",
            "labels": {"app": "lone", "note": HOSTILE, HOSTILE: "key"},
            "annotations": {"note": HOSTILE, HOSTILE: "key"},
        },
        "spec": {"containers": [{"name": "puller", "image": f"shop/{HOSTILE}"}]},
    }

    def fill() -> None:
        cluster.cluster.create(deployment("evil", "app"), NAMESPACE, validate=False)
        cluster.cluster.create(pod, NAMESPACE, validate=False)

    cluster.on_loop(fill)
    cluster.rolled_out("evil")
    cluster.on_loop(lambda: cluster.cluster.event("deploy", "evil", f"Bad{BAD}", HOSTILE, NAMESPACE))
    server = wheel_redis.create(slowlog_log_slower_than="0")
    talker = redis.Redis(port=server.port)
    talker.get(HOSTILE)
    talker.rpush("jobs", HOSTILE)
    session = postgres_18.connect(application="evil")
    session.autocommit = False
    session.execute(f"select 1 -- {HOSTILE}".replace("\x00", "").encode())
    with metrics_server() as metrics:
        metrics.job = f"checkout{HOSTILE}"
        metrics.alerts = [alert()]
        desk.configure(
            desk.kubernetes(cluster),
            f'[prometheus]\nurl = "{metrics.url}"\ninterval = 1\n',
            f'[alertmanager]\nurl = "{metrics.url}"\ninterval = 1\n',
            f'[[postgres]]\ndsn = "{postgres_18.dsn(password=SECRETS[1])}"\ninterval = 1\n',
            f'[[redis]]\nurl = "{server.url()}"\nqueues = ["jobs"]\ninterval = 1\n',
        )
        with desk.terminal("run", columns=160, rows=45) as terminal:
            terminal.wait_for("▸ evil", 30)
            yield Scene(desk, cluster, terminal)
            back(terminal)
            terminal.send("\x11")
            assert terminal.wait_exit() == 0, "the console lives, and leaves when it is asked to"
            calm(terminal)
    session.close()
    talker.close()
    cluster.close()
    server.stop()


def alert() -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    return {
        "fingerprint": "abc",
        "labels": {"alertname": f"Alert{HOSTILE}", "severity": "critical", "x": HOSTILE},
        "annotations": {"summary": HOSTILE},
        "startsAt": now,
        "updatedAt": now,
        "endsAt": now,
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
        "receivers": [{"name": "none"}],
        "generatorURL": "",
    }


UNSAFE = "[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
OWN = re.compile(
    rb"\x1b\[\d*(;\d+)*m"  # colours
    rb"|\x1b\[2;[1-4]H\x1b\[6n"  # how far the terminal has drawn
    rb"|\x1b\[\d+(;\d+)?H|\x1b\[\d*[ABCDGKX]|\x1b\[H"  # positions
    rb"|\x1b\[\?(1049|25|1004|2004|2026|2048|7)[hl]"  # modes that the console switches
    rb"|\x1b\[\?(2026|2048)\$p"  # asked at the start
    rb"|\x1b\[[><=]\d*u"  # the keyboard protocol
    rb"|\x1b\]22;default\x07"  # the shape of the pointer
)


def check_output(output: bytes) -> None:
    """Nothing but text and the sequences of the console itself."""
    rest = OWN.sub(b"", output[: output.rfind(b"\x1b")]).decode()  # the last one may be on its way
    for found in re.finditer(UNSAFE, rest):
        around = rest[max(0, found.start() - 60) : found.end() + 60]
        raise AssertionError(f"{found.group()!r} reached the terminal: {around!r}")
    for secret in SECRETS:
        assert secret.encode() not in output, f"{secret} on the screen"


def back(terminal: Terminal) -> None:
    """Close whatever is open."""
    deadline = time.monotonic() + 20
    while "esc" in terminal.text():
        assert time.monotonic() < deadline, terminal.text()
        press(terminal, "\x1b")


def test_every_pane(scene: Scene) -> None:
    terminal = scene.terminal
    terminal.wait_for(MARKUP[:12], 20)
    for number, word in (
        (1, "evil"),
        (2, "evil"),
        (3, "evil"),
        (4, "evil"),
        (5, "evil"),
        (6, "SUGG"),
        (7, "TIME"),
    ):
        terminal.send(str(number))
        terminal.send("z")
        terminal.wait_for(word)
        terminal.wait_quiet(0.3)
        if number in (2, 3, 5):
            assert "[/]" in terminal.text(), f"markup is shown as what it is in pane {number}"
        press(terminal, "o")
        terminal.send("z")
        terminal.wait_for("ALERTS")
    terminal.send("1")
    check_output(bytes(terminal.output))
    calm(terminal)


def test_logs(scene: Scene) -> None:
    terminal = scene.terminal
    cursor_on(terminal, "▸ evil")
    terminal.send("l")
    terminal.wait_for("end of the story", 30)
    text = terminal.text()
    assert "invalid" in text and "app.quit" in text
    check_output(bytes(terminal.output))
    back(terminal)
    calm(terminal)


@pytest.mark.parametrize(("key", "found"), [("d", "GREETING"), ("e", "evil"), ("h", "r")])
def test_details_of_the_workload(scene: Scene, key: str, found: str) -> None:
    terminal = scene.terminal
    cursor_on(terminal, "▸ evil")
    terminal.send(key)
    terminal.wait_for(lambda text: "esc" in text and found in text)
    terminal.wait_quiet(0.3)
    for _ in range(6):
        press(terminal, "\x1b[6~")
    check_output(bytes(terminal.output))
    back(terminal)
    calm(terminal)


@pytest.mark.parametrize("key", ["d", "e", "l", "m"])
def test_details_of_the_pod(scene: Scene, key: str) -> None:
    terminal = scene.terminal
    cursor_on(terminal, "pod-evil")
    terminal.send(key)
    terminal.wait_for("esc")
    terminal.wait_quiet(0.3)
    check_output(bytes(terminal.output))
    back(terminal)
    calm(terminal)


def test_the_typed_name_of_a_dialog(scene: Scene) -> None:
    terminal = scene.terminal
    cursor_on(terminal, "pod-evil")
    terminal.send("x")
    terminal.wait_for("(enter)", 30)
    terminal.wait_quiet(0.3)
    check_output(bytes(terminal.output))
    back(terminal)
    calm(terminal)


def clean_file(path: Path) -> None:
    data = path.read_bytes()
    text = data.decode()
    bad = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", text)
    assert bad is None, f"{path}: {bad.group()!r}"
    for secret in (*SECRETS, TYPED):
        assert secret.encode() not in data, f"{secret} in {path}"


def test_evidence_and_timeline(scene: Scene) -> None:
    desk, terminal = scene.desk, scene.terminal
    cursor_on(terminal, "▸ evil")
    terminal.send("r")
    terminal.wait_for("Cancel (enter)", 30)
    press_until(terminal, "y", "now g")
    terminal.send("g")
    eventually(lambda: "action.verdict" in desk.kinds(), "the restart has ended", 60)
    terminal.wait_quiet(0.3)
    back(terminal)
    terminal.send("a")
    terminal.wait_for("esc")
    press(terminal, f"\x1b[200~note {MARKUP} password={TYPED}\x1b[201~")
    terminal.send("\r")
    eventually(lambda: "note" in desk.kinds(), "the note")
    terminal.wait_quiet(0.3)
    assert desk.run("timeline", "add", HOSTILE.replace("\x00", ""), f"token={SECRETS[1]}").returncode == 0
    files = [path for path in desk.folder.rglob("*") if path.is_file() and path.name != "warroom.toml"]
    logs = [path for path in files if path.suffix == ".log"]
    assert any(b"end of the story" in path.read_bytes() for path in logs), "what happened last is kept"
    assert any(b"[cut by warroom:" in path.read_bytes() for path in logs), "and that the rest is cut is said"
    assert any(b"GREETING" in path.read_bytes() for path in files)
    for path in files:
        if "kubeconfig" not in path.name:
            clean_file(path)
    for words in (("status",), ("timeline", "show"), ("timeline", "export"), ("status", "--json")):
        done = desk.run(*words)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr), words
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS), words
    output = bytes(terminal.output)
    check_output(output)
    calm(terminal)
