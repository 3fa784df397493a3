"""Intake: one incident per cause, whatever way and how often a signal comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from incident_response.domain.errors import PolicyError
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.incidents import Status
from incident_response.domain.severities import Severity
from incident_response.service.intake import Intake, Receipt, Taken
from incident_response.service.policy_book import PolicyBook
from tests.support.house import START, House, down, failed


@pytest.fixture
def house() -> House:
    return House()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_three_ways_in_are_one_incident_with_three_sources(house: House) -> None:
    """Listener, callback and scan saw the same failure."""
    receipts = [
        house.intake.receive([failed(source=s)], START)[0] for s in ("listener", "callback", "airflow_runs")
    ]
    assert [r.reason for r in receipts] == [Taken.OPENED, Taken.COUNTED, Taken.COUNTED]
    with house.store.read() as tx:
        assert {s.source: s.count for s in tx.sightings(1)} == {
            "listener": 1,
            "callback": 1,
            "airflow_runs": 1,
        }
        assert len(tx.board(10)) == 1


def test_a_flood_of_mapped_tasks_is_one_incident(house: House) -> None:
    """Twenty-seven countries fail in one call: one incident, one message later."""
    receipts = house.intake.receive([failed(task=f"load_{n}") for n in range(27)], START)
    assert receipts[0] == Receipt(1, Taken.OPENED)
    assert {r.incident for r in receipts} == {1}


def test_what_was_dealt_with_stays_dealt_with(house: House) -> None:
    """The scan sees a failure again whose incident a person has resolved: nothing happens."""
    house.intake.receive([failed()], START)
    house.lifecycle.resolve(1, "operator", START + minutes(1))
    again = house.intake.receive([failed(source="airflow_runs")], START + minutes(2))[0]
    assert again.reason is Taken.KNOWN
    assert house.incident(1).status is Status.RESOLVED
    late = house.intake.receive([failed(source="airflow_runs")], START + timedelta(days=3))[0]
    assert late == Receipt(None, Taken.KNOWN)


def test_a_new_happening_inside_the_window_reopens_flapping(house: House) -> None:
    """The next try fails after the resolution."""
    house.intake.receive([failed()], START)
    house.lifecycle.resolve(1, "operator", START + minutes(1))
    again = house.intake.receive([failed(attempt=2, at=START + minutes(2))], START + minutes(2))[0]
    assert again == Receipt(1, Taken.REOPENED)
    assert house.incident(1).flapping


def test_a_new_happening_after_the_window_is_a_new_incident(house: House) -> None:
    """Tomorrow's failure is tomorrow's incident."""
    house.intake.receive([failed()], START)
    house.lifecycle.resolve(1, "operator", START + minutes(1))
    assert house.intake.receive([failed(run="r2")], START + minutes(62))[0] == Receipt(2, Taken.OPENED)


def test_a_closed_incident_is_never_reopened(house: House) -> None:
    """The same cause opens a new one."""
    house.intake.receive([down()], START)
    house.lifecycle.resolve(1, "operator", START)
    house.lifecycle.close(1, "operator", START)
    assert house.intake.receive([down()], START + minutes(1))[0] == Receipt(2, Taken.OPENED)


def test_quiet_signals_mitigate_only_when_all_are_quiet(house: House) -> None:
    """A state-like incident with two firing fingerprints waits for both."""
    other = down()
    other = type(other)(other.source, {**other.labels, "instance": "b"}, other.summary, START)
    house.intake.receive([down(), other], START)
    first = house.intake.receive([down(firing=False, at=START + minutes(1))], START + minutes(1))[0]
    assert first.reason is Taken.COUNTED
    quiet = type(other)(other.source, other.labels, other.summary, START + minutes(2), firing=False)
    assert house.intake.receive([quiet], START + minutes(2))[0].reason is Taken.MITIGATED
    house.later(minutes=8)
    assert house.incident(1).status is Status.RESOLVED


def test_an_event_going_quiet_proves_nothing(house: House) -> None:
    """A failed run's alert stops firing while the run is still failed."""
    signal = failed()
    house.intake.receive([signal], START)
    quiet = type(signal)(signal.source, signal.labels, "quiet", START + minutes(5), firing=False)
    assert house.intake.receive([quiet], START + minutes(5))[0].reason is Taken.COUNTED
    assert house.incident(1).status is Status.TRIGGERED


