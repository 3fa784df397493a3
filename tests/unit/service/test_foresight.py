"""What is foreseen is what happens; and foreseeing changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal
from incident_response.service.foresight import Expected, Foresight
from incident_response.service.intake import Taken
from tests.support.house import House, failed
from tests.support.shipped import library

LIBRARY = library()

BECOMES = {
    Expected.COUNTED: Taken.COUNTED,
    Expected.REOPENED: Taken.REOPENED,
    Expected.MERGED: Taken.COUNTED,
    Expected.HELD: Taken.HELD,
    Expected.ATTACHED: Taken.ATTACHED,
    Expected.SHELTERED: Taken.COUNTED,
    Expected.OPENED: Taken.OPENED,
}


def down(house: House, service: str, firing: bool = True, **labels: str) -> Signal:
    """A service is down, as of now."""
    labels = {"alertname": "ServiceDown", "service": service, **labels}
    return Signal("prometheus", labels, f"{service} is down", house.now, firing)


def database(house: House) -> Signal:
    return down(house, "lianel_energy", alertname="DatabaseConnectionFailure")


def take(house: House, *signals: Signal) -> int | None:
    return house.intake.receive(signals, house.now)[-1].incident


def foresee(house: House, signal: Signal) -> Foresight:
    return house.intake.foresee(signal, house.now)


def test_a_new_cause_opens_an_incident_with_its_due_times() -> None:
    """Rule, severity, the service after the map, and when somebody is paged."""
    house = House(LIBRARY)
    seen = foresee(house, down(house, "postgres", alertname="DatabaseConnectionFailure"))

    assert (seen.expected, seen.incident, seen.muted) == (Expected.OPENED, None, None)
    assert (seen.found.service, seen.found.severity) == ("lianel_energy", Severity.P1)
    assert seen.opens is not None
    assert (seen.opens.page_at, seen.quiet) == (house.now, timedelta())


def test_what_may_be_a_consequence_waits() -> None:
    """It depends on something; the grouping's wait goes before the first page."""
    house = House(LIBRARY)
    seen = foresee(house, down(house, "keycloak"))
    assert (seen.upstreams, seen.quiet) == (["lianel_energy"], timedelta(seconds=30))
    assert seen.opens is not None
    assert seen.opens.page_at == house.now + timedelta(seconds=30)


def test_a_consequence_names_its_cause() -> None:
    """The open incident of what the service depends on; nothing would be opened."""
    house = House(LIBRARY)
    cause = take(house, database(house))
    seen = foresee(house, down(house, "keycloak"))
    assert (seen.expected, seen.opens) == (Expected.ATTACHED, None)
    assert seen.incident is not None
    assert seen.incident.number == cause


def test_the_same_cause_is_counted_and_later_reopens() -> None:
    """By its dedup_key; resolved longer ago than the policy's window it is a new one."""
    house = House(LIBRARY)
    number = take(house, down(house, "nginx-proxy"))
    assert number is not None
    assert foresee(house, down(house, "nginx-proxy")).expected is Expected.COUNTED

    house.lifecycle.resolve(number, "operator", house.now)
    house.now += timedelta(minutes=1)
    assert foresee(house, down(house, "nginx-proxy")).expected is Expected.REOPENED
    house.now += timedelta(days=6)
    assert foresee(house, down(house, "nginx-proxy")).expected is Expected.OPENED


def test_a_silence_holds_what_is_new_and_is_told_of_what_is_open() -> None:
    """An open incident counts on; the mute is named all the same."""
    house = House(LIBRARY)
    take(house, down(house, "nginx-proxy"))
    house.intake.muting.add(["service=.*"], "deployment", "operator", timedelta(hours=1), house.now)

    new, known = foresee(house, down(house, "keycloak")), foresee(house, down(house, "nginx-proxy"))
    assert (new.expected, known.expected) == (Expected.HELD, Expected.COUNTED)
    for seen in (new, known):
        assert seen.muted is not None
        assert "deployment" in seen.muted.name
        assert seen.muted.until == house.now + timedelta(hours=1)


