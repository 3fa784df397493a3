"""What libpq is given: of a connection's extra what it understands, and an end to each of its waits."""

from __future__ import annotations

from typing import Any

from incident_response.domain.connections import Connection

APPLICATION = "incident_response"  # our name in pg_stat_activity

_EXTRA = frozenset(
    {"channel_binding", "gssencmode", "hostaddr", "krbsrvname", "options", "passfile", "require_auth",
     "service", "sslcert", "sslcertmode", "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation",
     "sslpassword", "sslrootcert", "sslsni", "target_session_attrs"}
)  # fmt: skip


def keywords(connection: Connection) -> dict[str, Any]:
    """The keywords in the connection's extra that are for libpq; the rest is for Airflow's hook."""
    return {
        key: value for key, value in connection.extra.items() if key in _EXTRA and value not in (None, "")
    }


def bounds(seconds: float) -> dict[str, Any]:
    """Keywords that bound each wait by about `seconds`, and name us in pg_stat_activity."""
    limit = max(1, round(seconds))
    return {
        "application_name": APPLICATION,
        "connect_timeout": max(2, limit),  # libpq takes less for two
        # These end the wait for a server that vanished from the network.
        "tcp_user_timeout": limit * 1000,
        "keepalives_idle": limit,
        "keepalives_interval": 1,
        "keepalives_count": 2,
    }
