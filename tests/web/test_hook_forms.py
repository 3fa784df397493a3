"""What becomes of the bodies that Alertmanager, Grafana and clients of PagerDuty really send."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.domain.records import Integration, IntegrationKind
from incident_response.domain.signals import fingerprint
from incident_response.web.hooks import alertmanager, grafana, pagerduty
from incident_response.web.hooks import body as bodies
from incident_response.web.hooks.fields import MOST, evidence, happened, line
from incident_response.web.hooks.refusals import Refusal
from tests.web.conftest import NIGHT
from tests.web.hooking import body

UTC = timezone.utc


def by(kind: IntegrationKind = IntegrationKind.ALERTMANAGER, **labels: str) -> Integration:
    return Integration("a1", "sender", kind, "", NIGHT, "test", labels)


def refused(read: Any, document: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(document, by(), NIGHT)
    return caught.value


def test_a_firing_alert_keeps_exactly_its_labels() -> None:
    """So that its fingerprint is the one Alertmanager computed, and the one polled from Prometheus."""
    document = body("alertmanager_firing")
    (signal,) = alertmanager.signals(document, by(), NIGHT)

    assert signal.labels == document["alerts"][0]["labels"]
    assert signal.fingerprint == document["alerts"][0]["fingerprint"]
    assert (signal.source, signal.firing, signal.occurrence) == ("alertmanager", True, "")
    assert signal.summary == "lianel_energy refuses connections"
    assert signal.occurred_at == datetime(2026, 1, 15, 1, 57, 17, 123456, UTC)
    assert signal.details["annotations"]["description"] == "pg_up has been 0 for 1 minute."
    assert signal.details["generator"].startswith("http://prometheus.example.com/graph")
    assert signal.details["receiver"] == "both"


def test_a_resolved_alert_happened_when_it_ended() -> None:
    """It is later than its beginning, so it has the last word whatever the order of arrival."""
    (firing,) = alertmanager.signals(body("alertmanager_firing"), by(), NIGHT)
    (resolved,) = alertmanager.signals(body("alertmanager_resolved"), by(), NIGHT)

    assert not resolved.firing
    assert resolved.fingerprint == firing.fingerprint
    assert resolved.occurred_at == datetime(2026, 1, 15, 1, 58, 20, 500000, UTC)


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00Z", "", None, "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_the_present(end: str | None) -> None:
    """Go's zero time; a resolved alert that has lost its end ended now."""
    document = body("alertmanager_resolved")
    document["alerts"][0]["endsAt"] = end
    assert alertmanager.signals(document, by(), NIGHT)[0].occurred_at == NIGHT


def test_a_time_in_the_future_is_the_present() -> None:
    """A sender whose clock is a day ahead would else have the last word until tomorrow."""
    assert happened(NIGHT + timedelta(days=1), NIGHT) == NIGHT
    assert happened(NIGHT - timedelta(days=1), NIGHT) == NIGHT - timedelta(days=1)


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-01-15T01:00:00", "2026-01-15", 1768442400, True, [], "9" * 400]
)
def test_a_time_that_is_no_time_is_the_arrival(time: Any) -> None:
    """And the signal says so, with what stood there."""
    document = body("alertmanager_firing")
    document["alerts"][0]["startsAt"] = time
    (signal,) = alertmanager.signals(document, by(), NIGHT)
    assert signal.occurred_at == NIGHT
    (odd,) = signal.details["odd"]
    assert odd.startswith("startsAt: ")
    assert "arrival" in odd


@pytest.mark.parametrize(
    "time", ["9999-12-31T23:59:59-14:00", "0001-01-02T00:00:00+14:00", "1900-01-01T00:00:00Z"]
)
def test_a_time_beyond_all_clocks_is_the_arrival(time: str) -> None:
    """It could not even be counted in UTC."""
    document = body("alertmanager_firing")
    document["alerts"][0]["startsAt"] = time
    (signal,) = alertmanager.signals(document, by(), NIGHT)
    assert (signal.occurred_at, len(signal.details["odd"])) == (NIGHT, 1)


