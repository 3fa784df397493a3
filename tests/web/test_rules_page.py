"""The rules page: what a signal would do now, without doing it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from incident_response.web import label_text
from tests.web.conftest import VIEWER, House

EVIL = "<script>alert('x')</script>"


def answer(house: House, labels: str, **more: str) -> str:
    """What the tester says, tags left out."""
    text = house.client().get("rules", params={"labels": labels, **more}).text
    shown = text.split('id="answer"')[1].split("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", shown).split())


def test_all_rules_are_listed_in_order(house: House) -> None:
    """Name, what they match, severity, scenario, runbook."""
    text = house.client().get("rules").text
    rules = list(house.services.intake.rules())
    assert f"{len(rules)} rules, in order" in text
    shown = re.findall(r'<td class="quiet place">(\d+)<td>([^<]+?) ?<', text)
    assert shown == [(str(place), rule.name) for place, rule in enumerate(rules, 1)]
    row = text.split('class="quiet place">')[2]
    for told in (
        "<code>alertname=AirflowTaskFailed|<wbr>AirflowDAGRunFailed</code>",
        "P2",
        "dag failure",
        "dag-failure-recovery",
    ):
        assert told in row


def test_a_rule_whose_runbook_is_missing_says_so(house: House, monkeypatch) -> None:
    """Its incidents would go to people at once."""
    monkeypatch.setattr(house.services.library, "runbooks", dict)
    assert '<b class="late">missing</b>' in house.client().get("rules").text


def test_a_new_cause_would_open_an_incident(house: House) -> None:
    """Rule, severity, service after the map, level, runbook, first page, dedup_key."""
    said = answer(house, "alertname=DatabaseConnectionFailure\nservice=postgres")
    for told in (
        "It opens an incident.", "Rule database down", "P1 critical", "Scenario database",
        "Service lianel_energy called postgres by its labels", "Level 1 Operations",
        "database-maintenance runs by itself", "First page at once", "Muted by nothing",
        "v1:database:lianel_energy:",
    ):  # fmt: skip
        assert told in said
    assert (
        '<tr class="hit" aria-current="true">'
        in house.client().get("rules?labels=alertname%3DDatabaseConnectionFailure").text
    )


def test_what_it_waits_for_before_the_first_page_is_said(house: House) -> None:
    """Grouping, or a runbook that goes first."""
    grouped = answer(house, "alertname=ContainerDown\nservice=keycloak")
    assert "First page after 30 s, because it may turn out to be a consequence" in grouped
    assert "Depends on lianel_energy" in grouped
    repaired = answer(house, "alertname=AirflowTaskFailed\ndag_id=harmless")
    assert "First page after 10 min, unless the runbook has mended it" in repaired
    assert "dag-failure-recovery runs by itself" in repaired


def test_of_which_open_incident_it_would_be_a_consequence(house: House) -> None:
    """With a link; what is counted into its own incident says so, too."""
    number = house.alert("lianel_energy", "DatabaseConnectionFailure", severity="P1")
    assert f"It is kept as a consequence of INC-{number}" in answer(house, "alertname=Down\nservice=keycloak")
    assert f"It is counted into INC-{number}" in answer(
        house, "alertname=DatabaseConnectionFailure\nservice=lianel_energy"
    )
    house.services.lifecycle.resolve(number, "operator", house.now)
    assert f"It reopens INC-{number}" in answer(
        house, "alertname=DatabaseConnectionFailure\nservice=lianel_energy"
    )


def test_a_worse_signal_would_raise_the_open_incident(house: House) -> None:
    """As intake would do it."""
    house.alert("billing", "Odd", severity="P4")
    assert "It raises that one to P1." in answer(house, "alertname=Odd\nservice=billing\nseverity=P1")


def test_what_mutes_it_is_named(house: House) -> None:
    """Silence, reason, end."""
    muting = house.services.intake.muting
    muting.add(["service=keycloak"], f"upgrade {EVIL}", "operator", timedelta(hours=1), house.now)
    said = answer(house, "alertname=Down\nservice=keycloak")
    assert "It is muted: nothing opens, nobody is told." in said
    assert "of operator: upgrade &lt;script&gt;" in said
    assert "until 04:00:00" in said


def test_no_rule_matches_is_said(house: House) -> None:
    """The last resort still makes a P3."""
    assert "default none of the rules matches" in answer(house, "alertname=Nobody")


def test_nothing_is_stored_by_it(house: House) -> None:
    """Not an incident, not a signal, not a policy."""
    for labels in ("alertname=DatabaseConnectionFailure\nservice=postgres", "alertname=x", "broken"):
        house.client().get("rules", params={"labels": labels})
    with house.services.store.read() as tx:
        assert (tx.board(10), tx.recent(house.now - timedelta(days=9), 9), tx.held(9)) == ([], [], [])
        assert tx.latest_policy() is None


def test_who_may_look_may_try(house: House) -> None:
    """It changes nothing, so it is no right to act."""
    text = house.client(VIEWER).get("rules?labels=alertname%3DDown").text
    assert "It opens an incident." in text


@pytest.mark.parametrize(
    "labels",
    [
        "nonsense", "=x", "", "{", '{"a": {"b": 1}}', '{"a": true}', '{a="b", nonsense', "[1]", EVIL,
        "x=" + "y" * 2001, "\n".join(f"l{n}=v" for n in range(65)), "y" * 17_000, '{"a":' * 3000,
    ],
)  # fmt: skip
def test_what_cannot_be_read_comes_back_with_the_reason(house: House, labels: str) -> None:
    """422, what was typed stays, and nothing of it is markup."""
    found = house.client().get("rules", params={"labels": labels, "summary": "kept"})
    assert found.status_code == 422
    assert re.search(r"data-problem>labels: \S+", found.text)
    assert 'value="kept"' in found.text
    assert "<script>" not in found.text
    if 0 < len(labels) < 100 and labels.isalpha():
        assert f">{labels}</textarea>" in found.text


def test_hostile_labels_are_escaped(house: House) -> None:
    """In the form, in the answer, in the link."""
    labels = json.dumps({"alertname": EVIL, "service": f'"{EVIL}'})
    text = house.client().get("rules", params={"labels": labels, "summary": f'">{EVIL}'}).text
    assert "<script>" not in text
    assert text.count("&lt;script&gt;") > 4


@pytest.mark.parametrize(
    "text",
    [
        "a=1\nb=x=y",
        ' a = "1" ,\r\n\r\nb="x=y",',
        '{"a": 1, "b": "x=y"}',
        '{"labels": {"a": "1", "b": "x=y"}, "annotations": {}}',
        '{"version": "4", "alerts": [{"status": "firing", "labels": {"a": "1", "b": "x=y"}}]}',
        '{a="1", b="x=y"}',
        '{ a = "1",b="x=y", }',
    ],
)
def test_labels_are_read_as_people_paste_them(text: str) -> None:
    """Lines, JSON, an alert of Alertmanager, what Prometheus shows."""
    assert label_text.parse(text) == {"a": "1", "b": "x=y"}


def test_a_quoted_value_keeps_its_quotes_and_backslashes() -> None:
    """As Prometheus escapes them."""
    assert label_text.parse(r'{a="say \"hi\" \\o"}') == {"a": r'say "hi" \o'}


def test_the_page_stays_light(house: House, monkeypatch: Any) -> None:
    """Also with many rules."""
    assert len(house.client().get("rules").text) < 60_000
