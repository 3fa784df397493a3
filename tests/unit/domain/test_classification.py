"""What the shipped rules make of signals: every alert of the platform, every example of procedures §1.1."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.classification import Classification, Rule, Rules
from incident_response.domain.person_reports import person_report
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import Signal
from tests.support.shipped import START, library

LIBRARY = library()
P1, P2, P3, P4 = Severity


def signal(alertname: str = "", **labels: str) -> Signal:
    named = {"alertname": alertname} if alertname else {}
    return Signal("prometheus", {**named, **labels}, "something is wrong", START)


def found(seen: Signal) -> Classification:
    """As the intake does it: the map of services says which service is meant."""
    return LIBRARY.rules().classify(seen, LIBRARY.grouping().services.name(seen.labels))


# Alert names of the platform, with the labels they have there.
PLATFORM = [
    ("AirflowDAGRunFailed", "airflow", {"dag_id": "data_quality_check"}, P3, Scenario.DAG_FAILURE),
    ("AirflowDAGRunFailed", "airflow", {"dag_id": "entsoe_ingestion"}, P2, Scenario.DAG_FAILURE),
    ("AirflowDAGRunFailed", "airflow", {}, P3, Scenario.DAG_FAILURE),
    ("AirflowTaskFailed", "airflow", {"dag_id": "nuts_boundary_update"}, P3, Scenario.DAG_FAILURE),
    ("AirflowTaskFailed", "airflow", {}, P3, Scenario.DAG_FAILURE),
    ("AirflowDAGRunDurationTooLong", "airflow", {"dag_id": "x"}, P3, Scenario.DAG_FAILURE),
    ("AirflowSchedulerDown", "airflow", {"instance": "localhost:8974"}, P2, Scenario.SERVICE_OUTAGE),
    ("AirflowWorkerDown", "airflow", {}, P2, Scenario.SERVICE_OUTAGE),
    ("AirflowHighTaskQueueLength", "airflow", {}, P3, Scenario.PERFORMANCE),
    ("ContainerDown", "infrastructure", {"name": "lianel-energy-service"}, P2, Scenario.SERVICE_OUTAGE),
    ("ContainerDown", "infrastructure", {"name": "nginx-proxy"}, P1, Scenario.SERVICE_OUTAGE),
    ("HighMemoryUsage", "infrastructure", {"name": "keycloak"}, P3, Scenario.PERFORMANCE),
    ("ContainerOOMKilled", "infrastructure", {"name": "dc-airflow-worker-1"}, P2, Scenario.SERVICE_OUTAGE),
    ("HighCPUUsage", "infrastructure", {"instance": "node-exporter:9100"}, P3, Scenario.PERFORMANCE),
    ("DiskSpaceLow", "infrastructure", {"instance": "node-exporter:9100"}, P2, Scenario.PERFORMANCE),
    ("DatabaseConnectionFailure", "database", {"service": "lianel_energy"}, P1, Scenario.DATABASE),
    ("RedisDown", "redis", {"instance": "redis:6379"}, P2, Scenario.SERVICE_OUTAGE),
    ("NginxDown", "nginx", {"instance": "nginx:80"}, P1, Scenario.SERVICE_OUTAGE),
    ("DataStale", "data_quality", {"service": "fact_energy_annual"}, P3, Scenario.DATA_QUALITY),
    ("MissingDataInCriticalTable", "data_quality", {}, P1, Scenario.DATA_QUALITY),
    ("DataVolumeAnomaly", "data_quality", {}, P3, Scenario.DATA_QUALITY),
    ("OSMDataMissing", "data_quality", {}, P3, Scenario.DATA_QUALITY),
    ("HighIngestionFailureRate", "data_quality", {}, P2, Scenario.DATA_QUALITY),
    ("APISLAViolation", "api", {"sla": "p95"}, P2, Scenario.PERFORMANCE),
    ("DAGCompletionSLAViolation", "airflow", {"dag_id": "x", "sla": "2h"}, P3, Scenario.DAG_FAILURE),
    ("ServiceUptimeSLAViolation", "infrastructure", {"sla": "99.5"}, P2, Scenario.SERVICE_OUTAGE),
    ("DataFreshnessSLAViolation", "data_quality", {"sla": "24h"}, P3, Scenario.DATA_QUALITY),
]


@pytest.mark.parametrize("own", ["critical", "warning"])
@pytest.mark.parametrize(("name", "component", "labels", "severity", "scenario"), PLATFORM)
def test_every_alert_of_the_platform_has_a_rule(name, component, labels, severity, scenario, own) -> None:
    """Which decides by the procedures, whatever severity the alert gives itself."""
    decision = found(signal(name, component=component, severity=own, **labels))
    assert decision.rule != "default"
    assert (decision.severity, decision.scenario) == (severity, scenario)


# What the package's own detectors find.
DETECTORS = {
    P1: "DatabaseConnectionFailure DatabaseConnectionsExhausted AirflowMetadatabaseDown",
    P2: (
        "AirflowApiServerDown AirflowDagProcessorDown AirflowTriggererDown ContainerUnhealthy "
        "ContainerRestarting DatabaseConnectionsHigh DatabaseLockBlocked DatabaseReplicationLag "
        "ServiceUnhealthy"
    ),
    P3: (
        "AirflowImportError AirflowPoolStarved AirflowRunStuck AirflowTasksQueuedTooLong DataIncomplete "
        "DataInvalid DataQueryFailed DatabaseIdleInTransaction DatabaseLongRunningQuery DatabaseSizeHigh "
        "DetectorFailing LogErrorRate TLSCertificateExpired TLSCertificateExpiring ServiceSlow"
    ),
}


@pytest.mark.parametrize(
    ("severity", "name"), [(s, n) for s, names in DETECTORS.items() for n in names.split()]
)
def test_every_finding_of_our_own_has_a_rule(severity: Severity, name: str) -> None:
    """None of them is left to its label."""
    decision = found(signal(name, service="x", dag_id="x", component="infrastructure"))
    assert decision.rule != "default"
    assert decision.severity is severity


# procedures §1.1: each example, told in every way in which it may reach us.
EXAMPLES: list[tuple[str, Severity, Signal]] = [
    ("complete service unavailability", P1, signal("NginxDown")),
    ("complete service unavailability", P1, signal("ServiceUnhealthy", service="nginx-proxy")),
    ("complete service unavailability", P1, signal("ContainerUnhealthy", container="nginx")),
    ("data corruption or loss", P1, signal("DataCorruption", service="lianel_energy")),
    ("data corruption or loss", P1, signal("DatabaseCorrupted", service="lianel_energy")),
    ("data corruption or loss", P1, signal("DataLoss")),
    ("security breach", P1, signal("SecurityBreach")),
    ("security breach", P1, signal("IntrusionDetected", service="keycloak")),
    ("security breach", P1, signal("UnauthorizedAccess", service="keycloak")),
    ("database failure", P1, signal("DatabaseDown", service="lianel_energy")),
    ("database failure", P1, signal("PostgreSQLDown", instance="lianel-postgres:5432")),
    ("partial service outage", P2, signal("ServiceUnhealthy", service="lianel-stock-service")),
    ("partial service outage", P2, signal("ContainerDown", container_name="lianel-frontend")),
    ("critical DAG failures", P2, signal("AirflowTaskFailed", dag_id="entsoe_ingestion")),
    ("critical DAG failures", P2, signal("AirflowDAGRunFailed", dag_id="eurostat_ingestion_coordinator")),
    ("API performance degradation", P2, signal("APISLAViolation")),
    ("API performance degradation", P2, signal("ServiceSlow", service="keycloak", component="api")),
    ("authentication failures", P2, signal("AuthenticationFailures", service="keycloak")),
    ("authentication failures", P2, signal("AuthFailureRateHigh", service="keycloak")),
    ("single DAG failure", P3, signal("AirflowDAGRunFailed", dag_id="ml_dataset_clustering")),
    ("non-critical feature issues", P3, signal("FeatureBroken", service="lianel-frontend")),
    ("performance degradation (non-critical)", P3, signal("HighCPUUsage")),
    ("performance degradation (non-critical)", P3, signal("ServiceSlow", component="infrastructure")),
    ("data quality issues", P3, signal("DataInvalid")),
    ("data quality issues", P3, signal("DataStale", severity="critical")),
    ("cosmetic issues", P4, signal("CosmeticIssue", service="lianel-frontend")),
    ("documentation errors", P4, signal("DocumentationError")),
    ("minor performance issues", P4, signal("MinorPerformanceIssue", service="lianel-frontend")),
    ("non-critical alerts", P4, signal("SomethingNobodyKnows", severity="info")),
    ("non-critical alerts", P4, signal("SomethingNobodyKnows", severity="P4")),
]  # fmt: skip


@pytest.mark.parametrize(("example", "severity", "seen"), EXAMPLES)
def test_every_example_of_the_procedures_gets_its_severity(example, severity, seen) -> None:
    """By a rule that is named with the decision."""
    decision = found(seen)
    assert decision.severity is severity, example
    assert decision.rule != "default"


@pytest.mark.parametrize("severity", Severity)
def test_a_person_may_say_how_bad_anything_is(severity: Severity) -> None:
    """A feature, a typo, an outage: the report's own severity counts."""
    seen = person_report("the legend is cut off", severity, "lianel-frontend", "", "operator", START)
    assert (found(seen).severity, found(seen).rule) == (severity, "reported by a person")


