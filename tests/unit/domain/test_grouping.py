"""Which incident is the cause of which, and what many at once are."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.grounds import SYMPTOM, Account
from incident_response.domain.grouping import Bond, Grouping, Umbrella
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.services import Service, ServiceMap
from incident_response.domain.severities import Scenario, Severity
from tests.support.shipped import classification, library

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
CHAIN = ServiceMap(
    [Service("db"), Service("identity", (), ("db",)), Service("api", (), ("identity",)), Service("web")]
)
TOGETHER = Umbrella("together", 3, 15 * MINUTE, Severity.P2, "{count} fail", Scenario.DAG_FAILURE)
STORM = Umbrella("storm", 5, 5 * MINUTE, Severity.P2, "{count} in trouble", level=2)
GROUPING = Grouping(CHAIN, (TOGETHER, STORM), timedelta(seconds=30), 15 * MINUTE)


def incident(number: int, service: str, severity: Severity = Severity.P2, **fields: Any) -> Incident:
    values = {
        "number": number, "dedup_key": f"v1:{number}", "title": service, "severity": severity,
        "scenario": Scenario.DATABASE, "service": service, "rule": "r", "policy": "p", "opened_at": NOW,
        "started_at": NOW,
    }  # fmt: skip
    return Incident(**(values | fields))


def found(service: str, severity: Severity = Severity.P2, **fields: Any) -> Any:
    return classification(severity, service=service, **fields)


def pairs(*open_: Incident, now: datetime = NOW, grouping: Grouping = GROUPING) -> set[tuple[int, int]]:
    return {(child.number, cause.number) for child, cause in consequences(grouping, open_, now)}


def consequences(grouping: Grouping, open_: Any, now: datetime) -> list[tuple[Incident, Incident]]:
    ties = grouping.ties(open_, lambda incident: SYMPTOM, now)
    return [(child, tie.incident) for child, tie in ties if tie.bond is Bond.CAUSE]


def cause(of: Any, open_: list[Incident], account: Account = SYMPTOM, now: datetime = NOW) -> Any:
    """The incident of which this would be a consequence."""
    tie = GROUPING.tie(of, account, open_, now)
    return tie.incident if tie is not None and tie.bond is Bond.CAUSE else None


# ---------------------------------------------------------------------------------------------- the cause


def test_the_deepest_cause_counts() -> None:
    """The database behind the identity service behind the API."""
    open_ = [incident(1, "identity"), incident(2, "db"), incident(3, "web")]
    assert cause(found("api"), open_).number == 2
    assert cause(found("identity"), open_).number == 2
    assert cause(found("web"), open_) is None
    assert cause(found("db"), open_) is None


def test_of_two_causes_of_one_depth_the_older_one_counts() -> None:
    """Two incidents of the database."""
    open_ = [incident(5, "db"), incident(3, "db")]
    assert cause(found("api"), open_).number == 3


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.MITIGATED,)])
def test_only_what_is_broken_is_a_cause(status: Status) -> None:
    """What is mitigated or over explains nothing new."""
    explained = cause(found("api"), [incident(1, "db", status=status)])
    assert (explained is not None) is status.is_open


def test_a_mitigated_incident_is_no_cause() -> None:
    """It holds down: trouble that begins now has another reason, or reopens it."""
    assert cause(found("api"), [incident(1, "db", status=Status.MITIGATED)]) is None


@given(st.sampled_from(Severity), st.sampled_from(Severity))
def test_what_is_worse_than_its_cause_is_never_hidden(child: Severity, other: Severity) -> None:
    """For every pair of severities; a P4 hides nothing at all."""
    explained = cause(found("api", child), [incident(1, "db", other)])
    assert (explained is not None) is (other is not Severity.P4 and not child.worse_than(other))


def test_a_cause_too_small_does_not_hide_one_that_is_large_enough() -> None:
    """The deepest of those that explain it."""
    open_ = [incident(1, "db", Severity.P4), incident(2, "identity", Severity.P1)]
    assert cause(found("api", Severity.P2), open_).number == 2


def told(*names: str) -> Account:
    """A failure whose own error names these as out of reach."""
    return Account(True, (frozenset(names),))


def test_hard_evidence_is_explained_only_by_what_its_own_error_names() -> None:
    """A task that says that the database refuses connections; not one that says something else, or nothing."""
    open_ = [incident(1, "db")]
    assert cause(found("api"), open_, told("db")).number == 1
    for account in (told(), told("identity"), Account(True), Account(True, (frozenset(["db"]), frozenset()))):
        assert cause(found("api"), open_, account) is None
        tie = GROUPING.tie(found("api"), account, open_, NOW)
        assert tie is not None
        assert (tie.incident.number, tie.bond) == (1, Bond.LINKED)


def test_a_failure_without_a_word_follows_the_same_failure_that_said_why() -> None:
    """An alert on a counter of failures, after the task that it counts."""
    tie = GROUPING.tie(found("api"), Account(True), [incident(1, "db")], NOW, followed=[1])
    assert tie is not None
    assert tie.bond is Bond.CAUSE
    own = GROUPING.tie(found("api"), told(), [incident(1, "db")], NOW, followed=[1])
    assert own is not None
    assert own.bond is Bond.LINKED


@pytest.mark.parametrize("account", [SYMPTOM, told("db")])
def test_an_old_incident_explains_nothing_that_begins_now(account: Account) -> None:
    """Open for hours: a symptom that began with it goes on, a new one is told, and linked to it."""
    old = incident(1, "db", started_at=NOW - timedelta(hours=3), opened_at=NOW - timedelta(hours=3))
    tie = GROUPING.tie(found("api"), account, [old], NOW)
    assert tie is not None
    assert tie.bond is Bond.LINKED
    again = GROUPING.tie(found("api"), SYMPTOM, [old], NOW, followed=[1])
    assert again is not None
    assert again.bond is Bond.CAUSE


def test_what_says_why_waits_only_for_what_it_names() -> None:
    """Nothing can explain a container that exited: nobody has to wait for its cause."""
    assert GROUPING.quiet(found("api"), told("db")) == GROUPING.wait
    assert GROUPING.quiet(found("api"), told()) == timedelta()


# -------------------------------------------------------------------------------------------- gathering


def test_consequences_of_consequences_go_to_the_root() -> None:
    """In one step."""
    assert pairs(incident(1, "api"), incident(2, "identity"), incident(3, "db")) == {(1, 3), (2, 3)}


def test_what_somebody_works_on_does_not_move() -> None:
    """A person or a runbook; nor what opened before the window, nor what is mitigated."""
    cause = incident(9, "db")
    assert pairs(incident(1, "api"), cause) == {(1, 9)}
    assert pairs(incident(1, "api", owner="x"), cause) == set()
    assert pairs(incident(1, "api", status=Status.ACKNOWLEDGED), cause) == set()
    assert pairs(incident(1, "api", status=Status.MITIGATED), cause) == set()
    assert pairs(incident(1, "api", remediation_by=NOW), cause) == set()
    assert pairs(incident(1, "api"), cause, now=NOW + 16 * MINUTE) == set()
    assert pairs(incident(1, "api"), cause, now=NOW + 15 * MINUTE) == {(1, 9)}


def test_what_reopened_within_the_window_moves() -> None:
    """Its cycle counts, not its first opening."""
    again = incident(1, "api", opened_at=NOW - timedelta(hours=3))
    assert pairs(again, incident(9, "db")) == {(1, 9)}


def test_a_circle_has_one_cause_the_oldest() -> None:
    """Two pipelines that wait for each other, three in a ring: not none, and not each other's."""
    two = Grouping(ServiceMap(edges=[("a", "b"), ("b", "a")]))
    assert pairs(incident(1, "a"), incident(2, "b"), grouping=two) == {(2, 1)}
    three = Grouping(ServiceMap(edges=[("a", "b"), ("b", "c"), ("c", "a")]))
    ring = [incident(n, name) for n, name in enumerate("bca", 1)]
    assert pairs(*ring, grouping=three) == {(2, 1), (3, 1)}


