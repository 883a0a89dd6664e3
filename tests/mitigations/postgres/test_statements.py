"""The statements that signal, as their text, and the sums of results."""

from console.mitigations.postgres import signals
from console.mitigations.postgres.signals import Victim
from console.model.plan import StepResult

VICTIM = Victim(4711, "2026-03-01 12:00:00.000001+00", "app@shop", "state_change", 1772366400.25)


def test_an_old_server_gets_the_form_without_a_timeout() -> None:
    old = signals.text(signals.terminate_statement(VICTIM, 130012, 2000))
    new = signals.text(signals.terminate_statement(VICTIM, 140000, 2000))
    assert old.startswith("SELECT pg_terminate_backend(pid) FROM")
    assert new.startswith("SELECT pg_terminate_backend(pid, 2000) FROM")


def test_the_identity_stands_in_the_statement_that_signals() -> None:
    assert signals.text(signals.cancel_statement(VICTIM)) == (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = 4711"
        " AND backend_start = '2026-03-01 12:00:00.000001+00' AND backend_type = 'client backend'"
        " AND extract(epoch FROM state_change)::float8 = 1772366400.25;"
    )


def test_a_hostile_start_stays_a_literal() -> None:
    hostile = Victim(1, "' OR true; --", "x")
    assert "backend_start = ''' OR true; --'" in signals.text(signals.cancel_statement(hostile))


def test_the_sum_of_results_hides_no_failure() -> None:
    good = StepResult("pid/1", ok=True, detail="it was told", status="signalled")
    bad = StepResult("pid/2", ok=False, detail="not permitted: x")
    assert signals.outcome([good, bad], [], "").status == "partial"
    assert signals.outcome([bad, bad], [], "").status == "failed"
    assert signals.outcome([good, good], [], "").status == "done"
    late = StepResult("pid/3", ok=False, detail="it goes on for now", status="going")
    assert signals.outcome([late], [], "").status == "partial", "failed would say that nothing was done"
    assert signals.outcome([bad, late], [], "").status == "partial"
    lost = signals.outcome([good], [VICTIM], "silence")
    assert lost.status == "unknown" and "1 signalled before, 1 not tried" in lost.detail
    assert lost.results[-1] == StepResult("pid/4711", ok=False, detail="not tried")


def test_a_sum_goes_by_what_was_done_and_not_by_the_words_for_it() -> None:
    gone = StepResult("pid/2", ok=True, detail="signalled by somebody else before", status="gone")
    kept = StepResult("pid/3", ok=False, detail="left alone: it is a standby", status="skipped")
    good = StepResult("pid/1", ok=True, detail="it was told", status="signalled")
    assert signals.outcome([good, gone], [], "").detail == (
        "1 of 2 sessions signalled, 1 already gone, 0 failed."
    )
    assert signals.outcome([kept, kept], [], "").status == "refused"
