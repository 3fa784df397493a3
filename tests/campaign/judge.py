"""What must be true of every repair, from what really happened in the run: our own rule is not asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .dice import Dice
from .pipeline import Pipeline
from .repairing import ATTEMPTS, Place, Story
from .scheduler import Run, Start

_ORDERS = 8
_EARLY = ("one_success", "one_failed", "one_done", "always", "all_skipped", "none_skipped", "all_failed")


class _Patient(Dice):
    """The order in which tasks that would run early come last, so that a branch can still skip them."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(0)
        self._early = {one.name for one in pipeline.tasks if one.rule in _EARLY}

    def begins(self) -> bool:
        return False

    def choice(self, seq: Any) -> Any:
        return min(seq, key=lambda one: one.task_id in self._early)


def without_failures(pipeline: Pipeline) -> Pipeline:
    """What its author wanted."""
    tasks = tuple(replace(one, fails={}, hangs=0) for one in pipeline.tasks)
    return replace(pipeline, tasks=tasks, times_out=False)


def wanted(run: Run, orders: int = 1) -> Mapping[Place, str | None]:
    """The states of the run, had nothing failed; without those that depend on what ends first."""
    pipeline = without_failures(run.pipeline)
    dice = [Dice(0)] if orders == 1 else [_Patient(run.pipeline), *map(Dice, range(orders))]
    found = [Run(pipeline, each, run.dag).execute().states() for each in dice]
    sure = set(found[0].items()).intersection(*(one.items() for one in found[1:]))
    return dict(sure)


def faults(
    run: Run, story: Story, cleared: list[set[Place]], before: Mapping[Place, str | None]
) -> list[str]:
    """Empty when the repair kept its promises. `before`: the states when the first attempt began."""
    for orders in (1, _ORDERS):  # a fault by one order may be none by another
        ideal = wanted(run, orders)
        found = [*_proof(run, story, ideal, before), *_plans(run, story, cleared)]
        if story.proven:
            found += [*_order(run), *_between(run)]
        elif could_succeed(run.pipeline, ideal, before) and not story.refused:
            found.append(f"not proven, though all that failed would succeed: {story.attempts[-1].text}")
        if not found:
            break
    return found


def could_succeed(
    pipeline: Pipeline, ideal: Mapping[Place, str | None], before: Mapping[Place, str | None]
) -> bool:
    """The attempts are enough for what fails once, and nothing failed that was never meant to run."""
    often = any(tries > 1 for one in pipeline.tasks for tries in one.fails.values())
    return (
        not often
        and _needed(pipeline) <= ATTEMPTS
        and all(ideal.get(place) == "success" for place, state in before.items() if state == "failed")
    )


def _needed(pipeline: Pipeline) -> int:
    """Attempts, at most: what fails behind a failure fails one attempt later."""
    stops = pipeline.fail_fast  # at each failed instance
    failing = {
        one.name: (len(one.fails) if stops else bool(one.fails)) + bool(one.hangs) for one in pipeline.tasks
    }
    # Airflow gives up a mapped task whose rule lets it begin before there is a list.
    failing |= {one.name: failing[one.name] + 1 for one in pipeline.tasks if one.over and one.rule in _EARLY}
    if pipeline.fail_fast or pipeline.times_out:
        return sum(failing.values())

    def depth(name: str) -> int:
        one = pipeline.task(name)
        return failing[name] + max(map(depth, {*one.upstream, *one.setups}), default=0)

    return max(map(depth, failing))


def _proof(
    run: Run, story: Story, ideal: Mapping[Place, str | None], before: Mapping[Place, str | None]
) -> Iterator[str]:
    if not story.proven:
        return
    states = run.states()
    if run.state != "success":
        yield f"proven while the run is {run.state}"
    for place, state in states.items():
        if state in ("failed", "upstream_failed", None):
            yield f"proven while {place} is {state}"
    for place, state in ideal.items():
        if state == "success" and states.get(place, "absent") in ("skipped", "removed", "absent"):
            yield f"proven while {place} is {states.get(place)}, cut off by what failed"
    ran = {start.place for start in run.starts if start.round > 0}
    for place, state in before.items():
        if state == "failed" and states.get(place) == "success" and place not in ran:
            yield f"proven though {place} has not run since it failed"


def _plans(run: Run, story: Story, cleared: list[set[Place]]) -> Iterator[str]:
    """Only what stands in its plan is cleared, or runs again after a success; a person sees what acts."""
    acting = {one.name for one in run.pipeline.tasks if one.acts}
    plans = [attempt for attempt in story.attempts if attempt.planned]
    for number, (attempt, taken) in enumerate(zip(plans, cleared, strict=True), start=1):
        if beyond := taken - attempt.planned:
            yield f"cleared without standing in the plan: {sorted(beyond)}"
        earlier = {one.place: one for one in run.starts if one.round < number}
        succeeded = {place for place, one in earlier.items() if one.states == ["success"]}
        again = {one.place for one in run.starts if one.round == number}
        if beyond := (succeeded & again) - attempt.planned:
            yield f"ran again after it had succeeded, without standing in the plan: {sorted(beyond)}"
        repeated = {place for place in earlier if place[0] in acting} & taken
        if repeated and not attempt.asks:
            yield f"acts on others and is repeated, though nobody was asked: {sorted(repeated)}"


def _order(run: Run) -> Iterator[str]:
    """What is behind a task has run on what that task made in the end."""
    last, states = _last(run), run.states()
    for one in run.pipeline.tasks:
        if one.rule in _EARLY or one.kind in ("setup", "teardown"):
            continue
        for index in one.indexes:
            mine = last.get((one.name, index)) if states.get((one.name, index)) == "success" else None
            for name in one.upstream:
                above = run.pipeline.task(name)
                if above.kind == "setup":  # is repeated for whatever it serves that runs again
                    continue
                indexes = (index,) if one.group and above.group == one.group else above.indexes
                for other in indexes:
                    theirs = last.get((name, other))
                    if mine and theirs and theirs.round > 0 and mine.at < theirs.ended[0]:
                        yield f"{one.name}[{index}] has not run since {name}[{other}] was repaired"


def _between(run: Run) -> Iterator[str]:
    """A setup has run before the work of the same round, its teardown after it."""
    last = _last(run)
    for end in run.pipeline.tasks:
        if end.kind != "teardown":
            continue
        for name in end.upstream:
            if name in end.setups:
                continue
            for index in run.pipeline.task(name).indexes:
                start = last.get((name, index))
                if start and start.round > 0:
                    yield from _enclosed(run, start, end.setups, end.name)


def _enclosed(run: Run, work: Start, setups: tuple[str, ...], teardown: str) -> Iterator[str]:
    same = [one for one in run.starts if one.round == work.round]
    for setup in setups:
        if not any(one.place[0] == setup and one.ended and one.ended[0] <= work.at for one in same):
            yield f"{work.place} ran again without its setup {setup}"
    ended = work.ended[0] if work.ended else work.at
    if not any(one.place[0] == teardown and one.at >= ended for one in same):
        yield f"{work.place} ran again without its teardown {teardown}"


def _last(run: Run) -> dict[Place, Start]:
    return {start.place: start for start in run.starts if start.ended}
