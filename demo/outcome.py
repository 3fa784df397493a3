"""What became of one pipeline: read from the store and from Airflow when its story is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from incident_response.domain.changes import OutgoingKind
from incident_response.domain.incidents import Incident
from incident_response.domain.pipeline_signals import TASK_FAILED
from incident_response.domain.ports import Store
from incident_response.domain.records import OutgoingState, Parcel
from incident_response.domain.runbooks import Remediation
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.transactions import Transaction

from .runs import PipelineRun


@dataclass(frozen=True)
class Page:
    """One page that was sent."""

    level: int
    name: str
    reason: str
    after: float  # seconds after the incident was opened
    late: float  # seconds from the moment it was due to the moment it was delivered
    delivered: bool


@dataclass(frozen=True)
class Outcome:
    """Times are seconds, counted from the failure."""

    run: PipelineRun
    run_state: str
    tries: Sequence[int]  # of each instance of the failing task
    incidents: Sequence[Incident]  # of this pipeline, newest last; one is right
    source: str = ""
    opened_after: float | None = None
    restarted_after: float | None = None
    resolved_after: float | None = None
    signals: int = 0
    instances: int = 0  # distinct instances of the failing task among the signals
    pages: Sequence[Page] = ()
    messages: int = 0  # all that went to people, pages included
    remediations: Sequence[Remediation] = ()

    @property
    def incident(self) -> Incident | None:
        """The incident, None when the failure was not found."""
        return self.incidents[-1] if self.incidents else None


def look(store: Store, run: PipelineRun) -> Outcome:
    """Gather the facts of one pipeline."""
    with store.read() as tx:
        incidents = incidents_of(tx, run.pipeline.dag_id)
        known = Outcome(run, run.state, run.tries(), incidents)
        if not incidents:
            return known
        return _with_incident(tx, known, incidents[-1])


def incidents_of(tx: Transaction, dag_id: str) -> list[Incident]:
    """All incidents of a pipeline, open or not, oldest first."""
    found = [row.incident for row in tx.board(500)]
    found += tx.recent(datetime.fromtimestamp(0).astimezone(), 500)
    return sorted((one for one in found if one.service == dag_id), key=lambda one: one.number)


def _with_incident(tx: Transaction, known: Outcome, incident: Incident) -> Outcome:
    timeline, sightings = tx.timeline(incident.number), tx.sightings(incident.number)
    opened = next(event for event in timeline if event.kind is EventKind.OPENED)
    # Airflow writes the end of a task when its process has ended, after the callback: the earlier one counts.
    occurred_at = datetime.fromisoformat(opened.data["occurred_at"])
    failed_at = min(occurred_at, known.run.failed_at() or occurred_at)
    parcels = [
        parcel for parcel in tx.parcels(incident.number) if parcel.outgoing.kind is not OutgoingKind.RUN
    ]
    failures = [one.labels for one in sightings if one.labels.get("alertname") == TASK_FAILED]
    return Outcome(
        known.run,
        known.run_state,
        known.tries,
        known.incidents,
        source=str(opened.data["source"]),
        opened_after=_seconds(failed_at, incident.opened_at),
        restarted_after=_seconds(failed_at, known.run.restarted_at()),
        resolved_after=_seconds(failed_at, incident.resolved_at),
        signals=sum(one.count for one in sightings),
        instances=len({labels["map_index"] for labels in failures}),
        pages=[_page(parcel, opened) for parcel in parcels if parcel.outgoing.kind is OutgoingKind.PAGE],
        messages=sum(parcel.state is OutgoingState.DELIVERED for parcel in parcels),
        remediations=tx.remediations(incident.number),
    )


def _page(parcel: Parcel, opened: TimelineEvent) -> Page:
    data, sent_at = parcel.outgoing.data, parcel.settled_at or parcel.created_at
    due_at = datetime.fromisoformat(data["due_at"])
    return Page(
        data["level"],
        data["level_name"],
        data["reason"],
        after=(sent_at - opened.at) / timedelta(seconds=1),
        late=(sent_at - due_at) / timedelta(seconds=1),
        delivered=parcel.state is OutgoingState.DELIVERED,
    )


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    return (until - since) / timedelta(seconds=1) if since and until else None
