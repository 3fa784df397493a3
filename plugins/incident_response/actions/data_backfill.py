"""data.backfill: Airflow's own backfill over the missing dates, as far as its dry run names nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, BadInput, Refused
from incident_response.domain.ports import AirflowRest
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.data_steps import DataBackfill

from .airflow_records import listed
from .data_dags import Missing, check_dag, dag_of, missing, time_of
from .data_keys import calendar_key, period
from .kit import Kit

_MARK = "incident_response"  # in the conf of the runs: by it a backfill is recognised as this one
_KNOWN = 20  # latest backfills of a DAG that are looked through
_INSTANT = timedelta(microseconds=1)


class Backfill:
    """One backfill for all missing dates: Airflow runs only one of a DAG at a time."""

    parameters: ClassVar[type[Parameters]] = DataBackfill

    def __init__(self, kit: Kit) -> None:
        self._api = kit.airflow

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """The logical dates of the dry run. Raises Refused, AirflowUnavailable, AirflowRefused."""
        asked: DataBackfill = scene.parameters
        found = missing(scene, asked.from_step, asked.most)
        if not found.keys:
            return []
        dag_id = dag_of(scene, asked.dag_id)
        check_dag(self._api, dag_id)
        first, last = _range(found, asked.shift)
        dates = self._dry_run(dag_id, first, last, asked.reprocess)
        keys = {date: _key(date - asked.shift, found) for date in dates}
        _refuse_others(dag_id, sorted(set(keys.values()) - set(found.keys)))
        left_out = sorted(set(found.keys) - set(keys.values()))
        if not dates:
            raise Refused(
                f"a backfill of {dag_id} would run nothing: each missing date has a run already, or none by "
                "its schedule; set `reprocess: completed`, or use data.ingest"
            )
        if len(dates) > asked.most:
            raise Refused(
                f"the {len(found.keys)} missing keys are {len(dates)} runs of {dag_id}, and at most "
                f"{asked.most} are started without a person; raise `most`, or use data.ingest"
            )
        data = {
            "dag_id": dag_id,
            "from_date": dates[0].isoformat(),
            "to_date": dates[-1].isoformat(),
            "dates": [date.isoformat() for date in dates],
            "left_out": left_out,
            "reprocess": asked.reprocess,
            "conf": {**asked.conf, _MARK: mark(scene)},
            "max_active_runs": asked.max_active_runs,
        }
        without = f"; without {listed(left_out, 3)}, by `reprocess: {asked.reprocess}`" if left_out else ""
        shown = listed([f"{date:%Y-%m-%dT%H:%M}Z" for date in dates], 5)
        text = f"Backfill {dag_id} for {len(dates)} logical dates: {shown}{without}"
        return [Planned(f"backfill:{dag_id}", one_line(text, 200), data)]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Start the backfill. Raises Refused, AirflowUnavailable, AirflowRefused."""
        data = planned.data
        if (known := self._known(data)) is not None:
            return _done(data, known, "had been started before")
        check_dag(self._api, data["dag_id"])
        first, last = time_of(data["from_date"]), time_of(data["to_date"])
        now = self._dry_run(data["dag_id"], first, last, data["reprocess"])
        if [date.isoformat() for date in now] != list(data["dates"]):
            raise Refused(
                f"the backfill of {data['dag_id']} would now run {len(now)} dates, {len(data['dates'])} were "
                "planned: somebody else is at work on it; look, then plan it again"
            )
        body = {**_body(data["dag_id"], first, last, data["reprocess"]), "dag_run_conf": data["conf"]}
        try:
            started = self._api.post("/backfills", {**body, "max_active_runs": data["max_active_runs"]})
        except AirflowUnavailable:
            # The answer may be lost while the backfill is not.
            if (known := self._known(data)) is None:
                raise
            return _done(data, known, "is started")
        except AirflowRefused as refused:
            if refused.status != 409:
                raise
            if (known := self._known(data)) is None:
                raise Refused(
                    f"another backfill of {data['dag_id']} is running; wait until it has ended, or cancel it "
                    "on the DAG's page"
                ) from None
            return _done(data, known, "had been started before")
        return _done(data, int(started["id"]), "is started")

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """Whether this very backfill is there; None while Airflow does not answer."""
        try:
            return self._known(planned.data) is not None
        except (AirflowUnavailable, AirflowRefused):
            return None

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Data that was ingested stays."""
        return None

    def _dry_run(self, dag_id: str, first: datetime, last: datetime, reprocess: str) -> list[datetime]:
        try:
            answer = self._api.post("/backfills/dry_run", _body(dag_id, first, last, reprocess))
        except AirflowRefused as refused:
            if refused.status not in (400, 422):
                raise
            raise Refused(
                f"Airflow makes no backfill of {dag_id}: {one_line(str(refused), 150)}; a DAG without a "
                "schedule needs data.ingest"
            ) from None
        dates = [row.get("logical_date") for row in answer["backfills"]]
        if not all(dates):
            raise Refused(f"{dag_id} is scheduled by partitions, not by dates; use data.ingest")
        return sorted(time_of(date) for date in dates)

    def _known(self, data: Mapping[str, Any]) -> int | None:
        """The id of the backfill that this step has started, None when it has not."""
        for row in marked(self._api, data["dag_id"], data["conf"][_MARK]):
            if time_of(row["from_date"]) == time_of(data["from_date"]):
                return int(row["id"])
        return None


def mark(scene: Scene) -> str:
    """What the backfills of this attempt have in the conf of their runs."""
    return f"incident-{scene.incident.number}-{scene.attempt}"


def marked(api: AirflowRest, dag_id: str, sign: str) -> Sequence[Mapping[str, Any]]:
    """The backfills of a DAG that have the mark, the latest first."""
    answer = api.get("/backfills", {"dag_id": dag_id, "order_by": "-id", "limit": _KNOWN})
    return [row for row in answer["backfills"] if (row.get("dag_run_conf") or {}).get(_MARK) == sign]


def _range(found: Missing, shift: timedelta) -> tuple[datetime, datetime]:
    try:
        periods = [period(key, found.every, found.zone) for key in found.keys]
    except BadInput as error:
        raise Refused(f"a backfill needs dates: {error}; use data.ingest") from None
    return min(start for start, _ in periods) + shift, max(end for _, end in periods) + shift - _INSTANT


def _key(date: datetime, found: Missing) -> str:
    every = found.every or ("day" if len(found.keys[0]) == 10 else "hour")
    return calendar_key(date, every, found.zone)  # type: ignore[arg-type]


def _refuse_others(dag_id: str, others: Sequence[str]) -> None:
    if others:
        raise Refused(
            f"a backfill of {dag_id} would also run {listed(others)}, which are not missing and have no run "
            "that it leaves alone; use data.ingest, which runs exactly the missing ones"
        )


def _body(dag_id: str, first: datetime, last: datetime, reprocess: str) -> dict[str, Any]:
    return {
        "dag_id": dag_id,
        "from_date": first.isoformat(),
        "to_date": last.isoformat(),
        "reprocess_behavior": reprocess,
    }


def _done(data: Mapping[str, Any], backfill: int, what: str) -> Done:
    text = f"Backfill {backfill} of {data['dag_id']} for {len(data['dates'])} dates {what}"
    kept = {"dag_id": data["dag_id"], "dates": list(data["dates"]), "backfill_id": backfill}
    return Done(one_line(text, 200), {"action": DataBackfill.action, **kept})