def test_what_was_merged_and_what_was_split_off_goes_where_people_put_it() -> None:
    """The latest word of a person counts."""
    house = House(LIBRARY)
    one, two = take(house, down(house, "a")), take(house, down(house, "b"))
    assert one is not None
    assert two is not None
    house.intake.gathering.merge_by_hand(two, one, "operator", house.now)
    merged = foresee(house, down(house, "b"))
    assert merged.incident is not None
    assert (merged.expected, merged.incident.number) == (Expected.MERGED, one)

    first, second = (down(house, "c", replica=name) for name in "xy")
    number = take(house, first, second)
    assert number is not None
    other = house.intake.splitting.split(number, {("prometheus", second.fingerprint)}, "operator", house.now)
    split = foresee(house, second)
    assert split.incident is not None
    assert (split.incident.number, split.found.dedup_key) == (other.number, other.dedup_key)


def test_many_that_fail_together_shelter_the_next_one() -> None:
    """While the umbrella is young."""
    house = House(LIBRARY)
    for dag in ("dag_a", "dag_b", "dag_c"):
        take(house, failed(dag, at=house.now))
    seen = foresee(house, failed("dag_d", at=house.now))
    assert seen.expected is Expected.SHELTERED
    assert seen.incident is not None
    assert seen.incident.title == "3 pipelines fail together"


things = st.sampled_from(
    ["lianel_energy", "keycloak", "lianel-frontend", "nginx-proxy", "dag_a", "dag_b", "dag_c"]
)
acts = st.sampled_from(["fires", "ends", "resolve", "silence", "wait", "merge"])


def _signal(house: House, thing: str, firing: bool = True) -> Signal:
    if thing.startswith("dag"):
        return failed(thing, run=house.now.isoformat(), at=house.now)
    return database(house) if thing == "lianel_energy" else down(house, thing, firing)


def _act(house: House, act: str, thing: str) -> None:
    with house.store.read() as tx:
        open_ = [row.incident for row in tx.board(50)]
    mine = [incident for incident in open_ if incident.service == thing]
    if act in ("fires", "ends"):
        take(house, _signal(house, thing, act == "fires"))
    elif act == "silence":
        house.intake.muting.add([f"service={thing}"], "test", "operator", timedelta(minutes=5), house.now)
    elif act == "wait":
        house.now += timedelta(minutes=6)
    elif mine and act == "resolve":
        house.lifecycle.resolve(mine[0].number, "operator", house.now)
    elif mine and act == "merge" and open_[0] not in mine:
        house.intake.gathering.merge_by_hand(mine[0].number, open_[0].number, "operator", house.now)
    house.now += timedelta(seconds=4)


@given(st.lists(st.tuples(acts, things), max_size=14), things)
@settings(max_examples=300, deadline=None)
def test_what_is_foreseen_is_what_happens(before: list[tuple[str, str]], thing: str) -> None:
    """Whatever happened before."""
    house = House(LIBRARY)
    for act, about in before:
        _act(house, act, about)
    signal = _signal(house, thing)

    kept = repr(_all(house))
    seen = foresee(house, signal)
    assert repr(_all(house)) == kept
    receipt = house.intake.receive([signal], house.now)[0]

    if seen.expected is Expected.OPENED and receipt.reason is not Taken.OPENED:
        # Opened, and told at once what was told before of its end: an older word changes nothing.
        assert receipt.reason is Taken.COUNTED
        assert house.incident(receipt.incident or 0).opened_at == house.now
        return
    assert receipt.reason is (Taken.REOPENED if seen.reopens else BECOMES[seen.expected])
    if seen.incident is not None:
        assert receipt.incident == seen.incident.number


def _all(house: House) -> list[Any]:
    """Everything that a signal may leave in the store."""
    with house.store.read() as tx:
        return [
            tx.board(100),
            tx.recent(house.now - timedelta(days=1), 100),
            tx.held(100),
            tx.silences(house.now),
            tx.latest_policy(),
            [(tx.timeline(n), tx.sightings(n), tx.parcels(n)) for n in range(1, 15)],
        ]
