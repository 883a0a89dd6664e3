"""The simulated server answers as the recorded real one: status, reasons, messages, headers, shape of
bodies."""

import asyncio
import random
from typing import Any

import pytest

from console.drill.cluster import ApiServer, Cluster
from console.model.clock import ManualClock
from tests.drill.cluster.conftest import START
from tests.drill.cluster.replay import Answer, differences, load, prepared, replay, send


class Story:
    """The recorded session, replayed in its order; `answers` keeps (recorded response, answer) by number."""

    def __init__(self) -> None:
        self.cluster = Cluster(ManualClock(START), random.Random(1), metrics=False)
        self.answers: dict[str, tuple[dict[str, Any], Answer]] = {}
        self.server: ApiServer

    async def go(self, *numbers: str, **changes: str) -> None:
        """Replay some recordings."""
        for number in numbers:
            self.answers[number] = await replay(self.server, number, **changes)

    def pod(self, app: str) -> dict[str, Any]:
        """Return the metadata of a pod of an app."""
        return self.cluster.list("pods", "production", f"app={app}")[0]["metadata"]  # type: ignore[no-any-return]

    async def tell(self) -> None:
        """Replay it all."""
        cluster = self.cluster
        prepared(cluster)
        async with ApiServer(cluster, tick=None) as self.server:
            await self.go("01", "02", "03", "04", "05")
            for number in ("06", "07", "08", "10", "11"):
                cluster.settle()
                await self.go(number)
            cluster.settle()
            await self.go("12", "13", "15", "17")
            version = cluster.get("deploy", "auth-service", "production")["metadata"]["resourceVersion"]
            seen = {'"648"': f'"{version}"'}
            await self.go("14", "16", **seen)
            await self.go("18", **seen)
            cluster.settle()
            await self.go("19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29")
            cluster.settle()
            await self.go(*(str(number) for number in range(30, 41)))
            await self.go("42", "43", "44", "45")
            await self._deletion()
            await self._budget()
            cluster.patch("deploy", "api-server", {"spec": {"paused": True}}, "production")
            cluster.settle()
            await self.go("55", "56", "57", "58", "59", "60")
            cluster.settle()
            restart = {
                "template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
            }
            cluster.patch("sts", "redis", {"spec": restart}, "production")
            cluster.settle()
            await self.go("61", "62", "64", "65")
            await self.go("63", **{"auth-service-66cd6877d5-2jv8g": self.pod("auth-service")["name"]})

    async def _deletion(self) -> None:
        victim, start = self.pod("api-server"), self.cluster.store.rv
        names = {
            "api-server-5795bbfcdf-2flt9": victim["name"],
            "3ab966a0-5648-4330-94ea-5621560b4b89": victim["uid"],
        }
        await self.go("47", "48", "49", **names)
        self.cluster.settle()
        await self.go("50", **{"=RV": f"={start}", "timeoutSeconds=14": "timeoutSeconds=1"})
        await self.go("51", **{"timeoutSeconds=3": "timeoutSeconds=1"})

    async def _budget(self) -> None:
        selector = {"matchLabels": {"app": "api-server"}}
        budget = {"metadata": {"name": "api-server"}, "spec": {"minAvailable": 4, "selector": selector}}
        self.cluster.create(
            {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **budget}, "production"
        )
        self.cluster.settle()
        await self.go("52")
        await self.go("53", **{"api-server-5795bbfcdf-2pjp7": self.pod("api-server")["name"]})
        await self.go("54", **{"auth-service-66cd6877d5-2jv8g": self.pod("auth-service")["name"]})


@pytest.fixture(scope="module")
def story() -> Story:
    """The replayed session."""
    told = Story()
    asyncio.run(told.tell())
    return told


REPLAYED = [
    *("01", "02", "03", "04", "05", "06", "07", "08", "10", "11", "12", "13", "14", "15", "16", "17", "18",
    "19"),
    *(str(number) for number in range(20, 41)), "42", "43", "44", "45",
    *(str(number) for number in range(47, 66)),
]  # fmt: skip


