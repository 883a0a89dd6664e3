"""The score: from what the world saw, the timeline and the log of requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from console.drill.cluster.request import Record, parse
from console.drill.score import Course, Move, declared_at, moves, report
from console.model.clock import ManualClock
from console.timeline.recorder import Recorder
from tests.mitigations.kubernetes.rig import rig, run

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BROKE = START.timestamp()


def request(
    second: float, method: str, path: str, agent: str, status: int = 200, *, dry_run: bool = False
) -> Record:
    record = Record(BROKE + second, method, path, {}, agent)
    record.info = parse(method, path, {})
    record.dry_run = dry_run
    record.status = status
    return record


CHECKOUT = "/apis/apps/v1/namespaces/shop/deployments/checkout"


def told(course: Course, *, declared: float | None = None, done: tuple[Move, ...] = ()) -> list[str]:
    right = ("k8s.rollback",)
    text = report(course, title="bad-release", cure="Roll back.", right=right, declared=declared, done=done)
    return text.splitlines()


def test_the_course_goes_from_broken_to_cured_to_recovered() -> None:
    course = Course(broke_at=100)
    course.observe(101, present=True, well=True)
    assert (course.cured_at, course.recovered_at) == (None, None)
    course.observe(110, present=False, well=False)
    course.observe(115, present=False, well=True)
    course.observe(116, present=False, well=True)
    assert (course.cured_at, course.recovered_at) == (110, 115)


def test_a_cause_that_comes_back_takes_the_cure_away() -> None:
    course = Course(broke_at=100)
    course.observe(110, present=False, well=True)
    course.observe(120, present=True, well=True)
    assert (course.cured_at, course.recovered_at) == (None, None)


def test_one_failed_request_is_no_relapse() -> None:
    course = Course(broke_at=100)
    course.observe(110, present=False, well=True)
    for second in (120, 121, 122):
        course.observe(second, present=False, well=False)
    course.observe(123, present=False, well=True)
    assert (course.cured_at, course.recovered_at) == (110, 110)
    for second in (130, 133, 135):
        course.observe(second, present=False, well=False)
    assert (course.cured_at, course.recovered_at) == (110, None)
    course.observe(140, present=False, well=True)
    assert (course.cured_at, course.recovered_at) == (110, 140)


def test_nothing_is_observed_before_it_breaks() -> None:
    course = Course()
    course.observe(110, present=False, well=True)
    assert course == Course()
    assert told(course)[-1] == "Ended before anything broke."


def test_the_report_names_times_and_wrong_moves() -> None:
    course = Course(broke_at=BROKE, cured_at=BROKE + 200, recovered_at=BROKE + 225)
    done = (
        Move(BROKE + 90, "k8s.restart", "Restart checkout"),
        Move(BROKE + 185, "k8s.rollback", "Roll checkout back to revision 3"),
        Move(BROKE + 300, "k8s.scale", "Scale later"),
    )
    lines = told(course, declared=BROKE + 65, done=done)
    assert "Broke at         12:00:00 UTC" in lines
    assert "Declared         after 1:05" in lines
    assert "Cause removed    after 3:20" in lines
    assert "Recovered        after 3:45" in lines
    assert "Wrong moves      1" in lines
    assert "  after 1:30  Restart checkout" in lines
    assert not any("revision 3" in line or "later" in line for line in lines)


def test_what_was_thrown_away_is_told() -> None:
    course = Course(broke_at=BROKE, cured_at=BROKE + 50)
    lost = ("300 sessions", "5 queued jobs")
    text = report(course, title="x", cure="y", right=(), declared=None, done=(), lost=lost)
    assert "Lost             300 sessions, 5 queued jobs" in text.splitlines()
    assert not any(line.startswith("Lost") for line in told(course))


def test_without_a_cure_every_move_was_wrong() -> None:
    done = (Move(BROKE + 9, "k8s.rollback", "Roll back to a bad revision"),)
    lines = told(Course(broke_at=BROKE), done=done)
    assert "Cause removed    not" in lines
    assert "Wrong moves      1" in lines


def test_a_restart_just_before_a_cure_of_another_kind_stays_wrong() -> None:
    course = Course(broke_at=BROKE, cured_at=BROKE + 50)
    assert "Wrong moves      1" in told(course, done=(Move(BROKE + 49, "k8s.restart", "Restart"),))


def test_writes_of_other_clients_count_and_reads_dry_runs_refusals_and_our_own_do_not() -> None:
    found = moves(
        None,
        [
            request(5, "PATCH", CHECKOUT, "kubectl/v1.32.0 (linux/amd64)"),
            request(6, "GET", CHECKOUT, "kubectl/v1.32.0"),
            request(7, "PATCH", CHECKOUT, "kubectl/v1.32.0", dry_run=True),
            request(8, "PATCH", CHECKOUT, "kubectl/v1.32.0", status=409),
            request(9, "PATCH", CHECKOUT, "warroom/0.1.0"),
            request(10, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "kubectl/v1.32.0"),
            request(-1, "PATCH", CHECKOUT, "kubectl/v1.32.0"),
        ],
        BROKE,
    )
    assert [move.text for move in found] == ["patch deployments/checkout with kubectl/v1.32.0"]


def test_declaration_and_intents_are_read_from_the_timelines(tmp_path: Path) -> None:
    clock = ManualClock(START)
    recorder = Recorder(tmp_path, clock)
    recorder.attach("INC-20260301-1")
    clock.advance(30)
    recorder.record("incident.declared", "SEV2 checkout fails")
    clock.advance(30)
    recorder.record("action.intent", "Restart checkout in drill", data={"action": "k8s.restart"})
    assert declared_at(tmp_path, BROKE) == BROKE + 30
    assert declared_at(tmp_path, (START + timedelta(minutes=5)).timestamp()) is None
    assert moves(tmp_path, [], BROKE) == (Move(BROKE + 60, "k8s.restart", "Restart checkout in drill"),)
    copied = {"action": "k8s.restart", "standby": "01"}
    recorder.record("action.intent", "Restart checkout in drill", data=copied)
    assert len(moves(tmp_path, [], BROKE)) == 1, "taken along into the incident, it is one move all the same"
    assert moves(tmp_path / "elsewhere", [], BROKE) == ()


def test_a_move_that_changed_nothing_failed_and_was_not_wrong(tmp_path: Path) -> None:
    async def story() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            refused = await r.plan("k8s.scale", "deployment/shop", replicas="2")
            unsent = await r.plan("k8s.scale", "deployment/shop", replicas="9")
            await r.runner.run(await r.plan("k8s.scale", "deployment/shop", replicas="5"))
            await r.runner.run(refused)
            await r.server.stop()
            done = await r.runner.run(unsent)
            assert done.outcome is not None
            assert done.outcome.status in ("failed", "refused")

    run(story())
    found = moves(tmp_path / "state", [], 0.0)
    assert [(move.text.partition(" in ")[0], move.failed) for move in found] == [
        ("Scale deployment/shop from 3 to 5", False),
        ("Scale deployment/shop from 3 to 2", True),
        ("Scale deployment/shop from 3 to 9", True),
    ]


def test_the_report_tells_failed_moves_from_wrong_ones() -> None:
    course = Course(broke_at=BROKE, cured_at=BROKE + 200)
    done = (
        Move(BROKE + 90, "k8s.restart", "Restart checkout"),
        Move(BROKE + 185, "k8s.rollback", "Roll checkout back to revision 3"),
        Move(BROKE + 190, "k8s.scale", "Scale checkout", failed=True),
    )
    lines = told(course, done=done)
    assert lines[lines.index("Wrong moves      1") : -1] == [
        "Wrong moves      1",
        "  after 1:30  Restart checkout",
        "Failed moves     1",
        "  after 3:10  Scale checkout",
    ]
    assert not any("Failed" in line for line in told(course, done=done[:2]))
