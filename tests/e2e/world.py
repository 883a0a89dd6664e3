"""A drill in a process of its own, as the contract of ``warroom drill --headless --info`` gives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from console.timeline.entry import Entry
from console.timeline.file import read_timeline

WARROOM = (sys.executable, "-m", "console.cli")


class World:
    """A running world. ``info`` has the addresses; ``environment`` keeps the user's own files out of it."""

    def __init__(self, folder: Path, scenario: str = "bad-release", *extra: str) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.environment = {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "xdg-state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "KUBECONFIG": "",
            "PYTHONUNBUFFERED": "1",
        }
        info = folder / "info.json"
        self._log = (folder / "world.log").open("wb")
        self.process = subprocess.Popen(
            [*WARROOM, "drill", scenario, "--headless", "--info", str(info), *extra],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.info: dict[str, Any] = json.loads(self._wait(info))

    def _wait(self, file: Path, timeout: float = 60) -> str:
        deadline = time.monotonic() + timeout
        while not file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the drill did not start: {(self.folder / 'world.log').read_text()}")
            time.sleep(0.05)
        return file.read_text()

    @property
    def config(self) -> Path:
        """The ready configuration file."""
        return Path(self.info["config"])

    def command(self, *words: str) -> list[str]:
        """The argv of a warroom command on this world."""
        connects = words[0] in ("run", "watch", "status", "act", "check")
        return [
            *WARROOM,
            words[0],
            *(("--config", str(self.config)) if connects else ()),
            *words[1:],
            "--state-dir",
            str(self.state_dir),
        ]

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a warroom command without a terminal."""
        return subprocess.run(
            self.command(*words),
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def kubectl(self, *words: str) -> str:
        """The output of kubectl on the simulated cluster."""
        argv = ["kubectl", "--kubeconfig", str(self.info["kubeconfig"]), "-n", self.info["namespace"], *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query of the world's Prometheus."""
        answer = httpx.get(
            f"{self.info['prometheus_url']}/api/v1/query", params={"query": expression}, timeout=10
        )
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def entries(self) -> list[Entry]:
        """Every entry of every timeline of the state folder, in order of recording."""
        files = [self.state_dir / "standby.jsonl", *self.state_dir.glob("incidents/*/timeline.jsonl")]
        found = [entry for file in files for entry in read_timeline(file).entries]
        return sorted(found, key=lambda entry: entry.id)

    def close(self) -> None:
        """End the world in order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self._log.close()