def test_levels_are_jumped_to_as_the_procedures_say() -> None:
    """§4.1: security to Management, code to Development, infrastructure to its own level."""
    levels = {"SecurityBreach": 4, "AirflowImportError": 2, "DiskSpaceLow": 3, "TLSCertificateExpiring": 3}
    assert {name: found(signal(name)).level for name in levels} == levels


def test_rules_that_name_a_runbook_name_one_that_is_there() -> None:
    """No shipped rule points into the void."""
    assert {rule.runbook for rule in LIBRARY.rules() if rule.runbook} <= set(LIBRARY.runbooks())


# ------------------------------------------------------------------------------------------- the machinery


@pytest.mark.parametrize(
    ("own", "severity"),
    [("critical", P2), ("warning", P3), ("info", P4), ("P1", P1), ("P4", P4), ("disaster", P3), ("", P3)],
)
def test_without_a_rule_the_label_counts(own: str, severity: Severity) -> None:
    """Else it is a P3, by the rule named default."""
    decision = Rules().classify(signal("New", severity=own))
    assert (decision.rule, decision.severity) == ("default", severity)


def test_the_first_rule_that_matches_decides() -> None:
    """All labels of a rule, each as a whole."""
    rules = Rules(
        [
            Rule("both", {"alertname": "A", "team": "x|y"}, P1),
            Rule("one", {"alertname": "A.*"}, P2),
            Rule("never", {"alertname": "A"}, P4),
        ]
    )
    assert [rules.classify(s).rule for s in (
        signal("A", team="y"), signal("A", team="xy"), signal("AB", team="x"), signal("BA"), signal(),
    )] == ["both", "one", "one", "default", "default"]  # fmt: skip


