"""What the server's answer means: values against thresholds, with hysteresis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from incident_response.domain.redaction import one_line
from incident_response.domain.times import in_words
from incident_response.sizes import size_in_words
from incident_response.sources.postgres import PostgresSource, Sessions
from incident_response.sql_text import without_literals

_NEARLY = 95.0  # percent: exhaustion and size end below this part of their limit
_HIDDEN = "statements and states of other users are hidden; GRANT pg_monitor to the login to see them"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `age` in seconds: for how long it has been."""

    name: str
    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)
    age: float = 0


class Judge:
    """Judges answers, the JSON of STATEMENT. `held` names what fired at the last look; it ends later."""

    def __init__(self, source: PostgresSource, service: str, held: frozenset[str]) -> None:
        self._source, self._service, self._held = source, service, held

    def findings(self, answer: Mapping[str, Any]) -> list[Finding]:
        """All that is wrong."""
        found = [
            *self._connections(answer),
            *self._sessions(answer, "idle", "DatabaseIdleInTransaction", self._source.idle_in_transaction,
                            "idle in an open transaction"),
            *self._blocked(answer),
            *self._sessions(answer, "running", "DatabaseLongRunningQuery", self._source.long_running,
                            "running one statement"),
            *self._replication(answer),
            *self._size(answer),
        ]  # fmt: skip
        common = {"server_version": answer["version"], "slow_queries": answer["slow"]}
        if answer["hidden"]:
            common |= {"hidden_sessions": answer["hidden"], "note": _HIDDEN}
        return [Finding(f.name, f.summary, {**f.details, **common}, f.age) for f in found]

    def _connections(self, answer: Mapping[str, Any]) -> Iterator[Finding]:
        limits = self._source.connections_percent
        room = max(1, answer["most"] - answer["reserved"])
        used = answer["used"]
        percent = 100 * used / room
        details = {
            "value": used,
            "percent": round(percent, 1),
            "available": room,
            "max_connections": answer["most"],
            "by_state": answer["states"],
            "most_by": _plain(answer["holders"]),
        }
        exhausted = percent >= (_NEARLY if "DatabaseConnectionsExhausted" in self._held else 100)
        if exhausted:
            yield Finding(
                "DatabaseConnectionsExhausted",
                f"{self._service}: no connection is left, {used} of {room} are in use",
                {**details, "threshold": room},
            )
        # Who is told that none is left need not be told that few are; what was told before goes on.
        high = "DatabaseConnectionsHigh" in self._held
        if limits and percent >= (limits.clear if high else limits.warn) and (high or not exhausted):
            yield Finding(
                "DatabaseConnectionsHigh",
                f"{self._service}: {used} of {room} connections are in use "
                f"({percent:.0f} %, limit {limits.warn:g} %)",
                {**details, "threshold": limits.warn},
            )

    def _sessions(
        self, answer: Mapping[str, Any], key: str, name: str, limit: Sessions | None, doing: str
    ) -> Iterator[Finding]:
        count = answer[key]
        if limit is None or count < limit.count:
            return
        samples = [{"seconds": s["seconds"], **_plain(s["shown"])} for s in answer[f"{key}_sessions"]]
        longest = samples[0]["seconds"]
        yield Finding(
            name,
            f"{self._service}: {_counted(count)} {doing} for up to {_words(longest)} "
            f"(limit {in_words(limit.after)})",
            {"value": count, "longest_seconds": longest, "threshold": _limit(limit), "sessions": samples},
            longest - limit.after.total_seconds(),
        )

    def _blocked(self, answer: Mapping[str, Any]) -> Iterator[Finding]:
        limit = self._source.blocked
        count = answer["blocked"]
        if limit is None or count < limit.count:
            return
        waiting = [
            {**_plain({k: v for k, v in w.items() if k != "shown"}), **_plain(w["shown"])}
            for w in answer["blocked_sessions"]
        ]
        blockers = [_plain(blocker) for blocker in answer["blockers"] or ()]
        head: Mapping[str, Any] = blockers[0] if blockers else {}
        by = (
            f"{head.get('user') or 'unknown'} (pid {head['pid']})"
            if head.get("pid")
            else "a prepared transaction"
        )
        table = next((f" on {w['relation']}" for w in waiting if w.get("relation")), "")
        longest = waiting[0]["seconds"]
        yield Finding(
            "DatabaseLockBlocked",
            f"{self._service}: {_counted(count)} waiting for a lock{table} that {by} holds, for up to "
            f"{_words(longest)} (limit {in_words(limit.after)})",
            {
                "value": count,
                "longest_seconds": longest,
                "threshold": _limit(limit),
                "blocker": head,
                "blockers": blockers,
                "waiting": waiting,
            },
            longest - limit.after.total_seconds(),
        )

    def _replication(self, answer: Mapping[str, Any]) -> Iterator[Finding]:
        limit = self._source.replication_lag
        places = [*(answer["replicas"] or ()), *([answer["replay"]] if answer["replay"] else ())]
        if limit is None or not places:
            return
        part = 0.5 if "DatabaseReplicationLag" in self._held else 1.0
        seconds = max((p["seconds"] or 0 for p in places), default=0)
        size = max((p["bytes"] or 0 for p in places), default=0)
        late = limit.time is not None and seconds >= limit.time.total_seconds() * part
        far = limit.bytes is not None and size >= limit.bytes * part
        if not late and not far:
            return
        words = _words(seconds) if late or limit.bytes is None else size_in_words(size)
        most = in_words(limit.time) if late and limit.time else size_in_words(limit.bytes or 0)
        where = "this replica" if answer["replay"] else "a replica"
        yield Finding(
            "DatabaseReplicationLag",
            f"{self._service}: {where} is {words} behind (limit {most})",
            {
                "value": {"seconds": seconds, "bytes": size},
                "threshold": {
                    "seconds": limit.time.total_seconds() if limit.time else None,
                    "bytes": limit.bytes,
                },
                "replicas": [_plain(place) for place in places],
            },
        )

    def _size(self, answer: Mapping[str, Any]) -> Iterator[Finding]:
        limit, size = self._source.size, answer["size"]
        if limit is None or size is None:
            return
        if size >= limit * (_NEARLY / 100 if "DatabaseSizeHigh" in self._held else 1):
            yield Finding(
                "DatabaseSizeHigh",
                f"{self._service}: the database has {size_in_words(size)} (limit {size_in_words(limit)})",
                {"value": size, "threshold": limit},
            )


def _plain(value: Any) -> Any:
    """For people and the store: statements without literals, everything short."""
    if isinstance(value, Mapping):
        return {
            k: one_line(without_literals(v)) if k == "query" and v else _plain(v) for k, v in value.items()
        }
    if isinstance(value, list):
        return [_plain(each) for each in value[:10]]
    return one_line(value, 100) if isinstance(value, str) else value


def _counted(count: int) -> str:
    return "1 session is" if count == 1 else f"{count} sessions are"


def _words(seconds: float) -> str:
    return in_words(timedelta(seconds=seconds))


def _limit(limit: Sessions) -> dict[str, Any]:
    return {"seconds": limit.after.total_seconds(), "sessions": limit.count}
