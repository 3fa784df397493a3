"""airflow.quarantine: set aside a mapped task instance that fails in run after run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.redaction import one_line
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_clearing import clear_with_downstream
from .airflow_reading import failed_instances, instance_rows, refuse_blocked, refuse_unreachable, run_of
from .airflow_records import Instance, Target, did, listed, marked, of_scene, seen_runs
from .kit import Kit

_NOTE = "Quarantined by"
_GREEN = ("success", "skipped")


@dataclass(frozen=True)
class _Part:
    """A mapped task instance of some run. The same index may be another country in another run: names count
    where a DAG gives them.
    """

    instance: Instance
    label: str
    failed: bool  # also where it was quarantined: that was no success

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Part:
        one = Instance.of(row)
        aside = one.state in _GREEN and str(row.get("note") or "").startswith(_NOTE)
        return cls(one, str(row.get("rendered_map_index") or one.map_index), one.state == "failed" or aside)


class Quarantine:
    """Marks it in this one run; the next run tries it again."""

    parameters: ClassVar[type[Parameters]] = models.Quarantine

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One for each index that fails again and again while its fellows are green."""
        api, wanted = Bounded(self._kit.airflow, scene.seconds), scene.parameters
        planned: list[Planned] = []
        for seen in seen_runs(scene, wanted.seen_by):
            if any(one.map_index >= 0 for one in seen.failed):
                refuse_blocked(api, seen.target.dag_id)
                refuse_unreachable(seen.target)
                planned += self._of_run(api, wanted, seen.target)
        return planned

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Unless it was tried again since."""
        api = Bounded(self._kit.airflow, scene.seconds)
        target, known = _read(planned)
        refuse_blocked(api, target.dag_id)
        happened = _happened(api, planned)
        if happened is None:
            raise Refused(f"{planned.target} is not what was planned any more: it was tried again since")
        if not happened:
            note = f"{_NOTE} {of_scene(scene)}: {planned.data['because']}"
            api.patch(known.path(target), {"new_state": scene.parameters.state, "note": note})
        _go_on(api, target)
        done = "was set aside already" if happened else f"is marked {scene.parameters.state}"
        return did(f"{planned.target} {done}; what depends on it goes on", marked(target, known))

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """By its state, as long as it is the same try."""
        return _happened(Bounded(self._kit.airflow, scene.seconds), planned)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Clear it, so that it runs, and what went on without it.

        Else the run would stay green whatever comes of it: Airflow judges a run by its last tasks.
        """
        api = Bounded(self._kit.airflow, scene.seconds)
        target, known = _read(planned)
        if not _happened(api, planned):
            return did(f"{planned.target} is not set aside any more")
        refuse_blocked(api, target.dag_id)
        cleared = clear_with_downstream(api, target, known)
        names = listed(one.name for one in cleared)
        return did(f"Cleared {planned.target}, which was set aside: {names}")

    def _of_run(self, api: Bounded, wanted: models.Quarantine, target: Target) -> list[Planned]:
        runs = [_parts(api, one) for one in _last_runs(api, target, wanted.last - 1)]
        now = _parts(api, target)
        planned: list[Planned] = []
        for task_id, parts in now.items():
            failing = [part for part in parts if part.instance.state == "failed"]
            before = [{part.label for part in run.get(task_id, ()) if part.failed} for run in runs]
            # A run in which many failed was an outage: it says nothing of a single one.
            alone = [labels for labels in before if len(labels) <= wanted.most]
            times = {part.label: 1 + sum(part.label in labels for labels in alone) for part in failing}
            chronic = [part for part in failing if times[part.label] >= wanted.runs]
            if not chronic:
                continue
            _refuse_more_than_few(target, task_id, parts, chronic, wanted.most)
            planned += [
                _planned(
                    target, part, f"failed in {times[part.label]} of the last {len(runs) + 1} runs", wanted
                )
                for part in chronic
            ]
        return planned


def _last_runs(api: Bounded, target: Target, most: int) -> list[Target]:
    """Those that ended before this one, the latest first."""
    query = {
        "state": ["success", "failed"], "run_after_lte": run_of(api, target)["run_after"],
        "order_by": "-run_after", "limit": most + 1,
    }  # fmt: skip
    rows = api.get(f"{target.dag_path}/dagRuns", query)["dag_runs"]
    found = [Target(target.dag_id, row["dag_run_id"]) for row in rows if row["state"] in query["state"]]
    return [one for one in found if one != target][:most]


def _go_on(api: Bounded, target: Target) -> None:
    """Airflow clears what waits downstream, and with it the run; one without anything downstream stays
    failed until the scheduler looks at it again.
    """
    if run_of(api, target)["state"] == "failed" and not failed_instances(api, target):
        api.patch(target.path, {"state": "queued"})


def _parts(api: Bounded, target: Target) -> dict[str, list[_Part]]:
    """The mapped task instances of a run by task."""
    found: dict[str, list[_Part]] = {}
    for row in instance_rows(api, target):
        if row["map_index"] >= 0:
            found.setdefault(row["task_id"], []).append(_Part.of(row))
    return found


def _refuse_more_than_few(
    target: Target, task_id: str, parts: Sequence[_Part], chronic: Sequence[_Part], most: int
) -> None:
    if len(chronic) > most:
        names = listed(part.instance.name for part in chronic)
        raise Refused(
            f"{len(chronic)} indices of {target.dag_id}.{task_id} fail again and again, more than {most}: "
            f"{names}; then it is not theirs alone: have its code looked at, or raise `most`"
        )
    others = [part.instance for part in parts if part not in chronic and part.instance.state not in _GREEN]
    if others:
        names = listed(one.name for one in others)
        raise Refused(
            f"Other indices of {target.dag_id}.{task_id} are not green either: {names}; "
            "clear them first (airflow.clear_failed)"
        )


def _planned(target: Target, part: _Part, because: str, wanted: models.Quarantine) -> Planned:
    name = f"{target.name}/{part.instance.name}"
    label = "" if part.label == str(part.instance.map_index) else f" ({part.label})"
    text = one_line(f"Mark {name}{label} {wanted.state}: it {because}, the others are green", 200)
    return Planned(f"task:{name}", text, {**asdict(target), **asdict(part.instance), "because": because})


def _read(planned: Planned) -> tuple[Target, Instance]:
    return Target(planned.data["dag_id"], planned.data["run_id"]), Instance.of(planned.data)


def _happened(api: Bounded, planned: Planned) -> bool | None:
    target, known = _read(planned)
    row = api.find(known.path(target))
    if row is None or row["try_number"] != known.try_number:
        return None
    if row["state"] == "failed":
        return False
    return True if row["state"] in _GREEN else None