def test_in_a_circle_the_worse_one_is_the_cause() -> None:
    """However young."""
    two = Grouping(ServiceMap(edges=[("a", "b"), ("b", "a")]))
    assert pairs(incident(1, "a", Severity.P3), incident(2, "b"), grouping=two) == {(1, 2)}


statuses = st.sampled_from([Status.TRIGGERED, Status.ACKNOWLEDGED, Status.MITIGATED])
anything = st.builds(
    lambda service, severity, status, minutes: {
        "service": service, "severity": severity, "status": status,
        "opened_at": NOW - minutes * MINUTE, "started_at": NOW - minutes * MINUTE,
    },
    st.sampled_from("abcd"), st.sampled_from(Severity), statuses, st.integers(0, 20),
)  # fmt: skip
edges = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=8)


@given(edges, st.lists(anything, max_size=6), st.data())
def test_gathering_is_sound_whatever_is_open(edges, open_, data) -> None:
    """Nothing worse moves under anything, nobody's work moves, no cause moves; the order is no matter."""
    grouping = Grouping(ServiceMap(edges=edges))
    incidents = [incident(n, **fields) for n, fields in enumerate(open_, 1)]
    moved = consequences(grouping, incidents, NOW)
    children = {child.number for child, _ in moved}
    for child, parent in moved:
        assert parent.service in grouping.services.upstreams(child.service)
        assert not child.severity.worse_than(parent.severity)
        assert child.status is Status.TRIGGERED
        assert parent.status is not Status.MITIGATED
        assert parent.number not in children
    shuffled = data.draw(st.permutations(incidents))
    assert {(a.number, b.number) for a, b in moved} == {
        (a.number, b.number) for a, b in consequences(grouping, shuffled, NOW)
    }


