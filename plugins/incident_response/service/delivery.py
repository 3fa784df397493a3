"""Delivery: the outbox. Claim due rows, deliver outside any transaction, write how it went."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from incident_response.domain.changes import OutgoingKind
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, IncidentResponseError
from incident_response.domain.incidents import Incident
from incident_response.domain.logs import logger
from incident_response.domain.ports import Channel, Renderer, Runs, Store
from incident_response.domain.records import OutgoingState, Parcel, Settlement
from incident_response.domain.timeline import EventKind, TimelineEvent

log = logger(__name__)

LEASE = timedelta(seconds=60)
_PARALLEL = 8
_BACKOFF = (2, 5, 15, 30, 60, 120, 300)  # seconds before the next attempt; the last one repeats
_GIVE_UP_AFTER = timedelta(hours=24)
_NOT_REPEATED = "an earlier attempt was interrupted; whether it arrived is unknown, it is not sent again"


@dataclass
class _Round:
    """What one round did: how attempts ended, and the facts for the timelines."""

    settlements: list[Settlement] = field(default_factory=list)
    events: dict[int, list[TimelineEvent]] = field(default_factory=dict)

    def settle(
        self, parcel: Parcel, state: OutgoingState, error: str = "", retry_at: datetime | None = None
    ) -> None:
        self.settlements.append(Settlement(parcel.id, state, error[:500], retry_at))

    def tell(self, parcel: Parcel, kind: EventKind, text: str, now: datetime) -> None:
        data = {
            "channel": parcel.outgoing.channel,
            "receiver": parcel.outgoing.receiver,
            "attempts": parcel.attempts,
        }
        event = TimelineEvent(now, kind, "system:delivery", text, data)
        self.events.setdefault(parcel.outgoing.incident, []).append(event)


class Delivery:
    """Delivers messages through `channels` (by name) and starts DAG runs through `runs`."""

    def __init__(self, store: Store, channels: Mapping[str, Channel], runs: Runs, renderer: Renderer) -> None:
        self._store, self._channels, self._runs, self._renderer = store, channels, runs, renderer
        self._unwritten: deque[_Round] = deque()
        self._writing = threading.Lock()

    def deliver(self, now: datetime, by: str, limit: int = 20) -> int:
        """Try every due row once, at most `limit`; returns how many were tried."""
        self.finish(now)
        with self._store.transaction() as tx:
            parcels = tx.claim(now, by, LEASE, limit)
        if not parcels:
            return 0
        round_ = _Round()
        runs = [parcel for parcel in parcels if parcel.outgoing.kind is OutgoingKind.RUN]
        messages = [parcel for parcel in parcels if parcel.outgoing.kind is not OutgoingKind.RUN]
        with ThreadPoolExecutor(_PARALLEL) as pool:  # one receiver that hangs holds back no other
            started = pool.submit(self._start_all, runs, now, round_)
            list(pool.map(lambda parcel: self._one(parcel, now, round_), messages))
            started.result()
        with self._writing:
            self._unwritten.append(round_)
        self.finish(now)
        return len(parcels)

    def finish(self, now: datetime) -> None:
        """Write how attempts ended, also those that could not be written because the store had gone away.

        This process still knows it: a page that was sent a moment before must not be sent again.
        """
        with self._writing:
            while self._unwritten:
                round_ = self._unwritten[0]
                with self._store.transaction() as tx:
                    tx.settle(round_.settlements, now)
                    for incident, events in round_.events.items():
                        tx.add_events(incident, events)
                self._unwritten.popleft()

    def _start_all(self, runs: Sequence[Parcel], now: datetime, round_: _Round) -> None:
        """One after the other: with SQLite below it, Airflow blocks itself when two runs are started at once.

        When Airflow does not answer, the rest waits for another round: messages must not wait for this one.
        """
        away: AirflowUnavailable | None = None
        for parcel in runs:
            if away is None:
                away = self._one(parcel, now, round_)
            else:
                self._failed(parcel, away, now, round_)

    def _one(self, parcel: Parcel, now: datetime, round_: _Round) -> AirflowUnavailable | None:
        """Try one row; whatever goes wrong is settled with it. The answer: Airflow is away."""
        outgoing = parcel.outgoing
        if parcel.interrupted and outgoing.kind is OutgoingKind.NOTICE:
            round_.settle(parcel, OutgoingState.UNKNOWN, _NOT_REPEATED)
            round_.tell(parcel, EventKind.DELIVERY_FAILED, f"{_what(parcel)}: {_NOT_REPEATED}", now)
            return None
        try:
            with self._store.read() as tx:
                incident, timeline = tx.get(outgoing.incident), tx.timeline(outgoing.incident, 200)
            if not _still_needed(parcel, incident):
                round_.settle(
                    parcel, OutgoingState.SKIPPED, f"{incident.key} was {incident.status.value} before"
                )
                return None
            if outgoing.kind is OutgoingKind.RUN:
                self._start(parcel, now, round_)
            else:
                self._send(parcel, incident, timeline, now, round_)
        except AirflowRefused as error:
            # 4xx: repeating helps only once a person has mended it (missing DAG, wrong login), so slowly.
            self._failed(parcel, error, now, round_, slowest=True)
        except AirflowUnavailable as error:
            self._failed(parcel, error, now, round_)
            return error
        except IncidentResponseError as error:
            self._failed(parcel, error, now, round_)
        except Exception as error:  # one message that cannot be sent must not hold back the others
            log.exception("delivery of %s", outgoing.key)
            self._failed(parcel, error, now, round_)
        return None

    def _start(self, parcel: Parcel, now: datetime, round_: _Round) -> None:
        outgoing = parcel.outgoing
        self._runs.start(outgoing.receiver, outgoing.template, outgoing.incident)
        round_.settle(parcel, OutgoingState.DELIVERED)

    def _send(
        self,
        parcel: Parcel,
        incident: Incident,
        timeline: Sequence[TimelineEvent],
        now: datetime,
        round_: _Round,
    ) -> None:
        outgoing = parcel.outgoing
        channel = self._channels.get(outgoing.channel)
        if channel is None:
            round_.settle(parcel, OutgoingState.FAILED, f"there is no channel {outgoing.channel!r}")
            round_.tell(parcel, EventKind.DELIVERY_FAILED, f"{_what(parcel)}: there is no such channel", now)
            return
        channel.deliver(parcel, self._renderer.message(parcel, incident, timeline))
        round_.settle(parcel, OutgoingState.DELIVERED)
        again = " (possibly a repeat: an earlier attempt was interrupted)" if parcel.interrupted else ""
        round_.tell(parcel, EventKind.DELIVERED, f"{_what(parcel)} delivered{again}", now)

    def _failed(
        self, parcel: Parcel, error: Exception, now: datetime, round_: _Round, *, slowest: bool = False
    ) -> None:
        """Try again later; after a day give up, and say so either way."""
        text = str(error) if isinstance(error, IncidentResponseError) else type(error).__name__
        if now - parcel.created_at > _GIVE_UP_AFTER:
            round_.settle(parcel, OutgoingState.FAILED, text)
            round_.tell(
                parcel, EventKind.DELIVERY_FAILED, f"{_what(parcel)} given up after a day: {text}", now
            )
            return
        seconds = (
            _BACKOFF[min(parcel.attempts, len(_BACKOFF)) - 1]
            if not slowest
            else max(30, _BACKOFF[min(parcel.attempts, len(_BACKOFF)) - 1])
        )
        round_.settle(parcel, OutgoingState.PENDING, text, now + timedelta(seconds=seconds))
        if parcel.attempts == 1:
            round_.tell(
                parcel, EventKind.DELIVERY_FAILED, f"{_what(parcel)} failed, it is tried again: {text}", now
            )


def _still_needed(parcel: Parcel, incident: Incident) -> bool:
    """A page or a run for something that is over in the meantime helps nobody; a resolution notice is
    always due.
    """
    return incident.status.is_open or parcel.outgoing.kind is OutgoingKind.NOTICE


def _what(parcel: Parcel) -> str:
    outgoing = parcel.outgoing
    if outgoing.kind is OutgoingKind.RUN:
        return f"Start of DAG run {outgoing.receiver} {outgoing.template}"
    kind = f"Page of Level {outgoing.data['level']}" if outgoing.kind is OutgoingKind.PAGE else "Message"
    return f"{kind} by {outgoing.channel} to {outgoing.receiver}"
