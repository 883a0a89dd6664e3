import pytest

from console.model.postgres import (
    CLIENT,
    Backend,
    Blocker,
    Standby,
    blocker_tree,
    replication_lag,
    sessions_behind,
)
from console.model.reading import State
from tests.model.board import postgres


def session(pid: int, *blocked_by: int, state: str = "active") -> Backend:
    return Backend(
        pid, 1.0, "start", CLIENT, "app", "shop", "api", "local", state, "Lock" if blocked_by else "", "",
        1.0, 2.0, 3.0, "SELECT 1", blocked_by,
    )  # fmt: skip


def shape(node: Blocker) -> object:
    return node.pid, [shape(waiter) for waiter in node.waiters]


def test_a_chain_and_its_fan_stand_below_the_root() -> None:
    # The second waiter of a row holds the tuple lock that the others queue for.
    (tree,) = blocker_tree([session(1), session(2, 1), session(3, 2), session(4, 2, 3), session(5, 2, 3, 4)])
    assert shape(tree) == (1, [(2, [(3, []), (4, []), (5, [])])])
    assert (tree.behind, tree.waiters[0].behind, tree.waiters[0].waiters[0].behind) == (4, 3, 0)


def test_the_root_with_most_waiters_is_first_and_idle_sessions_are_no_roots() -> None:
    trees = blocker_tree([session(1), session(2), session(3, 1), session(4, 2), session(5, 2), session(9)])
    assert [shape(tree) for tree in trees] == [(2, [(4, []), (5, [])]), (1, [(3, [])])]


def test_a_waiter_for_two_roots_stands_below_both() -> None:
    trees = blocker_tree([session(1), session(2), session(3, 1, 2)])
    assert [shape(tree) for tree in trees] == [(1, [(3, [])]), (2, [(3, [])])]


def test_a_circle_is_a_root_of_its_own_marked_as_deadlock() -> None:
    trees = blocker_tree([session(1, 2), session(2, 1), session(3, 2)])
    assert [(shape(tree), tree.deadlock, tree.behind) for tree in trees] == [((1, [(2, [(3, [])])]), True, 2)]


def test_a_prepared_transaction_and_a_hidden_session_are_roots_without_a_session() -> None:
    trees = blocker_tree([session(3, 0), session(4, 77)])
    assert [(tree.pid, tree.backend, tree.behind) for tree in trees] == [(0, None, 1), (77, None, 1)]


def test_a_queue_of_hundreds_is_no_recursion_and_stays_one_node_each() -> None:
    queue = [session(0 + 1), *(session(pid, *range(1, pid)) for pid in range(2, 300))]
    (flat,) = blocker_tree(queue)
    assert (flat.behind, len(flat.waiters)) == (298, 298)
    (deep,) = blocker_tree([session(1), *(session(pid, pid - 1) for pid in range(2, 1500))])
    assert deep.behind == 1498


def test_sessions_behind_follows_the_chain_and_never_names_the_session_itself() -> None:
    sessions = [session(1), session(2, 1), session(3, 2), session(4)]
    assert [it.pid for it in sessions_behind(sessions, 1)] == [2, 3]
    assert sessions_behind(sessions, 4) == ()
    assert [it.pid for it in sessions_behind([session(1, 2), session(2, 1)], 1)] == [2]


@pytest.mark.parametrize(
    ("standby", "state", "value"),
    [
        (None, State.DISABLED, None),
        (Standby(True, 0, 3600.0), State.OK, 0.0),
        (Standby(True, 11_700_000, 12.0), State.OK, 12.0),
        (Standby(False, 0, 40.0), State.FAILED, None),
        (Standby(True, None, None), State.NO_DATA, None),
        (Standby(None, None), State.NO_DATA, None),
    ],
)
def test_replication_lag(standby: Standby | None, state: State, value: float | None) -> None:
    reading = replication_lag(postgres(standby=standby))
    assert (reading.state, reading.value) == (state, value)
    assert reading.ok or reading.reason


def test_the_age_is_that_of_the_query_when_active_and_of_the_state_else() -> None:
    assert session(1).age(10.0) == 8.0
    assert session(1, state="idle in transaction").age(10.0) == 7.0
    assert session(1).age(0.0) == 0.0
