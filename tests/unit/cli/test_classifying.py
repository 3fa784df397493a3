"""`python -m incident_response classify …`."""

from __future__ import annotations

import pytest

from .conftest import Run


def rows(out: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(" ") for line in out.splitlines())}


def test_the_rules_say_what_they_make_of_a_signal(run: Run) -> None:
    """With the shipped rules and names of services; nothing is stored."""
    code, out, _ = run("classify", "alertname=ServiceUnhealthy", "instance=localhost:3001")
    assert code == 0
    assert rows(out) == {
        "rule": "service down",
        "severity": "P2",
        "scenario": "service_outage",
        "service": "lianel-energy-service",
        "level": "1",
        "runbook": "service-restart",
        "title": "lianel-energy-service is down",
        "event-like": "no: quiet means over",
        "dedup_key": "v1:service_outage:lianel-energy-service:down",
        "muted": "no",
    }
    assert run("list")[1] == "0 open\n"


def test_a_summary_fills_the_title_and_a_value_may_hold_an_equals_sign(run: Run) -> None:
    """What no rule knows is P3, under its own name."""
    code, out, _ = run("classify", "alertname=Strange", "query=a=b", "--summary", "Something is odd")
    found = rows(out)
    assert code == 0
    assert (found["rule"], found["severity"], found["title"]) == ("default", "P3", "Something is odd")
    assert found["runbook"] == "none"


def test_it_says_what_mutes_it(run: Run) -> None:
    """By the meaning that the rules find, too."""
    run("silence", "add", "scenario=database", "--for", "1 h", "--reason", "move", "--by", "op")
    found = rows(run("classify", "alertname=DatabaseDown", "service=lianel_energy")[1])
    assert found["muted"].startswith("until ")
    assert found["muted"].endswith("of op: move")


@pytest.mark.parametrize("text", ["keycloak", "=keycloak"])
def test_what_is_no_label_is_refused(run: Run, text: str) -> None:
    """With the text that was wrong."""
    code, out, err = run("classify", text)
    assert (code, out) == (1, "")
    assert repr(text) in err
