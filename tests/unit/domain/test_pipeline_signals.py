"""All ways in say the same of the same failure."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain import pipeline_signals as signals
from incident_response.domain.pipeline_signals import Attempt, DagFacts

AT = datetime(2026, 3, 1, 2, 0, 0, 123456, tzinfo=timezone.utc)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
ATTEMPTS = st.builds(Attempt, NAMES, NAMES, NAMES, st.integers(-1, 1000), st.integers(1, 50))


@given(ATTEMPTS, st.text(), st.lists(NAMES))
def test_callback_listener_and_scan_agree_on_fingerprint_and_occurrence(
    attempt: Attempt, message: str, tags: list[str]
) -> None:
    """Although one knows the exception, another the tags, and the third neither."""
    callback = signals.task_failed("callback", attempt, AT, DagFacts.of(tags), exception=ValueError(message))
    scan = signals.task_failed("airflow_runs", attempt, AT + timedelta(seconds=1), DagFacts(), max_tries=3)

    assert callback.fingerprint == scan.fingerprint
    assert callback.occurrence == scan.occurrence


@given(ATTEMPTS, ATTEMPTS)
def test_two_task_instances_never_share_a_fingerprint(one: Attempt, other: Attempt) -> None:
    """And two tries of one share it, but not the occurrence."""
    same_thing = (one.dag_id, one.run_id, one.task_id, one.map_index) == (
        other.dag_id,
        other.run_id,
        other.task_id,
        other.map_index,
    )
    first, second = (signals.task_failed("x", attempt, AT, DagFacts()) for attempt in (one, other))

    assert (first.fingerprint == second.fingerprint) is same_thing


@given(ATTEMPTS, st.text(max_size=500))
def test_a_signal_is_one_line_of_text_and_json(attempt: Attempt, message: str) -> None:
    """So it can be stored, spooled and mailed."""
    signal = signals.task_failed("callback", attempt, AT, DagFacts(("P1",), "ada"), exception=message)

    assert len(signal.summary.splitlines()) <= 1
    json.dumps(dict(signal.details)).encode()


def test_a_recovery_names_the_same_thing_as_the_failure() -> None:
    """Else the store would count it as something else that is quiet."""
    attempt = Attempt("d", "r", "t", 3, 2)
    pairs = [
        (
            signals.task_failed("x", attempt, AT, DagFacts()),
            signals.task_recovered("x", attempt, AT, "green"),
        ),
        (
            signals.run_failed("x", "d", "r", AT, DagFacts()),
            signals.run_recovered("x", "d", "r", AT + timedelta(hours=1), AT, "green"),
        ),
        (
            signals.run_stuck(
                "x", "d", "r", AT, AT + timedelta(hours=2), DagFacts(), limit=timedelta(hours=1), because=""
            ),
            signals.run_unstuck("x", "d", "r", AT + timedelta(hours=3), AT, "ended"),
        ),
        (
            signals.import_error("x", "f.py", "b", AT, DagFacts()),
            signals.import_mended("x", "f.py", "b", AT + timedelta(hours=1), AT),
        ),
    ]
    for failure, recovery in pairs:
        assert (failure.firing, recovery.firing) == (True, False)
        assert failure.fingerprint == recovery.fingerprint
        assert failure.occurrence == recovery.occurrence


def test_a_run_that_fails_again_is_another_occurrence() -> None:
    """A run has no number of its tries; its end tells them apart, to the second."""
    first = signals.run_failed("callback", "d", "r", AT, DagFacts())
    as_told_by_rest = signals.run_failed("airflow_runs", "d", "r", AT.replace(microsecond=0), DagFacts())
    again = signals.run_failed("callback", "d", "r", AT + timedelta(minutes=5), DagFacts())

    assert first.occurrence == as_told_by_rest.occurrence
    assert first.occurrence != again.occurrence
    assert first.fingerprint == again.fingerprint


def test_the_summary_says_what_and_why_without_the_password() -> None:
    """The line that wakes somebody."""
    attempt = Attempt("entsoe_ingestion", "scheduled__2026-03-01", "load", 4, 3)
    error = RuntimeError("could not connect to postgresql://etl:s3cret@db/energy\ndetails follow")

    signal = signals.task_failed("callback", attempt, AT, DagFacts(), exception=error)

    assert signal.summary == (
        "Task load[4] of entsoe_ingestion failed in try 3: RuntimeError: "
        "could not connect to postgresql://etl:***@db/energy"
    )
    assert signal.details["log_path"] == (
        "/dags/entsoe_ingestion/runs/scheduled__2026-03-01/tasks/load/mapped/4?try_number=3"
    )


def test_an_exception_that_cannot_be_printed_still_tells_its_class() -> None:
    """The pipeline's own classes are not to be trusted."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError

    signal = signals.task_failed("x", Attempt("d", "r", "t"), AT, DagFacts(), exception=Broken())

    assert signal.details["exception"] == "Broken"


@pytest.mark.parametrize(
    ("tags", "severity", "ignored"),
    [
        (["etl"], None, None),
        (["P2", "etl"], "P2", None),
        (["P3", "P1"], "P1", None),
        (["no-incidents", "P1"], "P1", "no-incidents"),
        (["incident-response"], None, "incident-response"),
        (None, None, None),
    ],
)
def test_tags_decide_severity_and_opt_out(
    tags: list[str] | None, severity: str | None, ignored: str | None
) -> None:
    """The worst tag counts; our own DAGs never open incidents."""
    facts = DagFacts.of(tags)

    assert facts.severity == severity
    assert facts.ignored("no-incidents") == ignored


def test_a_stuck_run_is_late_since_its_limit_passed() -> None:
    """Not since somebody looked."""
    signal = signals.run_stuck(
        "airflow_runs",
        "d",
        "r",
        AT,
        AT + timedelta(hours=30),
        DagFacts(),
        limit=timedelta(hours=24),
        because="longer than 24 h",
        tasks=["wait (deferred)"],
    )

    assert signal.occurred_at == AT + timedelta(hours=24)
    assert signal.summary == (
        "Run r of d has been running for 30 h, longer than 24 h; unfinished: wait (deferred)"
    )