def test_a_tag_beats_every_rule() -> None:
    """The owner of a DAG knows best; anything else in its place is no severity."""
    rules = Rules([Rule("r", {}, P3)])

    def tagged(value: Any) -> Severity:
        seen = Signal("x", {"alertname": "A"}, "s", START, details={"tagged_severity": value})
        return rules.classify(seen).severity

    assert [tagged(value) for value in ("P1", "P4", "p1", "", None)] == [P1, P4, P3, P3, P3]


def test_texts_are_filled_from_labels() -> None:
    """What is missing is unknown; keys and titles have an end."""
    rule = Rule(
        "r", service="{dag_id}", cause="{a}-{b}", title="{summary} of {dag_id} {", scenario=Scenario.DATABASE
    )
    decision = Rules([rule]).classify(signal("A", dag_id="d{a}", a="1", b=""))
    assert decision.service == "d{a}"
    assert decision.dedup_key == "v1:database:d{a}:1-unknown"
    assert decision.title == "something is wrong of d{a} {"
    endless = Rules([rule]).classify(signal("A", dag_id="x" * 999))
    assert (len(endless.dedup_key), len(endless.title)) == (255, 200)


def test_the_service_that_is_meant_takes_the_place_of_its_label() -> None:
    """Two names of one service are one cause."""
    rules = Rules([Rule("r", {"service": "db"}, P1)])
    one, other = (rules.classify(signal("A", service=s), "db") for s in ("db", "postgres"))
    assert one.dedup_key == other.dedup_key
    assert (one.severity, other.severity) == (P1, P1)


@given(
    st.dictionaries(
        st.sampled_from(["alertname", "service", "severity", "dag_id", "x"]), st.text(max_size=20)
    )
)
def test_anything_is_classified_and_always_alike(labels: dict[str, str]) -> None:
    """Whatever the labels hold: a severity, a service, a key with its version; the memory changes nothing."""
    seen = Signal("x", labels, "s", START)
    decision = found(seen)
    assert decision == found(seen)
    assert decision.dedup_key.startswith("v1:")
    assert decision.service
    assert Rules(LIBRARY.rules()).classify(seen, LIBRARY.grouping().services.name(labels)) == decision


def test_what_is_remembered_is_told_apart_by_all_that_a_rule_looks_at() -> None:
    """The same labels with other words, another tag or another service are another decision."""
    rules = Rules([Rule("any", match={"alertname": "A"}, service="{service}")])

    def told(summary: str = "one", service: str | None = "s", **details: Any) -> Classification:
        return rules.classify(Signal("test", {"alertname": "A"}, summary, START, details=details), service)

    assert told() is told()
    assert (told().title, told("two").title) == ("one", "two")
    assert (told().service, told(service="t").service) == ("s", "t")
    assert (told().severity, told(tagged_severity="P1").severity) == (P3, P1)
    assert told(tagged_severity=["P1"]).severity is P3  # as a stranger may send it
