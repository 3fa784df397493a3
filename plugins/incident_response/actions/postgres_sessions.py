"""The sessions of a server at one moment, and who of them waits for whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .postgres_shown import seconds, statement

# Times are taken as text and given back as they are: only so a session can be known again to the microsecond.
SURVEY = """
WITH wait AS (  -- pg_locks tells since when from version 14 on
    SELECT DISTINCT ON (l.pid) l.pid, l.mode,
        CASE WHEN l.relation IS NOT NULL AND l.database =
            (SELECT oid FROM pg_database WHERE datname = current_database()) THEN l.relation::regclass::text
        END AS relation,
        to_jsonb(l) ->> 'waitstart' AS waitstart
    FROM pg_locks l WHERE NOT l.granted ORDER BY l.pid
), blocked AS (
    SELECT wait.*, pg_blocking_pids(pid) AS blockers FROM wait
), session AS (
    SELECT a.pid, a.backend_start::text AS started, a.datname AS database, a.usename AS "user",
        a.application_name AS application, host(a.client_addr) AS client, a.backend_type AS type, a.state,
        a.state_change::text AS changed, a.query_start::text AS query_start, a.xact_start::text AS xact_start,
        left(a.query, 4000) AS query, a.wait_event_type AS waits_on,
        a.backend_xid IS NOT NULL AS writes,
        coalesce(r.rolsuper, false) AS superuser,
        coalesce(a.query = '<insufficient privilege>', false) AS hidden,
        coalesce(pg_has_role(a.usesysid, 'USAGE')
            OR pg_has_role('pg_signal_backend', 'USAGE'), false) AS ours,
        extract(epoch FROM now() - a.state_change)::float AS state_seconds,
        extract(epoch FROM now() - a.query_start)::float AS query_seconds,
        extract(epoch FROM now() - a.xact_start)::float AS xact_seconds,
        CASE WHEN b.pid IS NOT NULL THEN
            extract(epoch FROM now() - coalesce(b.waitstart::timestamptz, a.query_start))::float
        END AS wait_seconds,
        b.mode, b.relation, coalesce(b.blockers, '{}') AS blockers
    FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid LEFT JOIN blocked b ON b.pid = a.pid
    WHERE a.pid <> pg_backend_pid()
)
SELECT json_build_object(
    'database', current_database(),
    'login', current_user,
    'version', current_setting('server_version'),
    'room', greatest(1, current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)),
    'sessions', (SELECT coalesce(json_agg(s ORDER BY s.pid), '[]') FROM session s))
"""


@dataclass(frozen=True)
class Backend:
    """One server process, as pg_stat_activity tells of it."""

    pid: int
    started: str | None
    database: str | None
    user: str | None
    application: str | None
    client: str | None
    type: str | None
    state: str | None
    changed: str | None  # when the state changed
    query_start: str | None
    xact_start: str | None  # None: no transaction is open
    query: str | None
    waits_on: str | None
    writes: bool  # its transaction has an id, so it has changed something
    superuser: bool
    hidden: bool  # our login may not see what it does
    ours: bool  # our login may end it
    state_seconds: float | None
    query_seconds: float | None
    xact_seconds: float | None
    wait_seconds: float | None  # None: it waits for no lock
    mode: str | None
    relation: str | None
    blockers: list[int]  # whom it waits for; 0 is a prepared transaction

    @property
    def is_client(self) -> bool:
        """A client's session, not replication and not a process of the server itself."""
        return self.type == "client backend" or (
            self.type is None and self.user is not None and self.database is not None
        )

    @property
    def idle_in_transaction(self) -> bool:
        """Open transaction, no statement. An aborted one counts, too."""
        return (self.state or "").startswith("idle in transaction")

    @property
    def active(self) -> bool:
        """A statement runs."""
        return self.state in ("active", "fastpath function call")

    @property
    def named(self) -> str:
        """For people: `pid 4711 (app, etl)`."""
        who = ", ".join(part for part in (self.user, self.application) if part) or self.type or "unknown"
        return f"pid {self.pid} ({who})"

    def shown(self) -> dict[str, Any]:
        """For findings and exhibits."""
        return {
            "pid": self.pid,
            "user": (self.user or "")[:100],
            "application": (self.application or "")[:100],
            "database": (self.database or "")[:100],
            "client": self.client,
            "state": self.state if self.is_client else self.type,
            "state_for": seconds(self.state_seconds) if self.state_seconds is not None else None,
            "transaction_for": seconds(self.xact_seconds) if self.xact_seconds is not None else None,
            "writes": self.writes,
            "query": statement(self.query),
        }