def test_labels_of_the_integration_fill_what_is_missing() -> None:
    """And never replace what the alert says."""
    (signal,) = alertmanager.signals(body("alertmanager_firing"), by(site="north", component="x"), NIGHT)
    assert signal.labels["site"] == "north"
    assert signal.labels["component"] == "database"


def test_alerts_that_were_cut_off_are_noted() -> None:
    """The sender's own limit kept them from us."""
    document = {**body("alertmanager_firing"), "truncatedAlerts": 7}
    assert "7 more alerts" in alertmanager.signals(document, by(), NIGHT)[0].details["left_out"]


def test_an_alert_without_annotations_is_summed_up_by_its_labels() -> None:
    """A line that a person can use at night."""
    document = body("alertmanager_firing")
    document["alerts"][0]["annotations"] = None
    (signal,) = alertmanager.signals(document, by(), NIGHT)
    assert signal.summary == (
        "DatabaseConnectionFailure (component=database, service=lianel_energy, severity=critical)"
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"version": "5"}, "version"),
        ({"version": None}, "version"),
        ({"alerts": None}, "alerts"),
        ({"alerts": [[]]}, "alerts.0.body"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(change: dict[str, Any], field: str) -> None:
    """And what stood there is not repeated."""
    refusal = refused(alertmanager.signals, body("alertmanager_firing") | change)
    assert (refusal.status, refusal.problems[0].split(":")[0]) == (422, field)


@pytest.mark.parametrize("document", [None, 1, "x", [], [{}], True])
def test_what_is_no_object_is_refused(document: Any) -> None:
    """By every form."""
    for read in (alertmanager.signals, grafana.signals):
        assert refused(read, document).status == 422


ODD: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"labels": {"alertname": "Odd", "code": 503}}, {"alertname": "Odd", "code": "503"}, "labels.code"),
    ({"labels": {"alertname": "Odd", "ok": True}}, {"alertname": "Odd", "ok": "true"}, "labels.ok"),
    ({"labels": {"alertname": "Odd", "team": None}}, {"alertname": "Odd"}, "labels.team"),
    ({"labels": {"alertname": "Odd", "l": ["a"]}}, {"alertname": "Odd", "l": '["a"]'}, "labels.l"),
    ({"labels": [{"name": "alertname", "value": "Odd"}]}, {"alertname": "Odd"}, "labels"),
    ({"labels": ["alertname=Odd", "code=7"]}, {"alertname": "Odd", "code": "7"}, "labels"),
    ({"labels": [{"name": "alertname", "value": 7}]}, {"alertname": "7"}, "labels.alertname"),
    ({"annotations": {"summary": None, "runbook": 7}}, {"alertname": "Odd"}, "annotations.summary"),
    ({"annotations": "none"}, {"alertname": "Odd"}, "annotations"),
    ({"startsAt": "2026-06-30T23:59:60Z"}, {"alertname": "Odd"}, "startsAt"),
    ({"startsAt": "2026-01-15T01:00:00"}, {"alertname": "Odd"}, "startsAt"),
    ({"startsAt": "2999-01-01T00:00:00Z"}, {"alertname": "Odd"}, "startsAt"),
    ({"generatorURL": None}, {"alertname": "Odd"}, "generatorURL"),
    ({"status": "pending"}, {"alertname": "Odd"}, "status"),
    ({"labels": {}}, {"alertname": "AlertWithoutLabels", "integration": "sender"}, "labels"),
    ({"labels": {"alertname": "Odd", "n": 10**400}, "startsAt": 5}, {"alertname": "Odd"}, "labels.n"),
]


