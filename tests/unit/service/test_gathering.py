"""Gathering: what has one cause becomes one incident, also when somebody died in between."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from incident_response.domain.errors import StoreUnavailable
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import Role
from incident_response.domain.signals import Signal
from tests.support.house import START, UNREACHED, House, failed

PIPELINES = ("entsoe_ingestion", "eurostat_harmonization", "osm_feature_extraction_v2")
LATER = START + timedelta(seconds=10)


@pytest.fixture
def house() -> House:
    return House()


def broken(service: str = "lianel_energy") -> Signal:
    labels = {"alertname": "DatabaseConnectionFailure", "service": service}
    return Signal("alertmanager", labels, f"{service} is down", START)


def open_(house: House) -> list[Incident]:
    with house.store.read() as tx:
        return [row.incident for row in tx.board(100)]


def services(house: House) -> list[str]:
    return sorted(incident.service for incident in open_(house))


def test_pipelines_that_fail_together_belong_to_the_database_that_is_found_broken_later(house: House) -> None:
    """Their umbrella is a consequence, too: all that is under it depends on the database."""
    house.intake.receive([failed(dag, message=UNREACHED) for dag in PIPELINES], START)
    assert services(house) == ["several"]

    house.intake.receive([broken()], LATER)
    house.intake.receive([failed(PIPELINES[0], run="r2", message=UNREACHED)], LATER)

    (root,) = open_(house)
    assert root.service == "lianel_energy"
    with house.store.read() as tx:
        seen = tx.sightings(root.number)
    assert sorted((s.role, s.labels.get("dag_id", ""), s.count) for s in seen) == [
        (Role.CONSEQUENCE, PIPELINES[0], 1),
        (Role.CONSEQUENCE, PIPELINES[0], 1),
        (Role.CONSEQUENCE, PIPELINES[1], 1),
        (Role.CONSEQUENCE, PIPELINES[2], 1),
        (Role.OWN, "", 1),
    ]


def test_an_umbrella_with_something_else_under_it_stays(house: House) -> None:
    """The database does not explain a pipeline that needs no database."""
    house.intake.receive(
        [failed(dag, message=UNREACHED) for dag in (*PIPELINES, "stock_service_heartbeat")], START
    )
    house.intake.receive([broken()], LATER)
    assert services(house) == ["lianel_energy", "several"]


def test_an_umbrella_that_somebody_works_on_stays(house: House) -> None:
    """Nothing is taken out of a person's hands."""
    house.intake.receive([failed(dag, message=UNREACHED) for dag in PIPELINES], START)
    (umbrella,) = open_(house)
    house.lifecycle.acknowledge(umbrella.number, "operator", START)
    house.intake.receive([broken()], LATER)
    assert services(house) == ["lianel_energy", "several"]


def test_what_a_dead_process_opened_is_gathered_by_the_clock(house: House) -> None:
    """It was killed after the commit that opened the incident, and before the one that gathers."""
    house.intake.receive([failed(PIPELINES[0], message=UNREACHED)], START)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.intake.gathering, "gather", _die)
        with pytest.raises(KeyboardInterrupt):
            house.intake.receive([broken()], START)
    assert services(house) == [PIPELINES[0], "lianel_energy"]

    house.clock.look_again(START + timedelta(seconds=4))
    assert len(open_(house)) == 2, "whoever opened it may be about to gather it"
    house.clock.look_again(LATER)
    assert services(house) == ["lianel_energy"]


def test_signals_are_taken_although_the_store_goes_away_before_they_are_gathered(house: House) -> None:
    """They are in the store: the sender must hear so, or it sends them again and they count twice."""
    house.intake.receive([failed(PIPELINES[0], message=UNREACHED)], START)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.intake.gathering, "_store", _Away())
        (receipt,) = house.intake.receive([broken()], START)
    assert receipt.incident == 2
    house.clock.look_again(LATER)
    assert services(house) == ["lianel_energy"]


def test_a_merged_incident_pages_nobody(house: House) -> None:
    """Only the cause is told of, although the consequence came first."""
    house.intake.receive([failed(PIPELINES[0], message=UNREACHED)], START)
    house.intake.receive([broken()], LATER)
    house.later(seconds=90)
    subjects = [subject for _, subject, _ in house.post.sent]
    assert subjects
    assert all("lianel_energy" in subject for subject in subjects)
    assert house.incident(1).status is Status.RESOLVED


def _die(opened: Sequence[Incident], now: object) -> None:
    raise KeyboardInterrupt


class _Away:
    """A store that does not answer."""

    @contextmanager
    def transaction(self):
        raise StoreUnavailable
        yield
