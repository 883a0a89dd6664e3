"""The life of a signal: what it says, since when, when it ends, and which comes first."""

import pytest

from console.model.reading import State
from console.model.signals import Signal
from console.model.source import Health, SourceStatus
from tests.model.board import (
    KUBE,
    NOW,
    Records,
    backend,
    cluster,
    history,
    ok,
    pod,
    postgres,
    prometheus,
    redis,
    service,
    workload,
)
from tests.model.looking import look


def test_a_healthy_board_has_no_signals() -> None:
    board = Records(
        {
            KUBE: cluster(workload(), pod("shop-1")),
            "prometheus": prometheus(service()),
            "postgres:main": postgres(backend(1), backend(2, "idle", 4000)),
            "redis:main": redis(),
        },
        SourceStatus("prometheus", Health.OK, NOW),
    )
    assert look(board) == ()
    assert look(Records()) == ()


def test_a_signal_says_what_how_much_and_since_when() -> None:
    (signal,) = look(Records({"prometheus": prometheus(service("auth-service", 0.081))}))
    assert signal.text == "error-ratio-high(auth-service) 8.1 % > 5 % since 20:26Z"
    assert (signal.value, signal.threshold, signal.source) == (0.081, 0.05, "prometheus")
    assert (signal.severity, signal.since) == ("critical", NOW)


def test_since_comes_from_the_history_when_the_console_starts_late() -> None:
    values = history(0.2, 0.01, 0.06, None, 0.07, 0.08)
    (signal,) = look(Records({"prometheus": prometheus(service(ratio=0.08, history=values))}))
    assert signal.since == NOW - 45


def rounds(*ratios: float | State) -> list[tuple[float, bool]]:
    """The value of the one signal after each round of Prometheus, and whether it is there."""
    previous: tuple[Signal, ...] = ()
    seen = []
    for index, ratio in enumerate(ratios):
        at = NOW + 5 * index
        previous = look(Records({"prometheus": prometheus(service(ratio=ratio), at=at)}), previous, at)
        seen.append((previous[0].since - NOW if previous else -1.0, bool(previous)))
    return seen


@pytest.mark.parametrize(
    ("ratios", "there"),
    [
        ((0.04, 0.049, 0.05), "000"),  # never above
        ((0.06, 0.0, 0.0), "110"),  # two quiet rounds end it
        ((0.06, 0.0, 0.06, 0.0, 0.06), "11111"),  # one quiet round does not
        ((0.06, 0.046, 0.049, 0.046, 0.046), "11111"),  # above 90 % of the threshold is not quiet
        ((0.06, 0.044, 0.044), "110"),
        ((0.06, State.NO_DATA, State.FAILED, State.STALE), "1111"),  # blindness is not recovery
        ((0.06, State.NO_TRAFFIC, State.NO_TRAFFIC), "110"),
        ((State.NO_DATA, State.FAILED), "00"),
    ],
)
def test_a_signal_does_not_flap(ratios: tuple[float | State, ...], there: str) -> None:
    seen = rounds(*ratios)
    assert "".join("1" if is_there else "0" for _, is_there in seen) == there
    assert {since for since, is_there in seen if is_there} <= {0.0}, "the beginning is kept"


def test_looking_again_at_the_same_round_is_not_another_quiet_round() -> None:
    first = look(Records({"prometheus": prometheus(service(ratio=0.2))}))
    quiet = Records({"prometheus": prometheus(service(), at=NOW + 5)})
    previous = first
    for second in range(5, 10):
        previous = look(quiet, previous, NOW + second)
    assert [signal.quiet for signal in previous] == [1]
    assert look(Records({"prometheus": prometheus(service(), at=NOW + 10)}), previous, NOW + 10) == ()


def test_a_value_that_hovers_and_one_that_is_gone_say_so() -> None:
    first = look(Records({"prometheus": prometheus(service(ratio=0.06))}))
    (near,) = look(Records({"prometheus": prometheus(service(ratio=0.047), at=NOW + 5)}), first, NOW + 5)
    assert near.text.startswith("error-ratio-high(shop) 4.7 % after more than 5 % since")
    blind = Records({"prometheus": prometheus(service(ratio=State.STALE), at=NOW + 5)})
    again = look(blind, first, NOW + 5)
    (held,) = look(blind, again, NOW + 10)
    assert held.text == "error-ratio-high(shop) 6 % > 5 %; no data now since 20:26Z"
    assert held.value == 0.06


def test_the_worst_and_oldest_come_first() -> None:
    board = Records(
        {
            "prometheus": prometheus(
                service("b", 0.2, history=history(0.1)),
                service("a", 0.2, history=history(0.0, 0.1, 0.1)),
                service("c", up=ok(0.5)),
            )
        }
    )
    assert [(item.name, item.subject) for item in look(board)] == [
        ("error-ratio-high", "a"),
        ("error-ratio-high", "b"),
        ("targets-down", "c"),
    ]