def test_a_green_run_is_a_proof(house: House) -> None:
    """A person cleared the run by hand and it succeeded: the scan says so, and the incident resolves."""
    signal = failed()
    house.intake.receive([signal], START)
    green = replace(
        signal,
        source="airflow_runs",
        firing=False,
        occurred_at=START + minutes(5),
        details={"proof": "r1 is green"},
    )
    assert house.intake.receive([green], START + minutes(5))[0].reason is Taken.MITIGATED
    house.later(minutes=11)
    assert house.incident(1).status is Status.RESOLVED
    assert house.incident(1).resolution == "r1 is green"


def test_late_news_from_before_the_repair_reopens_nothing(house: House) -> None:
    """A callback that needed minutes tells of the failure that was repaired meanwhile."""
    house.intake.receive([failed()], START)
    house.lifecycle.mitigate(1, "system:runbook", START + minutes(3), proof="green")
    late = failed(task="other", source="callback", at=START + minutes(2))
    assert house.intake.receive([late], START + minutes(4))[0].reason is Taken.KNOWN
    assert not house.incident(1).flapping


def test_a_resolved_signal_without_an_incident_opens_nothing(house: House) -> None:
    """Old news."""
    assert house.intake.receive([down(firing=False)], START)[0] == Receipt(None, Taken.NOTHING_OPEN)


def test_a_worse_signal_raises_the_severity(house: House) -> None:
    """The DAG's owner tagged it P1 after a first failure as P3."""
    house.intake.receive([failed(dag="small")], START)
    assert house.incident(1).severity is Severity.P3
    house.intake.receive([failed(dag="small", task="b", tagged_severity="P1")], START + minutes(1))
    assert house.incident(1).severity is Severity.P1


def test_a_worse_signal_that_a_higher_level_answers_for_pages_that_level(house: House) -> None:
    """A raise never forgets who has to know."""
    found = replace(house.intake.classify(down()), severity=Severity.P3, level=1)
    rules = SimpleNamespace(classify=lambda *_: found, asks=lambda *_: ())
    intake = Intake(house.store, lambda: rules, house.policies)
    intake.receive([down()], START)
    house.later(minutes=11)
    found = replace(found, severity=Severity.P1, level=4)
    intake.receive([down()], house.now)
    house.later(seconds=1)
    assert (house.incident(1).level, house.incident(1).severity) == (4, Severity.P1)
    assert "Level 4 Management paged: severity raised to P1" in house.texts(1)


def test_what_a_person_has_lowered_is_raised_by_news_only(house: House) -> None:
    """The repeat of an alert says nothing that they did not know; another thing does."""
    house.intake.receive([down()], START)
    house.lifecycle.set_severity(1, Severity.P2, "ann", START)
    house.lifecycle.set_severity(1, Severity.P3, "ann", START)
    house.intake.receive([down()], START + minutes(5))
    assert house.incident(1).severity is Severity.P3
    other = replace(down(), labels={**down().labels, "instance": "b"})
    house.intake.receive([other], START + minutes(6))
    assert house.incident(1).severity is Severity.P1


def test_one_call_with_many_causes_keeps_the_order_of_its_answers(house: House) -> None:
    """The answer belongs to the signal at the same place."""
    signals = [failed(dag="a"), failed(dag="b"), failed(dag="a", task="x"), down(firing=False)]
    receipts = house.intake.receive(signals, START)
    assert [r.incident for r in receipts] == [1, 2, 1, None]


def test_nothing_in_nothing_out(house: House) -> None:
    """An empty call is no transaction."""
    assert house.intake.receive([], START) == []


def test_a_policy_broken_before_the_start_falls_back_on_the_one_kept_last(house: House) -> None:
    """A fresh process, half a file in include/: people are paged as they were yesterday."""
    house.intake.receive([failed()], START)

    class Broken:
        """A library whose escalation.yaml has never been valid in this process."""

        def current(self) -> EscalationPolicy:
            raise PolicyError("is no valid YAML", file="escalation.yaml", line=3)

        def parse(self, source: str) -> EscalationPolicy:
            return house.library.parse(source)

    intake = Intake(house.store, house.library.rules, PolicyBook(Broken()))
    assert intake.receive([failed(dag="other")], START)[0].reason is Taken.OPENED
    assert house.incident(2).policy == house.incident(1).policy
