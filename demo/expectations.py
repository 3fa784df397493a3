"""How each story has to end, as explicit checks; a broken one says what was seen instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState

from .outcome import Outcome
from .pipelines import Found

_SOURCES = {Found.AT_ONCE: ("callback", "listener"), Found.BY_SCAN: ("airflow_runs",)}
_SECONDS_TO_FIND = {Found.AT_ONCE: 5.0, Found.BY_SCAN: 45.0}
MOST_LATE = 15.0
_TOP = 4


@dataclass(frozen=True)
class Check:
    """One expectation and what was seen."""

    expected: str
    holds: bool
    seen: str


def check(outcome: Outcome) -> list[Check]:
    """All checks of one pipeline; without an incident the first one tells all."""
    one = Check(
        "its failures are one incident",
        len(outcome.incidents) == 1,
        ", ".join(incident.key for incident in outcome.incidents) or "no incident",
    )
    if outcome.incident is None:
        return [one]
    ending = _healed(outcome) if outcome.run.pipeline.heals else _climbed(outcome)
    return [one, *_found(outcome), *ending]


def _found(outcome: Outcome) -> Iterator[Check]:
    pipeline = outcome.run.pipeline
    wanted, limit = _SOURCES[pipeline.found], _SECONDS_TO_FIND[pipeline.found]
    after = outcome.opened_after
    yield Check(f"found by {' or '.join(wanted)}", outcome.source in wanted, f"found by {outcome.source}")
    yield Check(
        f"found within {limit:.0f} s", after is not None and after <= limit, f"after {_length(after)}"
    )
    yield Check(
        f"{pipeline.tasks} failed task{'s' if pipeline.tasks > 1 else ''} told of",
        outcome.instances == pipeline.tasks and outcome.signals >= pipeline.tasks,
        f"{outcome.instances}, in {outcome.signals} signals",
    )


def _healed(outcome: Outcome) -> Iterator[Check]:
    incident = outcome.incident
    assert incident is not None
    yield Check(
        "one remediation, proven",
        [one.state for one in outcome.remediations] == [RemediationState.SUCCEEDED],
        "; ".join(f"{one.state.value}: {one.reason}" for one in outcome.remediations) or "none",
    )
    yield Check("the same run is green", outcome.run_state == "success", f"it is {outcome.run_state!r}")
    yield Check(
        "each failed task was run again once",
        set(outcome.tries) == {2},
        f"tries: {sorted(set(outcome.tries))}",
    )
    yield Check(
        "resolved, and stayed so",
        not incident.status.is_open and incident.reopenings == 0,
        f"{incident.status.value}, reopened {incident.reopenings} times",
    )
    yield Check("nobody was paged", not outcome.pages, f"{len(outcome.pages)} pages")
    yield Check("at most two messages", outcome.messages <= 2, f"{outcome.messages} messages")


def _climbed(outcome: Outcome) -> Iterator[Check]:
    incident = outcome.incident
    assert incident is not None
    yield Check(
        "one remediation, and it failed",
        [one.state for one in outcome.remediations] == [RemediationState.FAILED],
        "; ".join(f"{one.state.value}: {one.reason}" for one in outcome.remediations) or "none",
    )
    yield Check(
        "Level 4, open, taken by nobody",
        incident.level == _TOP and incident.status is Status.TRIGGERED,
        f"Level {incident.level}, {incident.status.value}",
    )
    levels = [page.level for page in outcome.pages]
    first = sorted(set(levels), key=levels.index)
    yield Check("paged Level 1, 2, 3, 4, in this order", first == [1, 2, 3, 4], f"paged {levels}")
    worst = max((page.late for page in outcome.pages), default=0.0)
    yield Check(f"no page later than {MOST_LATE:.0f} s", worst <= MOST_LATE, f"the latest: {worst:.1f} s")
    told = [(page.level, page.reason) for page in outcome.pages if page.after < _settled(outcome)]
    yield Check("nobody was paged twice for one reason", len(told) == len(set(told)), f"paged for {told}")


def _settled(outcome: Outcome) -> float:
    """From Level 4 on the same page repeats on purpose, until somebody answers."""
    return next((page.after for page in outcome.pages if page.level == _TOP), float("inf"))


def _length(seconds: float | None) -> str:
    return "unknown time" if seconds is None else f"{seconds:.1f} s"
