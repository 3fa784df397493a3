"""Every store: steps of remediations, their evidence, leases and switches are kept as they were given."""

from __future__ import annotations

from dataclasses import replace

from incident_response.domain.automation import Lease, Switch, Touch
from incident_response.domain.changes import Change
from incident_response.domain.evidence import KeptExhibit
from incident_response.domain.incidents import Status
from incident_response.domain.ports import Store
from incident_response.domain.runbooks import RemediationState, StepResult, StepState

from .records import NOW, after, changed, incident, opened, remediation


def step(number: int, name: str = "restart", attempt: int = 1, **fields: object) -> StepResult:
    values = {"state": StepState.RUNNING, "started_at": NOW} | fields
    return StepResult(number, attempt, name, **values)  # type: ignore[arg-type]


def test_a_step_is_one_row_from_its_beginning_to_its_end(store: Store) -> None:
    """With what it found, and in the order in which steps began."""
    opened(store, incident(1), incident(2))
    began = step(1, data={"plan": [{"target": "container:a"}]}, started_at=after(1))
    with store.transaction() as tx:
        tx.put_step(began)
        tx.put_step(step(1, "look", state=StepState.DONE, causes={"down": True, "again": True}))
        tx.put_step(step(2))
    done = replace(began, state=StepState.DONE, text="Restarted ✓", ended_at=after(9))
    with store.transaction() as tx:
        tx.put_step(done)
    with store.read() as tx:
        assert [one.step for one in tx.steps(1)] == ["look", "restart"]
        assert tx.steps(1)[1] == done
        assert set(tx.steps(1)[0].causes) == {"down", "again"}
        assert tx.steps(3) == []


def test_evidence_is_noted_once(store: Store) -> None:
    """The same step tried again replaces its exhibit."""
    opened(store, incident(1))
    exhibit = KeptExhibit(1, 1, "look", "a.log", "text/plain", "INC-1/1/look/01-a.log", 10, NOW)
    with store.transaction() as tx:
        tx.add_exhibits([exhibit, replace(exhibit, name="b.log", place="")])
    with store.transaction() as tx:
        tx.add_exhibits([replace(exhibit, size=12)])
    with store.read() as tx:
        assert [(one.name, one.size) for one in tx.exhibits(1)] == [("a.log", 12), ("b.log", 10)]


def test_a_target_has_one_lease(store: Store) -> None:
    """Whoever takes it later has it; the end of a remediation frees all of its targets and no other."""
    opened(store, incident(1), incident(2))
    lease = Lease("dag:sales", 1, 1, NOW, after(900))
    with store.transaction() as tx:
        assert tx.lease("dag:sales") is None
        tx.put_lease(lease)
        tx.put_lease(Lease("dag:stock", 2, 1, NOW, after(900)))
    with store.transaction() as tx:
        assert tx.lease("dag:sales") == lease
        tx.put_lease(replace(lease, incident=2, attempt=3))
    with store.transaction() as tx:
        tx.free_leases(2, 3)
    with store.read() as tx:
        assert [one.target for one in tx.leases()] == ["dag:stock"]
        assert tx.lease("dag:sales") is None
        assert tx.lease("dag:stock") == Lease("dag:stock", 2, 1, NOW, after(900))


def test_switches_are_as_they_were_set_last(store: Store) -> None:
    off = Switch("automation", False, "the host moves", "ann", NOW)
    with store.transaction() as tx:
        tx.put_switch(off)
        tx.put_switch(Switch("breaker", True, "", "bob", NOW))
    with store.transaction() as tx:
        tx.put_switch(replace(off, enabled=True, set_by="bob", set_at=after(5)))
    with store.read() as tx:
        assert [(one.name, one.enabled, one.set_by) for one in tx.switches()] == [
            ("automation", True, "bob"),
            ("breaker", True, "bob"),
        ]


def test_what_acted_by_itself_is_counted(store: Store) -> None:
    """Not what a person asked for, what never began, or what began before."""
    record = incident(1)
    opened(store, record)
    ran = [
        remediation(1, 1, started_at=after(-3601)),
        remediation(1, 2, started_at=after(-3599)),
        remediation(1, 3, started_at=after(-10), requested_by="ann"),
        remediation(1, 4),
        remediation(1, 5, started_at=NOW, parameters={"lines": 5}),
    ]
    changed(store, Change(record, remediations=tuple(ran)))
    with store.read() as tx:
        assert tx.acted_since(after(-3600)) == 2
        assert tx.remediations(1)[-1].parameters == {"lines": 5}


def test_all_of_it_goes_with_its_incident(store: Store) -> None:
    """And nothing of another one."""
    record = incident(1, status=Status.CLOSED, closed_at=after(-100))
    opened(store, record, incident(2))
    with store.transaction() as tx:
        for number in (1, 2):
            tx.put_step(step(number))
            tx.put_lease(Lease(f"dag:{number}", number, 1, NOW, NOW))
            tx.add_exhibits([KeptExhibit(number, 1, "look", "a", "text/plain", f"INC-{number}/a", 1, NOW)])
    with store.read() as tx:
        assert list(tx.places_before(NOW)) == ["INC-1/a"]
        assert list(tx.places_before(after(-200))) == []
    with store.transaction() as tx:
        tx.prune(NOW)
    with store.read() as tx:
        assert (tx.steps(1), tx.exhibits(1)) == ([], [])
        assert len(tx.steps(2)) == len(tx.exhibits(2)) == len(tx.leases()) == 1


def test_what_was_done_to_a_thing_is_known_whatever_incident_asked(store: Store) -> None:
    """By runbook and since when; a refused attempt counts for what it had done by then."""
    opened(store, *(incident(number) for number in (1, 2, 3, 4, 11)))
    began = {"state": RemediationState.RUNNING, "started_at": after(5)}
    asked = [
        remediation(1, **began | {"started_at": after(9), "ended_at": after(20)}),
        remediation(2, **began),
        remediation(3, **began | {"runbook": "another"}),
        remediation(4, **began | {"state": RemediationState.REFUSED}),
        remediation(11, **began | {"started_at": NOW}),
    ]
    with store.transaction() as tx:
        tx.save([Change(tx.lock([one.incident])[one.incident], remediations=(one,)) for one in asked])
    with store.transaction() as tx:
        for number in (1, 2, 3, 4, 11):
            tx.begin_effect(f"INC-{number}:1:guard:run:a/r:1", number, "test", after(5))
            tx.begin_effect(f"INC-{number}:1:clear:run:a/r:1", number, "test", after(6))
        tx.begin_effect("INC-2:1:clear:run:other", 2, "test", after(6))
        tx.begin_effect("INC-4:1:clear:run:b", 4, "test", after(6))
        tx.end_effect("INC-4:1:clear:run:b", after(7), {})
    with store.transaction() as tx:
        assert tx.touches("restart", {"run:a/r:1", "run:b"}, NOW) == [
            Touch("run:a/r:1", 2, 1, after(5), None),
            Touch("run:b", 4, 1, after(5), None),
            Touch("run:a/r:1", 1, 1, after(9), after(20)),
        ]
        assert tx.touches("restart", set(), NOW) == []