@pytest.mark.parametrize("number", REPLAYED)
def test_status_and_headers_are_as_recorded(story: Story, number: str) -> None:
    recorded, answer = story.answers[number]
    assert answer.status == recorded["status"]
    for name, value in recorded["headers"].items():
        assert name in answer.headers
        if name in ("content-type", "cache-control", "warning"):
            assert answer.headers[name] == value


ERRORS = [
    "13",
    "15",
    "17",
    "23",
    "24",
    "25",
    "26",
    "27",
    "30",
    "31",
    "33",
    "34",
    "35",
    "42",
    "53",
    "54",
    "59",
]


@pytest.mark.parametrize("number", ERRORS)
def test_errors_are_word_for_word_as_recorded(story: Story, number: str) -> None:
    recorded, answer = story.answers[number]
    assert answer.json == recorded["body"]


# What is compared otherwise below: 03 and 04 by name, 12 and 19 in another order, 28 and 47 carry identities,
# 29 was recorded in another state, 32 and 63 are text, 50 tells of a fake kubelet, 62 has another first
# event.
ALIKE = [
    n for n in REPLAYED if n not in ("03", "04", "12", "19", "28", "29", "32", "39", "50", "51", "62", "63")
]


@pytest.mark.parametrize("number", ALIKE)
def test_bodies_have_the_recorded_shape(story: Story, number: str) -> None:
    recorded, answer = story.answers[number]
    assert differences(recorded["body"], answer.json) == []


@pytest.mark.parametrize("number", ["03", "04"])
def test_discovery_entries_are_as_recorded(story: Story, number: str) -> None:
    recorded, answer = story.answers[number]
    known = {one["name"]: one for one in recorded["body"]["resources"]}
    got = {one["name"]: one for one in answer.json["resources"]}
    assert {"pods", "pods/log", "pods/eviction"} <= got.keys() or {
        "deployments",
        "deployments/scale",
    } <= got.keys()
    assert {name: known[name] for name in got} == got


def test_audit_id_comes_back(story: Story) -> None:
    assert story.answers["07"][1].headers["Audit-Id"] == "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize("number", ["05", "07", "18", "57", "58"])
def test_managed_fields_are_as_recorded(story: Story, number: str) -> None:
    def bare(body: dict[str, Any]) -> list[Any]:
        entries = body["metadata"]["managedFields"]
        return [{name: value for name, value in entry.items() if name != "time"} for entry in entries]

    recorded, answer = story.answers[number]
    assert bare(answer.json) == bare(recorded["body"])


