"""PrometheusApi: what we ask of Prometheus' HTTP API v1, decoded and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ValidationError

from incident_response.domain.errors import SourceUnavailable

from .http_json import JsonHttp

Shape = TypeVar("Shape", bound=BaseModel)


class Alert(BaseModel):
    """One alert of `/api/v1/alerts`."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    state: str  # pending, firing
    activeAt: AwareDatetime | None = None  # when the condition became true
    value: str = ""


class _Alerts(BaseModel):
    alerts: list[Alert]


class _Rules(BaseModel):
    class Group(BaseModel):
        class Rule(BaseModel):
            name: str
            query: str
            type: str = "alerting"

        rules: list[Rule] = []

    groups: list[Group]


class _Vector(BaseModel):
    class Series(BaseModel):
        metric: dict[str, str] = {}
        value: tuple[float, str] | None = None  # None: a histogram, which has no single value

    result: list[Series]


class _Matrix(BaseModel):
    class Series(BaseModel):
        metric: dict[str, str] = {}
        values: list[tuple[float, str]] = []

    result: list[Series]


class _Scalar(BaseModel):
    result: tuple[float, str]


class _Started(BaseModel):
    startTime: AwareDatetime


@dataclass(frozen=True)
class Series:
    """One series of a query's answer."""

    labels: Mapping[str, str]
    value: float  # may be NaN or infinite


@dataclass(frozen=True)
class Course:
    """One series over a time: its values by Unix time."""

    labels: Mapping[str, str]
    values: Mapping[int, float]


class PrometheusApi:
    """Every method raises SourceUnavailable (HttpRefused with a status when it was refused).

    `partial` beside an answer: it may lack something, as when a store behind a Thanos is away.
    """

    def __init__(self, http: JsonHttp, name: str) -> None:
        self._http, self._name = http, name

    def alerts(self, seconds: float) -> tuple[list[Alert], bool]:
        """Pending and firing alerts."""
        data, partial = self._get("/api/v1/alerts", {}, seconds)
        return self._shaped(_Alerts, data, "/api/v1/alerts").alerts, partial

    def alerting_rules(self, seconds: float) -> list[tuple[str, str]]:
        """Name and expression of each alerting rule."""
        data, _ = self._get("/api/v1/rules", {"type": "alert"}, seconds)
        groups = self._shaped(_Rules, data, "/api/v1/rules").groups
        return [(one.name, one.query) for group in groups for one in group.rules if one.type == "alerting"]

    def query(self, expression: str, seconds: float) -> tuple[list[Series], bool]:
        """The value of an expression now, by the clock of Prometheus; a scalar is a series without labels."""
        limit = {"timeout": f"{max(1, int(seconds * 1000))}ms"}
        data, partial = self._get("/api/v1/query", {"query": expression, **limit}, seconds)
        kind = data.get("resultType") if isinstance(data, dict) else None
        if kind == "scalar":
            _, value = self._shaped(_Scalar, data, "/api/v1/query").result
            return [Series({}, float(value))], partial
        if kind != "vector":
            raise SourceUnavailable(
                f"{self._name}: a query gives a {kind}, not a vector; put a function such as rate(…) or "
                "last_over_time(…) around it"
            )
        found = self._shaped(_Vector, data, "/api/v1/query").result
        return [Series(one.metric, float(one.value[1])) for one in found if one.value], partial

    def query_range(
        self, expression: str, start: int, end: int, step: int, seconds: float
    ) -> tuple[list[Course], bool]:
        """The values of an expression at the Unix times from `start` to `end`, each `step` seconds later."""
        asked = {"query": expression, "start": str(start), "end": str(end), "step": str(step)}
        limit = {"timeout": f"{max(1, int(seconds * 1000))}ms"}
        data, partial = self._get("/api/v1/query_range", {**asked, **limit}, seconds)
        found = self._shaped(_Matrix, data, "/api/v1/query_range").result
        return [
            Course(one.metric, {round(at): float(value) for at, value in one.values}) for one in found
        ], partial

    def configuration(self, seconds: float) -> str:
        """Its configuration, YAML."""
        data, _ = self._get("/api/v1/status/config", {}, seconds)
        return str(data.get("yaml", "")) if isinstance(data, dict) else ""

    def started_at(self, seconds: float) -> datetime:
        """When this Prometheus was started."""
        data, _ = self._get("/api/v1/status/runtimeinfo", {}, seconds)
        return self._shaped(_Started, data, "/api/v1/status/runtimeinfo").startTime

    def _get(self, path: str, params: Mapping[str, str], seconds: float) -> tuple[Any, bool]:
        answer = self._http.get(path, params, seconds=seconds)
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise self._strange(path)
        return answer.get("data"), any(map(_is_missing_something, answer.get("warnings") or ()))

    def _shaped(self, shape: type[Shape], data: Any, path: str) -> Shape:
        try:
            return shape.model_validate(data)
        except (ValidationError, ValueError):
            raise self._strange(path) from None

    def _strange(self, path: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self._name}: the answer to {path} is not one of Prometheus; check the URL of its connection"
        )


def _is_missing_something(warning: object) -> bool:
    # What PromQL says of the expression itself is said at each look and misses nothing that was there before.
    return not str(warning).startswith(("PromQL info", "PromQL warning"))
