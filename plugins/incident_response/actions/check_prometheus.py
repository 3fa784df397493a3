"""check.prometheus: a metric has been on the right side of its limit for a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from incident_response.clients.http_json import HttpRefused, JsonHttp
from incident_response.clients.prometheus_api import PrometheusApi
from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.errors import BadInput
from incident_response.domain.redaction import one_line, redact
from incident_response.parameters.base import Parameters
from incident_response.parameters.check_steps import CheckPrometheus

from .airflow_records import listed
from .kit import Kit

_POINTS = 60  # moments of the time that are looked at
_MOST_SERIES = 200
_MOST_TEXT = 60_000

Values = Sequence[tuple[str, Mapping[int, float]]]  # by series: its labels, and its values by moment


class MetricHolds:
    """Nothing is remembered between looks: Prometheus itself knows how it was."""

    parameters: ClassVar[type[Parameters]] = CheckPrometheus

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Ask for the time in question. Raises SourceUnavailable, NotConfigured, BadInput."""
        asked: CheckPrometheus = scene.parameters
        connection, now = self._kit.connection(asked.conn_id), self._kit.now()
        with JsonHttp("check.prometheus", asked.conn_id, connection, scene.seconds) as http:
            api = PrometheusApi(http, "check.prometheus")
            try:
                return self._judged(asked, api, now, scene.started_at)
            except HttpRefused as refused:
                if refused.status not in (400, 422):
                    raise
                raise BadInput(
                    f"check.prometheus: Prometheus cannot read the query: {one_line(refused.answer, 150)}; "
                    "correct it in the runbook"
                ) from None

    def _judged(
        self, asked: CheckPrometheus, api: PrometheusApi, now: datetime, began: datetime | None
    ) -> Finding:
        moments = _moments(now, asked.holding)
        if len(moments) == 1:
            series, partial = api.query(asked.query, 30)
            values: Values = [(_shown(one.labels), {0: one.value}) for one in series]
            moments = [0]
        else:
            step = moments[1] - moments[0]
            ranges, partial = api.query_range(asked.query, moments[0], moments[-1], step, 30)
            values = [(_shown(one.labels), one.values) for one in ranges]
        values = values[:_MOST_SERIES]
        latest = [found[moments[-1]] for _, found in values if moments[-1] in found]
        data = {"query": one_line(asked.query, 300), "limit": asked.limit, "series": len(values),
                "values": [str(value) for value in latest[:20]]}  # fmt: skip
        told = one_line(asked.query, 80)
        if not values:
            return Finding(f"{told} gives no series at all, so nothing is proven", data)
        wrong = [
            name for name, found in values if not all(asked.holds(found.get(at, _NAN)) for at in moments)
        ]
        exhibits = (Exhibit("metric.txt", _table(values, moments)),)
        if wrong:
            now_wrong = [name for name, found in values if not asked.holds(found.get(moments[-1], _NAN))]
            when = "is not" if now_wrong else f"has not yet been for {asked.holding}"
            text = f"{told} {when} {asked.limit}: {listed(now_wrong or wrong, 2)}"
            return Finding(one_line(text, 200), data, exhibits)
        if partial:
            return Finding(f"{told}: Prometheus says that its answer lacks something", data, exhibits)
        if began is not None and now - began < asked.holding:
            left = in_seconds(asked.holding - (now - began))
            return Finding(one_line(f"{told} is {asked.limit}; proven in {left} s", 200), data, exhibits)
        text = f"{told} is {asked.limit} in {len(values)} series" + (
            f" for {asked.holding}" if asked.holding else ""
        )
        return Finding(one_line(text, 200), data, exhibits, proven=True)


_NAN = float("nan")


def in_seconds(length: timedelta) -> int:
    """Whole seconds, rounded up."""
    return -(-length // timedelta(seconds=1))


def _moments(now: datetime, holding: timedelta) -> list[int]:
    """Unix times, the last one now."""
    seconds, end = in_seconds(holding), int(now.timestamp())
    if not seconds:
        return [end]
    step = max(1, -(-seconds // _POINTS))
    return list(range(end - step * (seconds // step or 1), end + 1, step))


def _shown(labels: Mapping[str, str]) -> str:
    inner = ", ".join(f"{name}={text}" for name, text in sorted(labels.items()) if name != "__name__")
    return one_line(f"{labels.get('__name__', '')}{{{inner}}}", 150)


def _table(values: Values, moments: Sequence[int]) -> str:
    lines = [f"{name}: {' '.join(f'{found.get(at, _NAN):g}' for at in moments)}" for name, found in values]
    return redact("\n".join(lines))[:_MOST_TEXT]