@pytest.mark.parametrize(("change", "labels", "place"), ODD)
@pytest.mark.parametrize("kind", [IntegrationKind.ALERTMANAGER, IntegrationKind.GRAFANA])
def test_an_odd_alert_is_taken_with_what_can_be_read(
    change: dict[str, Any], labels: dict[str, str], place: str, kind: IntegrationKind
) -> None:
    """Beside the good ones of its group, and it says what was odd."""
    good = body("alertmanager_firing")["alerts"][0]
    odd = {"status": "firing", "labels": {"alertname": "Odd"}, "annotations": {}, **change}
    read = alertmanager.signals if kind is IntegrationKind.ALERTMANAGER else grafana.signals
    first, second, third = read({"version": "4", "alerts": [good, odd, good]}, by(kind), NIGHT)
    assert (first.labels, first.details, "odd" in first.details) == (third.labels, third.details, False)
    assert {name: text for name, text in second.labels.items() if name != "n"} == labels
    assert second.firing
    assert second.occurred_at <= NIGHT
    assert any(line.startswith(f"{place}: ") for line in second.details["odd"]), second.details["odd"]


def test_an_alert_that_cannot_be_read_at_all_costs_no_other() -> None:
    """It is named by its place."""
    good = body("alertmanager_firing")["alerts"][0]
    unread: list[str] = []
    document = {"version": 4, "alerts": ["?", good, None, []]}
    assert len(alertmanager.signals(document, by(), NIGHT, unread)) == 1
    assert [line.split(":")[0] for line in unread] == ["alerts.0.body", "alerts.2.body", "alerts.3.body"]


def test_odd_fields_of_an_event_and_of_a_report_are_put_right() -> None:
    """What only the sender can know is not guessed: its severity, a field that is misspelt."""
    odd: list[str] = []
    payload = {"summary": 7, "source": "x", "severity": "info", "timestamp": "now", "component": 3}
    event = pagerduty.read(body("pagerduty_trigger") | {"payload": payload, "links": "none"}, odd)
    signal = pagerduty.triggered(event, "k", by(IntegrationKind.PAGERDUTY), NIGHT, odd)
    assert (signal.summary, signal.labels["component"], signal.occurred_at) == ("7", "3", NIGHT)
    assert {line.split(":")[0] for line in signal.details["odd"]} == {
        "payload.summary", "payload.timestamp", "payload.component", "links",
    }  # fmt: skip


def test_keys_of_senders_are_never_cut() -> None:
    """Two that differ at their ends only are two things; what is answered is the key as it was sent."""
    keys = [pagerduty.KEY + "x" * 300 + end for end in "ab"]
    labels = [
        pagerduty.triggered(
            pagerduty.read(body("pagerduty_trigger") | {"dedup_key": key}),
            key,
            by(IntegrationKind.PAGERDUTY),
            NIGHT,
        ).labels["dedup_key"]
        for key in keys
    ]
    assert len(set(labels)) == 2
    assert {len(label) for label in labels} == {255}


def test_too_many_alerts_are_refused_as_a_whole() -> None:
    """Half a group would be worse than none: the message says how to send less."""
    document = body("alertmanager_firing")
    document["alerts"] *= MOST
    assert len(alertmanager.signals(document, by(), NIGHT)) == MOST
    document["alerts"].append(document["alerts"][0])
    refusal = refused(alertmanager.signals, document)
    assert refusal.status == 413
    assert "max_alerts" in refusal.remedy
    assert "Nothing was taken" in refusal.message


def test_grafanas_alerts_keep_links_and_values() -> None:
    """Both of them: the one that fires and the one that does not any more."""
    firing, resolved = grafana.signals(body("grafana"), by(IntegrationKind.GRAFANA), NIGHT)

    assert (firing.source, firing.firing, resolved.firing) == ("grafana", True, False)
    assert firing.labels == body("grafana")["alerts"][0]["labels"]
    assert firing.occurred_at == datetime(2026, 1, 15, 1, 51, 3, 157076, UTC)
    assert resolved.occurred_at == datetime(2026, 1, 15, 1, 55, 3, 157076, UTC)
    assert firing.details["values"] == {"B": 93.4, "C": 1}
    assert firing.details["value_string"].startswith("[ var='B'")
    for link in ("dashboard", "panel", "image", "silence", "generator", "grafana"):
        assert firing.details[link].startswith("https://monitoring.example.com")
    assert (firing.details["organisation"], firing.details["state"]) == (1, "alerting")
    assert "values" not in resolved.details