@dataclass(frozen=True)
class Root:
    """Who stands at the head of a queue for locks, and waits for nobody."""

    pid: int
    waiting: int  # sessions that wait for it, also behind others
    longest: float  # seconds


@dataclass(frozen=True)
class Survey:
    """The answer to SURVEY. Our own session is not in it."""

    database: str
    login: str
    version: str
    room: int  # connections that ordinary users can have
    sessions: tuple[Backend, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Survey:
        """From JSON."""
        sessions = tuple(Backend(**row) for row in answer["sessions"])
        return cls(**{**answer, "sessions": sessions})

    @property
    def clients(self) -> list[Backend]:
        """Those that take a connection from others."""
        return [backend for backend in self.sessions if backend.is_client]

    @property
    def waiting(self) -> list[Backend]:
        """Those that wait for a lock that somebody holds, the longest wait first."""
        found = [backend for backend in self.sessions if backend.blockers]
        return sorted(found, key=lambda backend: -(backend.wait_seconds or 0))

    @property
    def by_pid(self) -> dict[int, Backend]:
        """Sessions by pid."""
        return {backend.pid: backend for backend in self.sessions}

    def roots(self) -> list[Root]:
        """Heads of the queues, the one that holds up most first."""
        behind: dict[int, dict[int, float]] = {}
        for backend in self.waiting:
            for pid in self._heads(backend.pid):
                behind.setdefault(pid, {})[backend.pid] = backend.wait_seconds or 0
        found = [Root(pid, len(them), max(them.values())) for pid, them in behind.items()]
        return sorted(found, key=lambda root: (-root.waiting, root.pid))

    def tree(self) -> list[str]:
        """The queues for people: each session once, below the one that it waits for most directly."""
        lines: list[str] = []
        below: dict[int, list[int]] = {}
        level, seen = [root.pid for root in self.roots()], set[int]()
        todo = [(pid, 0) for pid in reversed(level)]
        seen.update(level)
        while level:
            following: list[int] = []
            for pid in level:
                below[pid] = [b.pid for b in self.waiting if pid in b.blockers and b.pid not in seen]
                seen.update(below[pid])
                following += below[pid]
            level = following
        while todo:
            pid, depth = todo.pop()
            lines.append("  " * min(depth, 20) + self._line(pid))
            todo += [(waiting, depth + 1) for waiting in reversed(below[pid])]
        return lines

    def _heads(self, pid: int) -> Iterator[int]:
        seen, todo, known = {pid}, [pid], self.by_pid
        while todo:
            here = todo.pop()
            blockers = known[here].blockers if here in known else []
            if not blockers and here != pid:
                yield here
            new = [blocker for blocker in dict.fromkeys(blockers) if blocker not in seen]
            seen.update(new)  # a deadlock is a circle, until the server breaks it
            todo += new

    def _line(self, pid: int) -> str:
        backend = self.by_pid.get(pid)
        if backend is None:
            return "a prepared transaction" if pid == 0 else f"pid {pid}"
        wait = ""
        if backend.blockers:
            on = f" on {backend.relation}" if backend.relation else ""
            wait = f" waits {seconds(backend.wait_seconds)} for {backend.mode or 'a lock'}{on}"
        return f"{backend.named} {backend.state or backend.type}{wait}: {statement(backend.query)}"
