"""What databases and caches tell: connections, sessions, replication, memory, queues."""

import pytest

from console.model.postgres import Replica, Slot, Standby
from console.model.signals import detect, remember
from console.model.symptoms.finding import Memory
from tests.model.board import NOW, Records, backend, ok, postgres, queue, redis
from tests.model.looking import look, texts


@pytest.mark.parametrize(
    ("clients", "severity"),
    [(80, None), (83, "warning"), (92, "warning"), (93, "critical"), (97, "critical")],
)
def test_connections_are_measured_against_usable_slots(clients: int, severity: str | None) -> None:
    found = look(Records({"postgres:main": postgres(clients=clients)}))
    assert [item.severity for item in found] == ([severity] if severity else [])


def test_sessions_that_hold_others_up() -> None:
    board = Records(
        {
            "postgres:main": postgres(
                backend(7, "idle in transaction", 300),
                backend(8, "active", 200, wait_type="Lock", blocked_by=(7,)),
                backend(9, "active", 100, wait_type="Lock", blocked_by=(8,)),
                backend(10, "active", 90, application="report"),
                backend(11, "active", 9000, backend_type="walsender"),
                backend(12, "idle in transaction (aborted)", 61),
            )
        }
    )
    assert sorted(texts(board)) == [
        "idle-in-transaction(main) pid 7 of checkout for 5 min, 2 sessions > 60 s",
        "query-long(main) pid 10 of report for 90 s > 60 s",
        "sessions-blocked(main) 2 wait behind pid 7 (checkout, idle in transaction)",
    ]
    brief = backend(8, "active", 2, wait_type="Lock", blocked_by=(7,))
    assert look(Records({"postgres:main": postgres(backend(7), brief)})) == ()


def test_replication() -> None:
    board = Records(
        {
            "postgres:main": postgres(
                replicas=(
                    Replica("far", "", 100 * 1024**2),
                    Replica("near", "", 1024),
                ),
                slots=(
                    Slot("dead", False, 3 * 1024**3, "extended"),
                    Slot("used", True, 3 * 1024**3, "extended"),
                    Slot("gone", False, None, "lost"),
                ),
                limited=True,
            ),
            "postgres:copy": postgres(standby=Standby(False, 0)),
            "postgres:good": postgres(standby=Standby(True, 0)),
            "postgres:dark": postgres(standby=Standby(None, None)),  # could not be read: no reason to say so
        }
    )
    assert sorted(texts(board)) == [
        "limited-view(main) states and queries of other roles are hidden: grant pg_monitor",
        "replication-broken(copy) no WAL receiver runs: this standby is cut off from its primary",
        "replication-lag(main/far) 100 MiB > 64 MiB",
        "slot-retains-wal(main/dead) has no reader and keeps 3.0 GiB of WAL",
        "slot-retains-wal(main/gone) is lost",
    ]


def test_redis() -> None:
    board = Records(
        {
            "redis:main": redis(
                used=95,
                state="misconf",
                oom_errors=3.5,
                evictions=12.0,
                rejected=1.0,
                rdb_ok=False,
                hit_ratio=ok(0.2),
            ),
            "redis:copy": redis(role="slave", state="readonly", link="down", used=10, limit=None),
            "redis:big": redis(limit=None, used=950),
        }
    )
    assert sorted(texts(board)) == [
        "cache-misses(main) hit ratio 20 %",
        "redis-evictions(main) 12 keys a second evicted",
        "redis-link-down(copy) the link to its master is down",
        "redis-memory-high(big) 95 % > 90 % of the machine",
        "redis-memory-high(main) 95 % > 90 % of maxmemory",
        "redis-not-ready(main) the server is misconf",
        "redis-oom-errors(main) 3.5 writes a second refused for memory",
        "redis-persistence(main) the last snapshot failed",
        "redis-rejected(main) 1 connections a second rejected",
    ]


@pytest.mark.parametrize(
    ("depths", "growing"),
    [
        ((100, 110, 120, 130, 140, 160), True),
        ((100, 110), False),  # too few looks
        ((100, 100, 101, 99, 100, 102), False),
        ((1000, 1010, 1050, 1060, 1080, 1100), False),  # a tenth is not a fifth
        ((100, 400, 300, 200, 180, 160), False),  # being worked off
        ((0, 5, 10, 20, 30, 40), False),  # fewer than 50
    ],
)
def test_a_queue_grows_when_it_got_longer_for_a_while(depths: tuple[int, ...], growing: bool) -> None:
    memory, board = Memory(), Records()
    for index, depth in enumerate(depths):
        board = Records({"redis:main": redis(NOW + 10 * index, queues=(queue("jobs", depth),))})
        memory = remember(board, memory)
    found = detect(board, {}, NOW + 60, memory)
    assert [item.name for item in found] == (["queue-growing"] if growing else [])
    if growing:
        assert found[0].detail == "160 waiting, +72 a minute"


def test_an_old_depth_does_not_count() -> None:
    memory, board = Memory(), Records()
    for at, depth in ((0, 0), (10, 0), (300, 500), (310, 500), (330, 500)):
        board = Records({"redis:main": redis(NOW + at, queues=(queue("jobs", depth),))})
        memory = remember(board, memory)
    assert detect(board, {}, NOW + 330, memory) == ()
    assert len(memory.depths["redis:main/jobs"]) == 3
