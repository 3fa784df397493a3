"""The same pipelines in a real Airflow: they fail there, are repaired there, and end as the model said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from incident_response.airflow_api import AirflowApi
from incident_response.domain.connections import Connection
from incident_response.domain.errors import AirflowRefused
from tests.support.airflow import Airflow
from tests.support.waiting import wait_for

from . import pipeline as source
from .campaign import attempt
from .dice import Dice
from .drawing import draw
from .pipeline import Pipeline
from .repairing import Place, repair

RUN_ID = "manual__1"
CONFIG = {"core.dags_are_paused_at_creation": "False", "core.max_active_tasks_per_dag": "16"}
_ORDERS = 8  # in so many orders a pipeline is executed in memory before it is expected to end in one way
_IN_FILE, _AT_ONCE = 8, 10
_LONGEST = 300.0  # seconds that a run may take on a machine that does other things, too


@dataclass(frozen=True)
class Ending:
    """How a pipeline stands after its failure, and after its repair."""

    run: str
    states: Mapping[Place, str | None]
    repaired_run: str
    repaired: Mapping[Place, str | None]
    proven: bool


def expected(pipeline: Pipeline) -> Ending | None:
    """By the model; None when it depends on what ends first, which nobody can know of a real machine."""
    found: list[Ending] = []
    for order in range(_ORDERS):
        done = attempt(pipeline, Dice(f"{pipeline.name}/{order}"))
        one = Ending(done.run_before, done.before, done.run_after, done.after, done.story.proven)
        if found and one != found[0]:
            return None
        found = [one]
    return found[0]


def drawn(seed: int, count: int, of: int = 10_000) -> Iterator[tuple[Pipeline, Ending]]:
    """So many of the pipelines of a campaign, drawn by its seed. One in forty waits for its timeout."""
    slow = 0
    for number in Random(seed).sample(range(of), of):
        if count <= 0:
            return
        pipeline = draw(seed, number)
        if pipeline.times_out and (slow + 1) * 40 > count + 40 * slow and slow:
            continue
        ending = expected(pipeline)
        if ending is not None:
            slow += pipeline.times_out
            count -= 1
            yield pipeline, ending


def write(folder: Path, pipelines: Sequence[Pipeline]) -> list[Path]:
    """DAG files, a few pipelines in each."""
    text, files = Path(source.__file__).read_text(), []
    for start in range(0, len(pipelines), _IN_FILE):
        data = [json.dumps(one.data()) for one in pipelines[start:][:_IN_FILE]]
        file = folder / f"campaign_{start}.py"
        file.write_text(f"{text}\n\nglobals().update(dags({data!r}))\n")
        files.append(file)
    return files


def disagreements(airflow: Airflow, drawn: Sequence[tuple[Pipeline, Ending]]) -> Iterator[str]:
    """A few at a time; what times out comes last, so that its time is not used up by waiting for others."""
    api = AirflowApi(lambda: Connection(host=airflow.url, login="op", password="op"), timeout=30)
    quick = [one for one in drawn if not one[0].times_out]
    slow = [one for one in drawn if one[0].times_out]
    for some, at_once in ((quick, _AT_ONCE), (slow, 2)):
        with ThreadPoolExecutor(at_once) as pool:
            for said in pool.map(lambda one: list(_compare(airflow, api, *one)), some):
                yield from said


def _is_there(api: AirflowApi, pipeline: Pipeline) -> bool:
    """With its tasks: the DAG's own row comes first."""
    try:
        return bool(api.get(f"/dags/{pipeline.name}/tasks"))
    except AirflowRefused:
        return False


def _compare(airflow: Airflow, api: AirflowApi, pipeline: Pipeline, ending: Ending) -> Iterator[str]:
    wait_for(lambda: _is_there(api, pipeline), f"DAG {pipeline.name}", _LONGEST)
    airflow.trigger(pipeline.name, run_id=RUN_ID)
    ended = _ended(api, pipeline)
    yield from _differs(pipeline, "failed", (ended, _states(api, pipeline)), (ending.run, ending.states))
    story = repair(api, pipeline.name, RUN_ID, lambda: _ended(api, pipeline) and None)
    now = (_ended(api, pipeline), _states(api, pipeline))
    yield from _differs(pipeline, "was repaired", now, (ending.repaired_run, ending.repaired))
    if story.proven != ending.proven:
        said = story.attempts[-1].text or story.asked
        yield f"{pipeline.name}: proven is {story.proven}, the model says {ending.proven}: {said}"


def _differs(pipeline: Pipeline, when: str, real: Any, model: Any) -> Iterator[str]:
    (run, states), (run_there, states_there) = real, model
    if run != run_there:
        yield f"{pipeline.name} when it {when}: the run is {run}, the model says {run_there}"
    for place in sorted({*states, *states_there}):
        if states.get(place, "absent") != states_there.get(place, "absent"):
            said = states_there.get(place, "absent")
            yield f"{pipeline.name} when it {when}: {place} is {states.get(place, 'absent')}, not {said}"


def _ended(api: AirflowApi, pipeline: Pipeline) -> str:
    path = f"/dags/{pipeline.name}/dagRuns/{RUN_ID}"

    def look() -> str | None:
        state = str(api.get(path)["state"])
        return state if state in ("success", "failed") else None

    return str(wait_for(look, f"the end of {pipeline.name}", _LONGEST))


def _states(api: AirflowApi, pipeline: Pipeline) -> dict[Place, str | None]:
    rows = api.get(f"/dags/{pipeline.name}/dagRuns/{RUN_ID}/taskInstances", {"limit": 100})["task_instances"]
    return {(row["task_id"], row["map_index"]): row["state"] for row in rows}
