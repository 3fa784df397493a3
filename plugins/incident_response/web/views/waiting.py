"""Why nobody has been paged yet: a repair goes first, or something worse may turn out to be the cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from incident_response.bootstrap import Services
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.runbooks import Runbook


class Wait(str, Enum):
    """What the first page waits for."""

    RUNBOOK = "runbook"
    GROUPING = "grouping"
    GRACE = "grace"  # a time that the policy gives to a repair, though none is coming
    NOTHING = ""


@dataclass(frozen=True)
class Waiting:
    """What decides: the runbooks there are, and how long grouping waits."""

    runbooks: Mapping[str, Runbook]
    grouping: timedelta

    @classmethod
    def of(cls, services: Services) -> Waiting:
        """As it is in force."""
        return cls(services.library.runbooks(), services.library.grouping().wait)

    def repairs(self, runbook: str | None) -> bool:
        """True when something runs by itself; a written runbook is for people."""
        found = self.runbooks.get(runbook or "")
        return found is not None and not found.written

    def waits(self, incident: Incident, now: datetime) -> Wait:
        """What the first page of an incident waits for."""
        page_at = incident.page_at
        # A page that is due but not sent is a person's business: the clock may be what is broken.
        if incident.status is not Status.TRIGGERED or incident.pages or page_at is None or page_at <= now:
            return Wait.NOTHING
        if page_at - incident.started_at <= self.grouping:  # what a repair is given is longer
            return Wait.GROUPING
        return Wait.RUNBOOK if self.repairs(incident.runbook) else Wait.GRACE
