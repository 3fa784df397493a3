"""Airflow's components as `GET /monitor/health` tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.errors import NaiveTime
from incident_response.domain.redaction import one_line
from incident_response.domain.times import in_words, utc

_BEATING = {"scheduler": "scheduler", "triggerer": "triggerer", "dag_processor": "DAG processor"}


@dataclass(frozen=True)
class Component:
    """One part of Airflow. `trouble` says why it is down, "" when it is well."""

    name: str
    trouble: str = ""
    status: str = ""  # Airflow's own word
    beat: datetime | None = None  # the last sign of life


def components(health: Mapping[str, Any], late: timedelta, now: datetime) -> list[Component]:
    """What can be said of each: a component that was never there is left out, and so are all but the
    database when that is away, because the heartbeats are in it.
    """
    database = _status(health.get("metadatabase"))
    if database != "healthy":
        return [Component("metadatabase", "Airflow cannot read its metadata database", database)]
    found = [Component("metadatabase", status=database)]
    for name, title in _BEATING.items():
        told = health.get(name)
        status = _status(told)
        # The status of a triggerer or DAG processor that this installation has never started is null.
        if not status:
            continue
        beat = _beat(told, name)
        found.append(Component(name, _trouble(title, status, beat, late, now), status, beat))
    return found


def _trouble(title: str, status: str, beat: datetime | None, late: timedelta, now: datetime) -> str:
    if beat is None:
        return f"Airflow's {title} has never given a sign of life" if status != "healthy" else ""
    age = now - beat
    if age > late:
        return f"Airflow's {title} has given no sign of life for {in_words(age)} (limit {in_words(late)})"
    if status != "healthy":
        return f"Airflow calls its {title} {one_line(status, 40)}; last sign of life {in_words(age)} ago"
    return ""


def _status(told: Any) -> str:
    return str(told.get("status") or "") if isinstance(told, Mapping) else ""


def _beat(told: Any, name: str) -> datetime | None:
    try:
        return utc(datetime.fromisoformat(told[f"latest_{name}_heartbeat"].replace("Z", "+00:00")))
    except (KeyError, AttributeError, ValueError, NaiveTime):
        return None
