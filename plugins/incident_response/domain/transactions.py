"""Transaction: all that the service layer asks of the store, as a protocol."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from .automation import Lease, Switch, Touch
from .changes import Change
from .evidence import KeptExhibit
from .incidents import Incident
from .records import (
    BoardRow,
    Heartbeat,
    Held,
    Integration,
    Parcel,
    Poll,
    Role,
    Settlement,
    Sighting,
)
from .runbooks import Remediation, StepResult
from .severities import Scenario
from .silences import Silence
from .timeline import TimelineEvent
from .timers import Firing

EVERY = 2**31 - 1  # as a limit: all there are; what decides something must not look at a part


class Transaction(Protocol):
    """One transaction: everything in it happens or nothing. Incidents it returns from lock_* are locked
    until its end.

    An incident's row is the lock for its timers, signals, remediations and messages: lock it before
    changing them.
    """

    # incidents, written
    def allocate(self, count: int) -> Sequence[int]:
        """Fresh incident numbers. Gaps are allowed, reuse never."""

    def lock(self, numbers: Collection[int]) -> Mapping[int, Incident]:
        """The incidents with these numbers (missing ones are absent)."""

    def lock_current(self, dedup_keys: Collection[str], resolved_since: datetime) -> Mapping[str, Incident]:
        """By dedup_key: the open incident, else the latest one resolved (not closed) since
        `resolved_since`.
        """

    def lock_due(self, now: datetime, limit: int) -> Sequence[Incident]:
        """Incidents with next_due_at <= now, the most overdue first; those locked by others are skipped."""

    def insert(self, changes: Sequence[Change]) -> Collection[int]:
        """Write new incidents with all that comes with them; returns the numbers written.

        A number is missing when another transaction opened an incident of the same dedup_key first: nothing
        of that
        change was written, and lock_current now finds the winner.
        """

    def save(self, changes: Sequence[Change]) -> None:
        """Write changes of locked incidents: record, events, outbox (a key that exists is kept), firings,
        remediations.
        """

    # incidents of one cause
    def lock_gathering(self) -> None:
        """Wait until nobody else gathers incidents or takes signals in; until the end of this transaction
        nobody does. Ask for it first.
        """

    def bar_gathering(self) -> None:
        """Wait until nobody gathers incidents; until the end of this transaction nobody does, but others may
        bar it, too. So what takes signals in and what moves them never wait for each other's rows crosswise,
        and no signal is counted into an incident that is merged at the same moment. Ask for it first.
        """

    def open_on(self, services: Collection[str]) -> Sequence[Incident]:
        """Open incidents of these services, oldest first, not locked."""

    def opened(self, above: int, since: datetime) -> Sequence[tuple[Scenario, str]]:
        """Scenario and service of open incidents with a higher number, opened since then."""

    def open_above(self, above: int, since: datetime) -> Sequence[Incident]:
        """Open incidents with a higher number, opened since then, oldest first, not locked."""

    def owe_gathering(self, numbers: Collection[int], now: datetime) -> None:
        """These incidents are open and have yet to be gathered; known until `gathered`, even after a
        crash.
        """

    def owed(self, before: datetime) -> Collection[int]:
        """The incidents that were owed before that moment, and still are."""

    def gathered(self, numbers: Collection[int]) -> None:
        """Those owed together with these are owed no more."""

    def merged(self, dedup_keys: Collection[str]) -> Mapping[str, tuple[int, str]]:
        """By dedup_key: number and service of the open incident into which the latest one of this key was
        merged, however often.
        """

    def holding(self, fingerprints: Collection[str]) -> Mapping[str, int]:
        """By fingerprint: the open incident, the latest one, that has it as its own signal."""

    def move_signals(self, number: int, to: int, role: Role) -> None:
        """Give all signals of an incident to another one, which counts them in; its own ones as `role`."""

    def take_signals(self, number: int, keys: Collection[tuple[str, str]]) -> Sequence[Sighting]:
        """Remove (source, fingerprint) signals from an incident, and return them."""

    def skip_parcels(self, number: int, now: datetime) -> int:
        """Messages of an incident that nobody has begun to send are not needed any more; returns how many."""

    def followed(self, fingerprints: Collection[str]) -> Sequence[Sighting]:
        """The consequences of these that fire, the oldest incident's first: of open incidents, and of those
        that are over and have not released them yet.
        """

    def waiting(self) -> Sequence[Sighting]:
        """Firing signals of open incidents, in whatever role, that name what they waited for."""

    def lock_orphans(self, limit: int) -> Sequence[Sighting]:
        """Consequences that still fire although their incident is over."""

    def release(self, sightings: Sequence[Sighting]) -> None:
        """They were taken in again on their own."""

    # silences
    def silences(self, now: datetime) -> Sequence[Silence]:
        """Those that have not ended, the one that ends first first."""

    def add_silence(self, silence: Silence) -> None:
        """Keep a new one; its id is unique."""

    def end_silence(self, id: str, now: datetime) -> bool:
        """End one now, and look at what it holds; False when there is none that lasts."""

    def hold(self, held: Sequence[Held]) -> None:
        """Keep signals, one for each source and fingerprint: what arrives counts, of happenings what
        happened later.
        """

    def drop_held(self, keys: Collection[tuple[str, str]]) -> None:
        """Forget the held signals of these sources and fingerprints."""

    def lock_held(self, now: datetime, limit: int) -> Sequence[Held]:
        """Held signals whose mute has ended."""

    def held(self, limit: int) -> Sequence[Held]:
        """All muted signals, those whose mute ends first first."""

    def held_of(self, fingerprints: Collection[str]) -> Sequence[Held]:
        """All that waits of these, muted ones and ends."""

    def held_from(self, source: str) -> Sequence[Held]:
        """All muted signals of one source."""

    def ended(self, dedup_keys: Collection[str]) -> Sequence[Held]:
        """Resolved signals of these causes that wait for the firing ones they came before."""

    # signals
    def record(self, sightings: Sequence[Sighting]) -> None:
        """Count signals into their incidents; keys (incident, source, fingerprint) are unique within one
        call. What is told now is the last word; of happenings (`occurrence`) the latest by `last_at` is.
        """

    def seen(self, fingerprints: Collection[str]) -> Collection[tuple[str, str]]:
        """All (fingerprint, occurrence) pairs with an occurrence kept for these, in incidents of any
        status.
        """

    def told_of(self, number: int, fingerprints: Collection[str]) -> Sequence[Sighting]:
        """What an incident keeps of these."""

    def known(self, fingerprints: Collection[str]) -> Collection[str]:
        """Those of which any incident keeps anything."""

    def firing(self, numbers: Collection[int]) -> Mapping[int, int]:
        """By incident: how many of its own fingerprints fire (0 when none); consequences do not count."""

    # outbox
    def claim(self, now: datetime, by: str, lease: timedelta, limit: int) -> Sequence[Parcel]:
        """Take due rows, and rows whose claim ran out (`interrupted`), for `lease`; counts attempts up."""

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        """Write how attempts ended."""

    def add_events(self, incident: int, events: Sequence[TimelineEvent]) -> None:
        """Append facts without touching the record."""

    # effects of runbook steps
    def begin_effect(self, key: str, incident: int, by: str, now: datetime) -> str | None:
        """Write the key before trying an effect.

        None: it is yours to try; else the state found: `begun` or `done`.
        """

    def begun(self, keys: Collection[str]) -> Collection[str]:
        """Those of these keys that are written already."""

    def end_effect(self, key: str, now: datetime, detail: Mapping[str, Any]) -> None:
        """The effect happened: state `done`."""

    # steps of remediations, leases, switches
    def put_step(self, result: StepResult) -> None:
        """Insert or update what became of one step, by (incident, attempt, step)."""

    def steps(self, number: int) -> Sequence[StepResult]:
        """Steps of all remediations of an incident, in the order they began."""

    def add_exhibits(self, exhibits: Sequence[KeptExhibit]) -> None:
        """Note where evidence is kept; the same one again replaces it."""

    def exhibits(self, number: int) -> Sequence[KeptExhibit]:
        """The evidence of an incident, oldest first."""

    def lease(self, target: str) -> Lease | None:
        """Who works on a target, also when the lease has run out. Locked in a transaction that writes."""

    def put_lease(self, lease: Lease) -> None:
        """Take or renew a lease."""

    def free_leases(self, number: int, attempt: int) -> None:
        """A remediation has ended: its targets are free."""

    def leases(self) -> Sequence[Lease]:
        """All leases, oldest first."""

    def put_switch(self, switch: Switch) -> None:
        """Set a switch."""

    def switches(self) -> Sequence[Switch]:
        """All switches that were ever set, by name."""

    def touches(self, runbook: str, targets: Collection[str], since: datetime) -> Sequence[Touch]:
        """Which remediations of this runbook that began to act since then have changed these things, or tried
        to, oldest first. In a transaction that writes, whoever asks for the same waits until its end.
        """

    def acted_since(self, since: datetime) -> int:
        """How many remediations that nobody asked for have begun to act since then."""

    # polls, heartbeats, policies
    def ensure_polls(self, intervals: Mapping[str, timedelta], now: datetime) -> None:
        """Make a row for each detector, drop rows of detectors that are gone, take over changed intervals."""

    def claim_polls(
        self, now: datetime, by: str, lease: timedelta, names: Collection[str] | None = None
    ) -> Sequence[Poll]:
        """Take the due polls (of `names`, or all) that nobody holds."""

    def finish_poll(self, name: str, now: datetime, cursor: Mapping[str, Any] | None, error: str) -> None:
        """Release it and set the next due time.

        cursor None keeps the old one; error "" means it went well, NOT_CONFIGURED that nobody wants it yet.
        """

    def beat(self, heartbeat: Heartbeat) -> None:
        """Insert or update a sign of life."""

    def keep_policy(self, digest: str, source: str, now: datetime) -> None:
        """Keep an escalation policy's text under its digest; known ones are left alone."""

    # integrations
    def add_integration(self, integration: Integration) -> bool:
        """Keep a new one; False when one of this name (or id) is there that is not revoked."""

    def revoke_integration(self, name: str, now: datetime) -> bool:
        """From now on its token opens nothing; False when none of this name was left to revoke."""

    def touch_integration(self, id: str, now: datetime) -> None:
        """It was used."""

    def note_refusal(self, id: str, refusal: str, remedy: str, now: datetime) -> None:
        """Something of it was refused for good; the latest is kept."""

    def integrations(self) -> Sequence[Integration]:
        """All, revoked ones too, oldest first."""

    # reading
    def policy_source(self, digest: str) -> str:
        """The text kept under `digest`."""

    def latest_policy(self) -> str | None:
        """The policy text kept last; None in a new store."""

    def get(self, number: int) -> Incident:
        """One incident, not locked. Raises IncidentNotFound."""

    def board(self, limit: int) -> Sequence[BoardRow]:
        """Open incidents, those that need something next first."""

    def recent(self, since: datetime, limit: int) -> Sequence[Incident]:
        """Resolved and closed incidents, latest first."""

    def timeline(self, number: int, limit: int = 1000) -> Sequence[TimelineEvent]:
        """Facts of an incident, oldest first (the latest `limit`)."""

    def sightings(self, number: int, limit: int = EVERY) -> Sequence[Sighting]:
        """Signals of an incident, oldest first."""

    def open_sightings(
        self, source: str, limit: int = EVERY, labels: Mapping[str, str] | None = None
    ) -> Sequence[Sighting]:
        """Signals of one source in open incidents, latest first; those only that have all of these labels,
        whose names are words.
        """

    def live(self, after: tuple[int, str, str], limit: int) -> Sequence[Sighting]:
        """Own signals that fire in open incidents, by (incident, source, fingerprint), behind `after`."""

    def firings(self, number: int) -> Sequence[Firing]:
        """Timers of an incident that came due, oldest first."""

    def remediations(self, number: int) -> Sequence[Remediation]:
        """Remediations of an incident, oldest first."""

    def remediation_history(self, runbook: str, target: str, since: datetime) -> Sequence[Remediation]:
        """Remediations of one target by one runbook across incidents, newest first."""

    def parcels(self, number: int) -> Sequence[Parcel]:
        """Outbox rows of an incident, oldest first."""

    def polls(self) -> Sequence[Poll]:
        """All detectors' rows, by name."""

    def heartbeats(self, since: datetime) -> Sequence[Heartbeat]:
        """Clocks seen since then, latest first."""

    def totals(self, now: datetime) -> Mapping[str, int]:
        """Counts: open, unacknowledged, overdue (next_due_at < now - 15 s), outbox_pending, outbox_failed."""

    def is_idle(self, now: datetime) -> bool:
        """True when no incident, outbox row, expired claim or poll is due: one cheap read."""

    def places_before(self, before: datetime) -> Sequence[str]:
        """Where the evidence is kept of the incidents that `prune` deletes."""

    def prune(self, before: datetime) -> Mapping[str, int]:
        """Delete settled outbox rows, firings' and heartbeats' leftovers and closed incidents older than
        `before`.
        """
