"""Evidence of a failed DAG run: last lines of the log, tries, what changed since the last good run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.ports import AirflowRest
from incident_response.domain.redaction import redact

_LOOKED_AT = 3  # task instances of a run; the others are named
_MOST = 8_192  # characters of one log that are kept, the last ones
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # PostgreSQL refuses them in JSON


def evidence(
    api: AirflowRest, path: str, run: Mapping[str, Any], failed: Sequence[tuple[str, int]], log_lines: int
) -> dict[str, Any]:
    """JSON for the timeline. What cannot be had is named; it never stops a repair."""
    return {
        "run": f"{run['dag_id']}/{run['dag_run_id']}",
        "logical_date": run.get("logical_date"),
        "failed_tasks": len(failed),
        "tasks": [
            _task(api, path, task_id, map_index, log_lines) for task_id, map_index in failed[:_LOOKED_AT]
        ],
        "changed": _changed(api, run),
    }


def _task(api: AirflowRest, path: str, task_id: str, map_index: int, log_lines: int) -> dict[str, Any]:
    task = f"{path}/taskInstances/{quote(task_id, safe='')}"
    indexed = task if map_index < 0 else f"{task}/{map_index}"
    found: dict[str, Any] = {"task_id": task_id, "map_index": map_index}
    try:
        tries = api.get(f"{indexed}/tries")["task_instances"]
        found["tries"] = [
            {key: one.get(key) for key in ("try_number", "state", "start_date", "duration", "hostname")}
            for one in tries[-10:]
        ]
        number = max((one["try_number"] for one in tries), default=1)
        found["log"] = tail(api.get(f"{task}/logs/{number}", {"map_index": map_index})["content"], log_lines)
    except (AirflowRefused, AirflowUnavailable) as error:
        found["log"] = f"(not available: {error})"[:300]
    return found


def tail(content: Any, lines: int) -> str:
    """The last lines of a log, without secrets. Airflow gives structured lines, or text when it has none."""
    entries = content if isinstance(content, list) else str(content).splitlines()
    text = "\n".join(_line(entry) for entry in entries[-lines:])
    # Cut before, because a line of a megabyte would hold up the step; and after, because of the limit.
    last = "\n".join(text[-4 * _MOST :].splitlines()[-lines:])
    return redact(_UNSTORABLE.sub(" ", last))[-_MOST:]


def _line(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    level = str(entry.get("level") or "").upper()
    head = " ".join(
        part for part in (str(entry.get("timestamp") or ""), level, str(entry.get("event", ""))) if part
    )
    return "\n".join([head, *_errors(entry.get("error_detail"))])


def _errors(details: Any) -> list[str]:
    """An exception: where it was raised, and what it says."""
    found: list[str] = []
    for detail in details if isinstance(details, list) else ():
        frames = detail.get("frames") or []
        found += [
            f"    {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}"
            for frame in frames[-3:]
        ]
        found.append(f"    {detail.get('exc_type')}: {detail.get('exc_value')}")
    return found


def _changed(api: AirflowRest, run: Mapping[str, Any]) -> dict[str, Any]:
    """The run beside the last good one before it."""
    runs = f"/dags/{quote(str(run['dag_id']), safe='')}/dagRuns"
    query = {"state": ["success"], "run_after_lte": run["run_after"], "order_by": "-run_after", "limit": 1}
    try:
        good = api.get(runs, query)["dag_runs"]
    except (AirflowRefused, AirflowUnavailable) as error:
        return {"not available": str(error)[:300]}
    if not good:
        return {"last good run": None}
    before, now = _facts(good[0]), _facts(run)
    differ = {
        name: [before[name], now[name]]
        for name in ("DAG version", "bundle version", "conf")
        if before[name] != now[name]
    }
    return {
        "last good run": good[0]["dag_run_id"],
        "last good run ended": good[0].get("end_date"),
        "duration": [before["duration"], now["duration"]],
        **differ,
    }


def _facts(run: Mapping[str, Any]) -> dict[str, Any]:
    versions = run.get("dag_versions") or []
    return {
        "DAG version": versions[-1].get("version_number") if versions else None,
        "bundle version": run.get("bundle_version"),
        "conf": sorted(run.get("conf") or {}),  # names only: values may be anything
        "duration": _seconds(run.get("start_date"), run.get("end_date")),
    }


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return round((_time(end) - _time(start)).total_seconds(), 1)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
