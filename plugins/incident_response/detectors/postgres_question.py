"""The one statement that asks a PostgreSQL server how it is; from version 10 on, with pg_monitor or without.

Without it the state of other users' sessions is NULL and their statement `<insufficient privilege>`; what
they lock, and for how long, is visible to everyone. A threshold that is NULL finds nothing.
"""

from __future__ import annotations

from typing import Any

from incident_response.sources.postgres import PostgresSource, Sessions

_SESSIONS = """
WITH session AS (
    SELECT a.*, left(a.query, 1000) AS statement,
        (a.backend_type = 'client backend'
            OR a.backend_type IS NULL AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL) AS client
    FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid()
), here AS (
    SELECT s.*, json_build_object('pid', s.pid, 'database', s.datname, 'user', s.usename,
        'application', s.application_name, 'client', host(s.client_addr), 'state', s.state,
        'transaction_seconds', extract(epoch FROM now() - s.xact_start)::bigint,
        'query', s.statement) AS shown
    FROM session s WHERE %(whole_server)s OR s.datname = current_database()
), idle AS (
    SELECT here.*, round(extract(epoch FROM now() - state_change)::numeric, 1) AS seconds FROM here
    WHERE client AND state LIKE 'idle in transaction%%'
        AND state_change < now() - make_interval(secs => %(idle)s)
), running AS (
    SELECT here.*, round(extract(epoch FROM now() - query_start)::numeric, 1) AS seconds FROM here
    WHERE client AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'
        AND query_start < now() - make_interval(secs => %(running)s)
        AND usename::text <> ALL(%(users)s::text[]) AND application_name <> ALL(%(applications)s::text[])
), wait AS (  -- pg_locks tells since when from version 14 on
    SELECT DISTINCT ON (here.pid) here.*, l.mode,
        CASE WHEN l.relation IS NOT NULL AND l.database =
            (SELECT oid FROM pg_database WHERE datname = current_database()) THEN l.relation::regclass::text
        END AS relation,
        round(extract(epoch FROM now() - CASE WHEN to_jsonb(l) ? 'waitstart'
            THEN (to_jsonb(l) ->> 'waitstart')::timestamptz ELSE here.query_start END)::numeric, 1) AS seconds
    FROM here JOIN pg_locks l ON l.pid = here.pid AND NOT l.granted ORDER BY here.pid
), blocked AS (
    SELECT wait.*, pg_blocking_pids(pid) AS blockers FROM wait WHERE seconds >= %(blocked)s
), blocker AS (  -- whoever waits for nobody stands at the head of the queue; pid 0 is a prepared transaction
    SELECT b.pid, count(*) AS blocks, bool_or(b.pid IN (SELECT pid FROM wait)) AS waits
    FROM blocked, unnest(blocked.blockers) AS b(pid) GROUP BY b.pid
)"""

_ANSWER = """
SELECT json_build_object(
    'version', current_setting('server_version'),
    'most', current_setting('max_connections')::int,
    'reserved', current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true)::int, 0),
    'used', (SELECT count(*) FROM session WHERE client),
    'hidden', (SELECT count(*) FROM session WHERE client AND query = '<insufficient privilege>'),
    'slow', (SELECT count(*) FROM here WHERE client AND state = 'active'
        AND query_start < now() - make_interval(secs => %(slow)s)),
    'states', (SELECT coalesce(json_object_agg(state, n), '{}') FROM
        (SELECT coalesce(state, 'hidden') AS state, count(*) AS n FROM session WHERE client GROUP BY 1) s),
    'holders', (SELECT json_agg(h) FROM (SELECT datname AS database, usename AS user,
        application_name AS application, count(*) AS connections
        FROM session WHERE client GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 5) h),
    'idle', (SELECT count(*) FROM idle),
    'idle_sessions', (SELECT json_agg(i) FROM
        (SELECT seconds, shown FROM idle ORDER BY seconds DESC LIMIT 5) i),
    'running', (SELECT count(*) FROM running),
    'running_sessions', (SELECT json_agg(r) FROM
        (SELECT seconds, shown FROM running ORDER BY seconds DESC LIMIT 5) r),
    'blocked', (SELECT count(*) FROM blocked WHERE cardinality(blockers) > 0),
    'blocked_sessions', (SELECT json_agg(w) FROM (SELECT seconds, relation, mode, blockers, shown
        FROM blocked WHERE cardinality(blockers) > 0 ORDER BY seconds DESC LIMIT 5) w),
    'blockers', (SELECT json_agg(b) FROM (SELECT blocker.pid, blocks, waits, session.datname AS database,
        session.usename AS user, session.application_name AS application, host(session.client_addr) AS client,
        session.state, session.statement AS query,
        extract(epoch FROM now() - session.xact_start)::bigint AS transaction_seconds
        FROM blocker LEFT JOIN session USING (pid) ORDER BY waits, blocks DESC LIMIT 5) b),
    'replicas', (SELECT json_agg(r) FROM (SELECT application_name AS application, host(client_addr) AS client,
        state, extract(epoch FROM replay_lag)::float AS seconds, CASE WHEN NOT pg_is_in_recovery() THEN
            pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint END AS bytes
        FROM pg_stat_replication WHERE state <> 'backup' ORDER BY bytes DESC NULLS LAST LIMIT 10) r),
    'replay', CASE WHEN pg_is_in_recovery() THEN (SELECT json_build_object('receiving', receiving,
        'bytes', pg_wal_lsn_diff(received, replayed)::bigint,
        'seconds', CASE WHEN receiving AND received = replayed THEN 0
            ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float END)
        FROM (SELECT EXISTS (SELECT FROM pg_stat_wal_receiver) AS receiving,
            pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed) w) END,
    'size', CASE WHEN %(size)s THEN pg_database_size(current_database()) END
)"""

STATEMENT = _SESSIONS + _ANSWER


def parameters(source: PostgresSource) -> dict[str, Any]:
    """What the statement is bound to; lengths are in seconds, None finds nothing."""
    running = source.long_running
    return {
        "whole_server": source.whole_server,
        "idle": _longer(source.idle_in_transaction),
        "blocked": _longer(source.blocked),
        "running": _longer(running),
        "slow": source.slow_query.total_seconds(),
        "users": list(running.ignore_users) if running else [],
        "applications": list(running.ignore_applications) if running else [],
        "size": source.size is not None,
    }


def _longer(limit: Sessions | None) -> float | None:
    return None if limit is None else limit.after.total_seconds()