def test_the_example_of_pagerduty_is_read() -> None:
    """Its words for severity are four, as ours."""
    event = pagerduty.read(body("pagerduty_trigger"))
    signal = pagerduty.triggered(event, "billing/disk", by(IntegrationKind.PAGERDUTY), NIGHT)

    assert signal.labels == {
        "alertname": "DiskSpaceLow",
        "service": "billing-1",
        "severity": "P2",
        "component": "postgres",
        "group": "billing",
        "integration": "sender",
        "dedup_key": "billing/disk",
    }
    assert (signal.source, signal.summary) == ("pagerduty", "Disk of billing-1 at 97 %")
    assert signal.occurred_at == NIGHT - timedelta(minutes=2)
    assert signal.details["custom_details"] == {"free": "1 GB", "password": "***"}
    assert signal.details["links"][0]["text"] == "The check"


def test_alertmanagers_own_pagerduty_client_is_read() -> None:
    """Its resolve carries a payload, which says nothing that we need."""
    assert pagerduty.read(body("pagerduty_trigger_of_alertmanager")).event_action == "trigger"
    resolve = pagerduty.read(body("pagerduty_resolve_of_alertmanager"))
    assert (resolve.event_action, len(resolve.dedup_key or "")) == ("resolve", 64)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event_action": "close"}, "event_action"),
        ({"payload": None}, "payload"),
        ({"payload": {"summary": " ", "source": "x", "severity": "info"}}, "payload.summary"),
        ({"payload": {"summary": "x", "severity": "info"}}, "payload.source"),
        ({"payload": {"summary": "x", "source": "x", "severity": "P1"}}, "payload.severity"),
        ({"event_action": "resolve", "dedup_key": None}, "dedup_key"),
        ({"event_action": "acknowledge", "dedup_key": ""}, "dedup_key"),
    ],
)
def test_an_event_that_is_wrong_is_named_by_its_field(change: dict[str, Any], field: str) -> None:
    """As PagerDuty's own answer does."""
    with pytest.raises(Refusal) as caught:
        pagerduty.read(body("pagerduty_trigger") | change)
    assert caught.value.problems[0].split(":")[0] == field


def test_evidence_is_bounded_and_holds_no_secret() -> None:
    """In strings, lists and objects of any size, by name and by look."""
    kept = evidence(
        {
            "text": "x" * 5000,
            "list": list(range(500)),
            "deep": {"url": "postgresql://ann:s3cret@db/x"},
            "Authorization": "Bearer abcdefghijkl",
            "api_key": "sesame",
            **{str(n): n for n in range(100)},
        }
    )
    assert len(kept["text"]) == 2000
    assert kept["list"][-1] == "… 450 more"
    assert kept["…"] == "55 more"
    for secret in ("s3cret", "abcdefghijkl", "sesame"):
        assert secret not in str(kept)


def test_a_summary_is_one_line() -> None:
    """The first that says something."""
    assert line("", " \n ", "a\x00b\nsecond") == "a b"
    assert line("") == "no summary"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1,]", b"nan", b'{"a": NaN}', b"\xff\xfe{\x00}\x00", b'"\\ud800"', b"'a'"]
)
def test_what_is_no_json_is_a_400(content: bytes) -> None:
    """The answer quotes nothing of it."""
    with pytest.raises(Refusal) as caught:
        bodies.parse(content)
    assert caught.value.status == 400


def test_depth_is_limited() -> None:
    """By our own limit, far below the one of the parser."""
    assert bodies.parse(b"[" * 32 + b"]" * 32)
    for levels in (33, 300, 100_000, 500_000):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            inner = b"1" if opening != b"[" else b""
            with pytest.raises(Refusal):
                bodies.parse(opening * levels + inner + closing * levels)


def test_texts_can_be_stored() -> None:
    """A NUL would be refused by the database; a mark at the beginning is of no harm."""
    assert bodies.parse(b'\xef\xbb\xbf{"a\\u0000": "\\u0000b"}') == {"a�": "�b"}
    assert fingerprint(bodies.parse(b'{"a": "\\ud83d\\ude00"}'))