def test_dry_runs_store_nothing(story: Story) -> None:
    before, dry = story.answers["06"][1].json, story.answers["07"][1].json
    assert dry["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert dry["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert story.answers["08"][1].json["metadata"]["generation"] == 2


@pytest.mark.parametrize("number", ["12", "19"])
def test_history_has_the_recorded_revisions(story: Story, number: str) -> None:
    def revisions(body: dict[str, Any]) -> list[tuple[Any, ...]]:
        return sorted(
            (
                item["spec"]["template"]["spec"]["containers"][0]["image"],
                item["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
                item["metadata"]["annotations"].get("deployment.kubernetes.io/revision-history"),
                item["spec"]["replicas"],
                sorted(item["status"]),
            )
            for item in body["items"]
        )

    recorded, answer = story.answers[number]
    assert revisions(answer.json) == revisions(recorded["body"])


def test_strict_field_validation_names_the_field(story: Story) -> None:
    recorded, answer = story.answers["28"]
    tail = ': strict decoding error: unknown field "spec.replica"'
    for body in (recorded["body"], answer.json):
        assert body["message"].startswith(
            ' "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"apps/v1\\"'
        )
        assert body["message"].endswith(tail)
        assert body["reason"] == "Invalid"
        assert body["details"]["causes"][0]["field"] == "patch"


def test_precondition_names_both_uids(story: Story) -> None:
    recorded, answer = story.answers["47"]
    message = answer.json["message"]
    assert message.split('"')[0] == recorded["body"]["message"].split('"')[0]
    assert message.endswith("The object might have been deleted and then recreated")
    assert "(00000000-0000-0000-0000-000000000000)" in message


def test_viewer_rules_are_as_recorded(story: Story) -> None:
    recorded, answer = story.answers["39"]

    def rules(body: dict[str, Any]) -> set[tuple[Any, ...]]:
        status = body["status"]
        return {
            (verb, group, resource)
            for rule in status["resourceRules"]
            for verb in rule["verbs"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            if group not in ("extensions", "resource.k8s.io", "metrics.k8s.io")
        }

    assert rules(answer.json) == rules(recorded["body"])


def test_absent_metrics_api_is_plain_text(story: Story) -> None:
    recorded, answer = story.answers["32"]
    assert answer.data.decode() == recorded["body"]


def test_rollout_goes_through_the_recorded_steps() -> None:
    steps = load("09")["response"]["body"]

    def counts(events: list[Any]) -> list[tuple[Any, ...]]:
        names = ("replicas", "updatedReplicas", "availableReplicas", "terminatingReplicas")
        rows = [
            tuple(e["object"]["status"].get(n, 0) for n in names) for e in events if e["type"] == "MODIFIED"
        ]
        return [row for i, row in enumerate(rows) if i == 0 or row != rows[i - 1]]

    async def watch() -> list[Any]:
        cluster = Cluster(ManualClock(START), random.Random(1))
        prepared(cluster)
        async with ApiServer(cluster, tick=None) as server:
            await replay(server, "05")
            cluster.settle()
            start = cluster.store.rv
            await replay(server, "08")
            cluster.settle()
            base = "/apis/apps/v1/namespaces/production/deployments"
            path = f"{base}?watch=1&resourceVersion={start}&timeoutSeconds=1"
            return (await send(server, "GET", path)).lines

    got, recorded = counts(asyncio.run(watch())), counts(steps)
    assert got[0] == recorded[0]
    assert got[-1] == recorded[-1]
    # Kubelets differ in pace, so several pods may come and go in one step; the bounds of the strategy hold.
    assert {row[0] for row in got} <= {3, 4}
    assert min(row[2] for row in got) >= 3
    assert [row[1] for row in got[1:]] == sorted(row[1] for row in got[1:])


def test_deletion_is_told_as_recorded(story: Story) -> None:
    recorded, answer = story.answers["50"]

    def told(events: list[Any]) -> list[tuple[str, bool]]:
        return [(e["type"], "deletionTimestamp" in e["object"]["metadata"]) for e in events]

    assert told(answer.lines)[0] == told(recorded["body"])[0] == ("MODIFIED", True)
    kinds = {kind for kind, _ in told(answer.lines)}
    assert (
        kinds == {kind for kind, _ in told(recorded["body"])} == {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}
    )
    assert answer.lines[-1]["object"].keys() == recorded["body"][-1]["object"].keys()


def test_streaming_list_ends_with_its_bookmark(story: Story) -> None:
    recorded, answer = story.answers["51"]
    assert differences(recorded["body"][:-1], answer.lines[:4]) == []
    assert [line["type"] for line in answer.lines[:5]] == ["ADDED"] * 4 + ["BOOKMARK"]
    assert answer.lines[4]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_events_have_both_recorded_styles(story: Story) -> None:
    recorded, answer = story.answers["62"]

    def style(items: list[Any], reason: str) -> Any:
        return next(one for one in items if one["reason"] == reason)

    everything = story.cluster.list("events", "production")
    for reason in ("Scheduled", "Started", "Killing"):
        got = {
            name: value
            for name, value in style(everything, reason).items()
            if name not in ("kind", "apiVersion")
        }
        assert differences(style(recorded["body"]["items"], reason), got) == []
    assert len(answer.json["items"]) == 6


def test_logs_are_text_with_timestamps(story: Story) -> None:
    _, answer = story.answers["63"]
    lines = answer.data.decode().splitlines()
    assert 0 < len(lines) <= 5
    assert all(line.split(" ")[0].endswith("Z") for line in lines)
