"""The proof of a repaired run, from what a look found to what Airflow tells now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incident_response.clients.airflow_states import judge, read_graph, read_states
from incident_response.domain.actions import Finding, Scene
from incident_response.domain.redaction import one_line
from incident_response.domain.run_proof import Had, Proof, Repair, prove
from incident_response.domain.run_states import Graph, Key

from .airflow_bounds import Bounded
from .airflow_reading import find_run
from .airflow_records import MISSING, Instance, SeenRun, Target, counted, listed, marked_by, named_tasks
from .airflow_waiting import waits_for


@dataclass(frozen=True)
class RunProof:
    """Of one run."""

    name: str
    state: str  # MISSING: there is no such run or DAG any more
    proof: Proof
    waits: str = ""  # what it is doing, while it is not known


def look_again(api: Bounded, scene: Scene, seen: SeenRun) -> RunProof:
    """Judge one run as it stands now."""
    target = seen.target
    run = find_run(api, target)
    if run is None:
        gone = "was not found in Airflow (deleted?)"
        return RunProof(target.name, MISSING, Proof((gone,), ended=True))
    graph, states = read_graph(api, target.dag_id), read_states(api, run)
    standing = judge(api, run, states, graph)
    # A run of a bundle with versions runs in its own one, whatever the DAG has become since.
    own = Graph() if run.get("bundle_version") else graph
    proof = prove(str(run["state"]), states, standing, _repair(scene, seen), own)
    waits = "" if proof.proven is not None else waits_for(api, target, run, states, graph)
    return RunProof(target.name, str(run["state"]), proof, waits)


def concluded(runs: Sequence[RunProof]) -> Finding:
    """The proof of all of them."""
    data = {
        "states": {one.name: one.state for one in runs},
        "wrong": {one.name: list(one.proof.wrong)[:50] for one in runs if one.proof.wrong},
    }
    wrong = [f"{one.name}: {listed(one.proof.wrong, 2)}" for one in runs if one.proof.wrong]
    if wrong:
        return Finding(one_line(f"Not repaired: {listed(wrong, 3)}", 200), data, proven=False)
    working = [f"{one.name} {one.waits}" for one in runs if one.proof.proven is None]
    if working:
        text = f"Not ended yet, nothing has failed again: {listed(working, 3)}"
        return Finding(one_line(text, 200), data, proven=None)
    names = listed((one.name for one in runs), 3)
    return Finding(one_line(f"{counted(runs, 'run')} green: {names}", 200), data, proven=True)


def _repair(scene: Scene, seen: SeenRun) -> Repair:
    had = [_had(one, failed=one.state == "failed") for one in (*seen.failed, *seen.cut_off)]
    known = {one.key for one in had}
    # What a signal tells had failed, whatever became of it before the look.
    told = sorted(named_tasks(scene.sightings, seen.target) - known)
    had += [_had(Instance(task, index, -1, ""), failed=True) for task, index in told]
    return Repair(
        had,
        seen.removed,
        max(0, seen.failed_total - len(seen.failed)),
        seen.failed_at,
        scene.started_at,
        marked_by(scene, seen.target),
        _cleared(scene.found, seen.target),
    )


def _had(one: Instance, *, failed: bool) -> Had:
    return Had(one.name, one.key, one.try_number, failed)


def _cleared(found: Mapping[str, Mapping[str, Any]], target: Target) -> set[Key]:
    """What steps of this attempt have cleared of a run, as they had planned it."""
    keys: set[Key] = set()
    for data in found.values():
        done = data.get("done")
        if not isinstance(done, Mapping):
            continue
        plans = [entry["data"] for entry in data.get("plan", ()) if entry["target"] in done]
        for plan in plans:
            if (plan.get("dag_id"), plan.get("run_id")) == (target.dag_id, target.run_id):
                keys.update(Instance.of(row).key for row in plan.get("instances", ()))
    return keys
