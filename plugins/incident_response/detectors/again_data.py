"""Checks of data looked at again: the very query that opened the incident."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from incident_response.domain.records import Sighting
from incident_response.sources.data_checks import Anomaly, AnyCheck, Loss, Volume
from incident_response.sources.data_quality import DataQualitySource

from .again import ByLooking, World, name, unanswered
from .base import Look
from .data_memory import NEVER

_BY_PAST = (Anomaly, Loss)  # judged by their own history
_BROKEN = "DataQueryFailed"


class DataQualityAgain(ByLooking[DataQualitySource]):
    """Runs the checks at once, whatever their rhythm; one red answer is enough."""

    kind: ClassVar[str] = "data_quality"

    def covers(self, source: DataQualitySource, sighting: Sighting, world: World) -> bool:
        """When the check is still there, and can be judged without its past."""
        check = _check_of(source, sighting)
        if check is None:
            return False
        return not isinstance(check, _BY_PAST) or name(sighting) == _BROKEN or _band(sighting) is not None

    def strict(self, source: DataQualitySource, seen: Sequence[Sighting]) -> DataQualitySource:
        """The checks in question."""
        checks: dict[str, AnyCheck] = {}
        for sighting in seen:
            check = _check_of(source, sighting)
            if check is not None and (check.name not in checks or _band(sighting)):
                checks[check.name] = _at_once(check, sighting)
        return source.model_copy(update={"checks": tuple(checks.values()), "query_failures": 1})

    def fires(self, source: DataQualitySource, sighting: Sighting, look: Look) -> bool:
        """Any finding of the check counts: a stale table that is empty now has another name."""
        check = sighting.labels["check"]
        found = {signal.name: signal for signal in look.firing if signal.labels["check"] == check}
        if look.memory[check]["at"] == NEVER.isoformat():
            raise unanswered(source, f"the check {check}", "its turn did not come in time")
        if name(sighting) == _BROKEN:
            return _BROKEN in found
        if _BROKEN in found:
            raise unanswered(source, f"the check {check}", str(found[_BROKEN].details["error"]))
        return bool(found)


def _check_of(source: DataQualitySource, sighting: Sighting) -> AnyCheck | None:
    of = (sighting.labels.get("check"), sighting.labels.get("table"))
    return next((check for check in source.checks if (check.name, check.table) == of), None)


def _at_once(check: AnyCheck, sighting: Sighting) -> AnyCheck:
    if not isinstance(check, _BY_PAST):
        return check.model_copy(update={"failures": 1, "every": None})
    # Its past is with the detector; what was usual is with the finding, and is as good here.
    low, high = _band(sighting) or (-math.inf, math.inf)
    kept = {"name", "table", "service", "sql", "parameters", "alertname"}
    common: Mapping[str, Any] = check.model_dump(include=kept)
    return Volume(kind="volume", at_least=low, at_most=None if math.isinf(high) else high, **common)


def _band(sighting: Sighting) -> tuple[float, float] | None:
    """What was usual when it was found; of what was lost, what there was before."""
    low = sighting.details.get("usual_from", sighting.details.get("kept_from"))
    high = sighting.details.get("usual_to", math.inf)
    return (float(low), float(high)) if low is not None and high is not None else None