# ------------------------------------------------------------------------------------- waiting quietly


def test_p1_waits_for_nothing() -> None:
    """Whatever it depends on."""
    assert GROUPING.quiet(found("api", Severity.P1)) == timedelta()
    shipped = library().grouping()
    assert shipped.quiet(found("keycloak", Severity.P1, scenario=Scenario.DAG_FAILURE)) == timedelta()


def test_what_may_be_a_consequence_waits() -> None:
    """What depends on something, and a pipeline that may be one of many; nothing else."""
    assert GROUPING.quiet(found("api")) == GROUPING.wait
    assert GROUPING.quiet(found("web", scenario=Scenario.DAG_FAILURE)) == GROUPING.wait
    assert GROUPING.quiet(found("web")) == timedelta()
    assert GROUPING.quiet(found("db")) == timedelta()


def test_what_opens_just_after_others_waits_unless_it_is_worse() -> None:
    """The first one is told at once; the second may be the second of a thousand."""
    one = [incident(1, "web", Severity.P3)]
    assert GROUPING.quiet(found("web", Severity.P3), company=one) == GROUPING.wait
    assert GROUPING.quiet(found("web", Severity.P2), company=one) == timedelta()
    assert GROUPING.quiet(found("web", Severity.P1), company=[incident(1, "web", Severity.P1)]) == timedelta()


# ------------------------------------------------------------------------------------------- umbrellas


@given(st.sampled_from(Severity), st.sampled_from(Scenario))
def test_an_umbrella_covers_nothing_worse(severity: Severity, scenario: Scenario) -> None:
    """And only its scenario, when it has one."""
    for umbrella in (TOGETHER, STORM):
        covered = umbrella.covers(scenario, severity)
        assert not (covered and severity.worse_than(umbrella.severity))
        assert not (covered and umbrella.scenario not in (None, scenario))
    assert STORM.covers(scenario, Severity.P3)


def dags(*names: str, **fields: Any) -> list[Incident]:
    values = {"scenario": Scenario.DAG_FAILURE, "severity": Severity.P3} | fields
    return [incident(n, name, **values) for n, name in enumerate(names, 1)]


def test_enough_different_services_are_one() -> None:
    """Three; two of them twice are two."""
    assert len(GROUPING.under(TOGETHER, dags("a", "b", "c"), NOW)) == 3
    assert GROUPING.under(TOGETHER, dags("a", "b", "b", "a"), NOW) == []
    assert GROUPING.under(TOGETHER, dags("a", "b", "c"), NOW + 16 * MINUTE) == []


def test_only_what_nobody_works_on_is_a_member() -> None:
    """And nothing of another scenario."""
    for fields in ({"owner": "x"}, {"status": Status.ACKNOWLEDGED}, {"remediation_by": NOW}):
        assert GROUPING.under(TOGETHER, [*dags("a", "b"), *dags("c", **fields)], NOW) == []
    assert GROUPING.under(TOGETHER, [*dags("a", "b"), incident(9, "c")], NOW) == []


def test_a_standing_umbrella_takes_in_single_ones_while_it_is_young() -> None:
    """And is no member of any umbrella itself."""
    standing = incident(9, "several", dedup_key=TOGETHER.dedup_key, scenario=Scenario.DAG_FAILURE)
    one = dags("d")
    assert GROUPING.under(TOGETHER, [*one, standing], NOW) == one
    assert GROUPING.standing(TOGETHER, [standing], NOW + 15 * MINUTE) is standing
    assert GROUPING.standing(TOGETHER, [standing], NOW + 16 * MINUTE) is None
    assert (
        GROUPING.shelter(found("d", Severity.P3, scenario=Scenario.DAG_FAILURE), [standing], NOW) is standing
    )
    assert GROUPING.shelter(found("d", Severity.P1, scenario=Scenario.DAG_FAILURE), [standing], NOW) is None
    assert GROUPING.shelter(found("d"), [standing], NOW) is None
    assert GROUPING.under(STORM, [standing, *dags("a", "b", "c", "d")], NOW) == []


def test_an_umbrella_says_what_it_stands_for() -> None:
    """How many, as bad as the worst, an event when one of them is."""
    members = [*dags("a", "b"), *dags("b", severity=Severity.P2, event_like=True)]
    made = TOGETHER.classification(members)
    assert (made.title, made.severity, made.event_like) == ("2 fail", Severity.P2, True)
    assert (made.service, made.scenario, made.dedup_key) == (
        "several",
        Scenario.DAG_FAILURE,
        "v1:dag_failure:umbrella:together",
    )
    assert STORM.classification(dags("a")).level == 2
