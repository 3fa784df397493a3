"""The order of arrival decides what a source says of each thing; of two things it decides nothing.

Senders repeat, and their clocks are wrong: what is told last counts, whatever time it bears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from incident_response.domain.incidents import Status
from incident_response.domain.signals import Signal
from incident_response.service.intake import Intake
from incident_response.service.policy_book import PolicyBook
from incident_response.store.memory import MemoryStore
from tests.support.house import START, House
from tests.support.shipped import library

LIBRARY = library()  # one for all examples: reading it takes longer than all else

THINGS = ("a", "b", "c")
ARRIVAL = START + timedelta(hours=1)  # after all of it happened, so that only the order of arrival differs


def told(thing: str, second: int, firing: bool) -> Signal:
    """One of several things of one cause: the same service, other instances."""
    labels = {"alertname": "DatabaseConnectionFailure", "service": "lianel_energy", "replica": thing}
    return Signal("alertmanager", labels, f"{thing} is down", START + timedelta(seconds=second), firing)


def outcome(arrivals: Sequence[Signal], *, together: bool = False) -> tuple[str, int]:
    """Status of the one incident and how many of its things fire; one request for each signal, or one."""
    store = MemoryStore()
    intake = Intake(store, LIBRARY.rules, PolicyBook(LIBRARY))
    for n, signals in enumerate([list(arrivals)] if together else [[signal] for signal in arrivals]):
        intake.receive(signals, ARRIVAL + timedelta(seconds=n))
    with store.read() as tx:
        (row,) = tx.board(10) or [None]
        return (row.incident.status.value, tx.firing([1])[1]) if row else ("none", 0)


def truth(signals: Sequence[Signal]) -> tuple[str, int]:
    """What is so: each thing is as its last word says."""
    latest = {s.fingerprint: s for s in signals}
    count = sum(signal.firing for signal in latest.values())
    return (Status.TRIGGERED.value if count else Status.MITIGATED.value, count)


@st.composite
def lives(draw: st.DrawFn) -> list[list[Signal]]:
    """Of one to three things what is told of each: it fires, ends, fires again, at times of their own."""
    moments = iter(draw(st.permutations(range(12))))
    return [
        [told(thing, second, firing=n % 2 == 0) for n, second in enumerate(sorted(seconds))]
        for thing in THINGS[: draw(st.integers(1, 3))]
        for seconds in [[next(moments) for _ in range(draw(st.integers(1, 4)))]]
    ]


@st.composite
def interleaved(draw: st.DrawFn, of: list[list[Signal]]) -> list[Signal]:
    """The order of each thing is kept, that of the things to each other is not; some are told repeatedly."""
    rest, mixed = [list(life) for life in of], []
    while any(rest):
        life = draw(st.sampled_from([life for life in rest if life]))
        mixed += [life.pop(0)] * draw(st.integers(1, 2))
    return mixed


@given(lives().flatmap(lambda of: st.tuples(st.just(of), interleaved(of), interleaved(of))))
@settings(max_examples=150, deadline=None)
def test_things_may_be_told_in_any_order_to_each_other(drawn) -> None:
    """Each thing's own signals in their order, as one Alertmanager sends them; each of them once or twice."""
    of, one, other = drawn
    assert outcome(one) == outcome(other) == truth([s for life in of for s in life])


@given(lives().flatmap(lambda of: st.permutations([s for life in of for s in life if s.firing])))
@settings(max_examples=60, deadline=None)
def test_firing_signals_may_come_in_any_order(arrivals: list[Signal]) -> None:
    """As long as nothing ends, only the number of things counts."""
    assert outcome(arrivals) == outcome(arrivals, together=True) == truth(arrivals)


@given(lives().flatmap(lambda of: st.permutations([s for life in of for s in life])), st.data())
@settings(max_examples=60, deadline=None)
def test_what_fires_is_right_while_the_incident_is_at_work(arrivals, data) -> None:
    """Any times, any repetition: once one thing fires on, the count is that of the last words."""
    constant = told("d", 0, firing=True)
    repeated = [s for s in arrivals for _ in range(data.draw(st.integers(1, 2)))]
    assert outcome([constant, *repeated]) == truth([constant, *arrivals])


@given(lives().flatmap(lambda of: st.permutations([s for life in of for s in life])), st.data())
@settings(max_examples=200, deadline=None)
def test_one_request_for_each_or_one_for_all_end_in_the_same_state(arrivals, data) -> None:
    """The state is that of the last word on each thing, whatever the times say."""
    constant = told("d", 0, firing=True)  # ends of what nobody ever told of open nothing
    repeated = data.draw(st.permutations([s for s in arrivals for _ in range(data.draw(st.integers(1, 2)))]))
    one_by_one, together = outcome([constant, *repeated]), outcome([constant, *repeated], together=True)
    assert one_by_one == together == truth([constant, *repeated])


FIRES, ENDS = told("a", 0, True), told("a", 10, False)


def test_what_fires_after_its_end_fires() -> None:
    """Nobody can tell an old beginning that is sent again from a second one that bears the same time."""
    assert outcome([FIRES, ENDS, FIRES]) == outcome([FIRES])
    assert outcome([ENDS, FIRES]) == outcome([FIRES])


def test_an_end_that_overtakes_its_beginning_is_known_by_its_start() -> None:
    """Nothing was known of the thing: this is the beginning that the end was told of."""
    fires, ends = (replace(s, details={"starts_at": "2026-01-01T00:00:00+00:00"}) for s in (FIRES, ENDS))
    assert outcome([ends, fires]) == outcome([FIRES, ENDS])
    assert outcome([ends, fires, fires]) == outcome([FIRES])


def test_beginning_and_end_in_one_request_end_it() -> None:
    """Both in one body, as a queue sends that was held up."""
    assert outcome([FIRES, FIRES, ENDS], together=True) == outcome([FIRES, FIRES, ENDS])


def test_an_end_that_comes_after_a_persons_word_is_kept() -> None:
    """A person says mended, then the alert ends; a later trouble of another thing that ends must mitigate."""
    house = House()
    house.intake.receive([FIRES], ARRIVAL)
    house.lifecycle.mitigate(1, "operator", ARRIVAL, proof="mended by hand")
    for signal in (ENDS, told("b", 20, True), told("b", 30, False)):
        house.intake.receive([signal], ARRIVAL + timedelta(seconds=1))
    assert house.incident(1).status is Status.MITIGATED
