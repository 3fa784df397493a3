"""Witnesses are heard before an alert is believed, and again while it fires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from incident_response.domain.incidents import Incident
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal
from incident_response.domain.witnesses import Witnessed, Word
from tests.support.house import House
from tests.support.shipped import START, library

FILES = library()
P1, P4 = Severity.P1, Severity.P4


@dataclass
class Witness:
    """Says one word of everything."""

    word: Word = Word.UNKNOWN
    asked: list[Sequence[str]] = field(default_factory=list)

    def ask(self, services: Sequence[str], now: datetime) -> Mapping[str, Witnessed]:
        self.asked.append(services)
        return {name: Witnessed(self.word, f"Docker: {name} is {self.word.value}") for name in services}


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def house(witness: Witness) -> House:
    return House(FILES, witness)


def told(house: House, minutes: float = 0, *, firing: bool = True, alert: str = "NginxDown") -> None:
    """By Alertmanager, with the time at which it began, as that does."""
    at = START + timedelta(minutes=minutes)
    house.intake.receive([Signal("alertmanager", {"alertname": alert}, "down", START, firing)], at)


def standing(house: House) -> dict[str, str]:
    """Severity and status of each open incident."""
    with house.store.read() as tx:
        return {row.incident.severity.value: row.incident.status.value for row in tx.board(10)}


def one(house: House, severity: Severity) -> Incident:
    with house.store.read() as tx:
        (found,) = [row.incident for row in tx.board(10) if row.incident.severity is severity]
    return found


@pytest.mark.parametrize(("word", "severity"), [(Word.UNKNOWN, P1), (Word.BROKEN, P1), (Word.WELL, P4)])
def test_an_alert_is_believed_unless_a_witness_contradicts(
    house: House, witness: Witness, word: Word, severity: Severity
) -> None:
    """Nobody is paged late because nobody could be asked."""
    witness.word = word
    told(house)
    found = one(house, severity)
    assert found.service == "nginx-proxy"
    assert found.runbook == ("service-restart" if severity is P1 else None)


def test_what_is_contradicted_later_ends_as_an_outage(house: House, witness: Witness) -> None:
    """Also when its sender does not tell it again; with the witness as its proof."""
    told(house)
    witness.word = Word.WELL
    assert house.intake.hear_again(START + timedelta(minutes=2)) == 1
    assert standing(house) == {"P1": "mitigated", "P4": "triggered"}
    assert any("Docker: nginx-proxy is well" in text for text in house.texts(one(house, P1).number))
    assert house.intake.hear_again(START + timedelta(minutes=4)) == 0


def test_what_is_confirmed_later_is_an_outage_that_pages(house: House, witness: Witness) -> None:
    """However old its beginning is."""
    witness.word = Word.WELL
    told(house)
    witness.word = Word.BROKEN
    house.clock.tick(START + timedelta(minutes=2), "test")
    assert standing(house) == {"P1": "triggered", "P4": "mitigated"}
    house.clock.tick(START + timedelta(minutes=2, seconds=5), "test")
    assert any("P1" in subject for _, subject, _ in house.post.sent)


def test_a_witness_that_falls_silent_changes_nothing(house: House, witness: Witness) -> None:
    """What it said holds until it says something else."""
    witness.word = Word.WELL
    told(house)
    witness.word = Word.UNKNOWN
    assert house.intake.hear_again(START + timedelta(minutes=2)) == 0
    assert standing(house) == {"P4": "triggered"}


def test_the_end_of_an_alert_ends_what_it_opened(house: House, witness: Witness) -> None:
    """Whichever incident that is, without asking anybody."""
    witness.word = Word.WELL
    told(house)
    asked = len(witness.asked)
    told(house, 3, firing=False)
    assert standing(house) == {"P4": "mitigated"}
    assert len(witness.asked) == asked


def test_a_rule_that_needs_a_witness_is_not_believed_without_one(house: House, witness: Witness) -> None:
    """Uptime over hours says nothing of this moment."""
    told(house, alert="ServiceUptimeSLAViolation")
    assert standing(house) == {"P4": "triggered"}


def test_nobody_is_asked_about_what_no_rule_doubts(house: House, witness: Witness) -> None:
    """Nor about what a witness told itself."""
    told(house, alert="DiskSpaceLow")
    labels = {"alertname": "ContainerDown", "container": "keycloak", "service": "keycloak"}
    house.intake.receive([Signal("docker", labels, "exited", START)], START)
    assert witness.asked == []


def test_an_incident_about_a_rule_explains_nothing(house: House, witness: Witness) -> None:
    """What depends on a service that is well is in trouble by itself."""
    witness.word = Word.WELL
    told(house, alert="RedisDown")
    labels = {"alertname": "CosmeticIssue", "service": "airflow"}
    house.intake.receive([Signal("prometheus", labels, "x", START)], START)
    with house.store.read() as tx:
        assert {row.incident.service for row in tx.board(10)} == {"dc-redis-1", "airflow"}
