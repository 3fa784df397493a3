"""Polls, signs of life and policies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.records import NOT_CONFIGURED, Heartbeat, Poll
from incident_response.domain.times import utc

from ..documents import clean, plain
from ..rules import no_policy
from .state import Part, Policy
from .stored import stored


def is_due(poll: Poll, now: datetime) -> bool:
    """True when it may be claimed."""
    return poll.due_at <= now and (poll.claimed_until is None or poll.claimed_until <= now)


class Clocks(Part):
    """What the clocks leave and need beside incidents."""

    def polls(self) -> Sequence[Poll]:
        return sorted(self._state.polls.values(), key=lambda poll: poll.name)

    def ensure_polls(self, intervals: Mapping[str, timedelta], now: datetime) -> None:
        kept = self._state.polls
        self._state.polls = {
            name: kept.get(name) or Poll(name, now, interval) for name, interval in intervals.items()
        }
        for name, poll in self._state.polls.items():
            if poll.interval != intervals[name]:
                due_at = min(poll.due_at, now)
                self._state.polls[name] = replace(poll, interval=intervals[name], due_at=due_at)

    def claim_polls(
        self, now: datetime, by: str, lease: timedelta, names: Collection[str] | None = None
    ) -> Sequence[Poll]:
        due = [p for p in self._state.polls.values() if is_due(p, now) and (names is None or p.name in names)]
        taken = [
            replace(poll, claimed_by=by, claimed_until=now + lease, last_started_at=now, last_by=by)
            for poll in sorted(due, key=lambda poll: (poll.due_at, poll.name))
        ]
        self._state.polls.update({poll.name: poll for poll in taken})
        return taken

    def finish_poll(self, name: str, now: datetime, cursor: Mapping[str, Any] | None, error: str) -> None:
        poll = self._state.polls.get(name)
        if poll is None:
            return
        self._state.polls[name] = replace(
            poll,
            due_at=now + poll.interval,
            cursor=poll.cursor if cursor is None else plain(cursor),
            claimed_by="",
            claimed_until=None,
            last_ok_at=poll.last_ok_at if error else now,
            failures=poll.failures + 1 if error and not error.startswith(NOT_CONFIGURED) else 0,
            error=clean(error),
        )

    def beat(self, heartbeat: Heartbeat) -> None:
        self._state.heartbeats[heartbeat.name] = stored(heartbeat)

    def heartbeats(self, since: datetime) -> Sequence[Heartbeat]:
        found = sorted(self._state.heartbeats.values(), key=lambda heartbeat: heartbeat.name)
        return sorted((h for h in found if h.at >= since), key=lambda heartbeat: heartbeat.at, reverse=True)

    def keep_policy(self, digest: str, source: str, now: datetime) -> None:
        self._state.policies.setdefault(digest, Policy(clean(source), utc(now)))

    def policy_source(self, digest: str) -> str:
        if digest not in self._state.policies:
            raise no_policy(digest)
        return self._state.policies[digest].source

    def latest_policy(self) -> str | None:
        latest = max(self._state.policies.values(), key=lambda kept: kept.at, default=None)
        return latest.source if latest else None
