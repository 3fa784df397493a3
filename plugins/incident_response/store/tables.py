"""The tables as they are now; migrations lead there step by step, and a test compares the two."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from .columns import DOCUMENT, MOMENT, SERIAL

metadata = MetaData()

# Conditions of partial indexes. Queries repeat them word for word, or SQLite does not use the index.
OPEN = "status NOT IN ('resolved', 'closed')"
ENDED = "status IN ('resolved', 'closed')"
NOT_CLOSED = "status <> 'closed'"
ARMED = "next_due_at IS NOT NULL"
LIVE = "revoked_at IS NULL"
WAITING = "state IN ('pending', 'sending')"
FOLLOWS = "role = 'consequence' AND firing"


def _text(name: str) -> Any:
    return Column(name, Text(), nullable=False)


def _maybe_text(name: str) -> Any:
    return Column(name, Text())


def _moment(name: str) -> Any:
    return Column(name, MOMENT, nullable=False)


def _maybe_moment(name: str) -> Any:
    return Column(name, MOMENT)


def _document(name: str) -> Any:
    return Column(name, DOCUMENT, nullable=False)


def _count(name: str) -> Any:
    return Column(name, Integer(), nullable=False)


def _flag(name: str) -> Any:
    return Column(name, Boolean(), nullable=False)


def _incident(**options: Any) -> Any:
    return Column("incident", ForeignKey("incidents.number", ondelete="CASCADE"), nullable=False, **options)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Any:
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


incidents = Table(
    "incidents",
    metadata,
    Column("number", Integer(), primary_key=True, autoincrement=False),
    *map(_text, ("dedup_key", "title", "severity", "scenario", "service", "rule", "policy")),
    *map(_moment, ("opened_at", "started_at")),
    _text("status"),
    Column("level", SmallInteger(), nullable=False),
    *map(_maybe_text, ("owner", "runbook")),
    _flag("event_like"),
    _document("labels"),
    *map(_maybe_moment, ("page_at", "acknowledge_by", "acknowledgement_expires_at", "escalate_at")),
    *map(_maybe_moment, ("resolve_by", "update_due_at", "remediation_by", "hold_until", "close_at")),
    *map(_count, ("pages", "remediations", "reopenings")),
    _flag("flapping"),
    _maybe_moment("acknowledged_at"),
    _maybe_text("acknowledged_by"),
    *map(_maybe_moment, ("mitigated_at", "resolved_at")),
    _text("resolution"),
    _maybe_moment("closed_at"),
    _document("review"),
    Column("split_off", DOCUMENT, nullable=False, server_default="{}"),
    Column("merged_into", Integer()),
    _maybe_moment("next_due_at"),  # the earliest due point: all that the clock has to look at
    _partial("uq_incidents_open", "dedup_key", where=OPEN, unique=True),
    _partial("ix_incidents_current", "dedup_key", where=NOT_CLOSED),
    _partial("ix_incidents_service", "service", where=OPEN),
    _partial("ix_incidents_due", "next_due_at", "number", where=ARMED),
    _partial("ix_incidents_ended", "resolved_at", where=ENDED),
)

events = Table(
    "events",
    metadata,
    Column("id", SERIAL, primary_key=True),
    _incident(),
    _moment("at"),
    *map(_text, ("kind", "actor", "text")),
    _document("data"),
    Index("ix_events_incident", "incident", "at", "id"),
)

signals = Table(
    "signals",
    metadata,
    _incident(primary_key=True),
    Column("source", Text(), primary_key=True),
    Column("fingerprint", Text(), primary_key=True),
    _document("labels"),
    _text("summary"),
    _flag("firing"),
    *map(_moment, ("first_at", "last_at")),
    _count("count"),
    _text("occurrence"),
    _document("details"),
    Column("role", Text(), nullable=False, server_default="own"),
    # Not partial by occurrence: each repeated signal brings another one, and would write the index, too.
    Index("ix_signals_fingerprint", "fingerprint"),
    _partial("ix_signals_consequences", "incident", where=FOLLOWS),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("key", Text(), nullable=False),
    _incident(),
    *map(_text, ("kind", "channel", "receiver", "template")),
    _moment("due_at"),
    _document("data"),
    _moment("created_at"),
    _text("state"),
    _moment("next_at"),  # pending: when to try; sending: when the claim runs out
    _count("attempts"),
    _flag("interrupted"),
    _text("claimed_by"),
    _maybe_moment("settled_at"),
    _text("error"),
    Index("uq_outbox_key", "key", unique=True),
    _partial("ix_outbox_next", "next_at", "id", where=WAITING),
    Index("ix_outbox_incident", "incident"),
)

firings = Table(
    "firings",
    metadata,
    _incident(primary_key=True),
    Column("kind", Text(), primary_key=True),
    Column("due_at", MOMENT, primary_key=True, autoincrement=False),
    _moment("fired_at"),
    _text("fired_by"),
)

remediations = Table(
    "remediations",
    metadata,
    _incident(primary_key=True),
    Column("attempt", Integer(), primary_key=True, autoincrement=False),
    *map(_text, ("runbook", "target", "run_id", "requested_by")),
    _moment("requested_at"),
    *map(_text, ("state", "reason")),
    *map(_maybe_moment, ("started_at", "ended_at")),
    Column("parameters", DOCUMENT, nullable=False, server_default="{}"),
    Index("ix_remediations_target", "target", "runbook"),
    Index("ix_remediations_started", "started_at"),
)

effects = Table(
    "effects",
    metadata,
    Column("key", Text(), primary_key=True),
    _incident(),
    _text("state"),
    _text("begun_by"),
    _moment("begun_at"),
    _maybe_moment("done_at"),
    _document("detail"),
    Index("ix_effects_incident", "incident"),
)

steps = Table(
    "steps",
    metadata,
    _incident(primary_key=True),
    Column("attempt", Integer(), primary_key=True, autoincrement=False),
    Column("step", Text(), primary_key=True),
    _text("state"),
    _moment("started_at"),
    _text("text"),
    _document("data"),
    _document("causes"),
    _maybe_moment("ended_at"),
)

exhibits = Table(
    "exhibits",
    metadata,
    _incident(primary_key=True),
    Column("attempt", Integer(), primary_key=True, autoincrement=False),
    Column("step", Text(), primary_key=True),
    Column("name", Text(), primary_key=True),
    *map(_text, ("media", "place")),
    _count("size"),
    _moment("kept_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("target", Text(), primary_key=True),
    _incident(),
    _count("attempt"),
    *map(_moment, ("taken_at", "expires_at")),
    Index("ix_leases_incident", "incident"),
)

switches = Table(
    "switches",
    metadata,
    Column("name", Text(), primary_key=True),
    _flag("enabled"),
    *map(_text, ("reason", "set_by")),
    _moment("set_at"),
)

polls = Table(
    "polls",
    metadata,
    Column("name", Text(), primary_key=True),
    _moment("due_at"),
    Column("interval_us", BigInteger(), nullable=False),
    _document("cursor"),
    _text("claimed_by"),
    *map(_maybe_moment, ("claimed_until", "last_started_at", "last_ok_at")),
    _text("last_by"),
    _count("failures"),
    _text("error"),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Text(), primary_key=True),
    _document("matchers"),
    *map(_text, ("reason", "owner")),
    *map(_moment, ("starts_at", "ends_at", "created_at")),
    Index("ix_silences_end", "ends_at"),
)

held = Table(
    "held",
    metadata,
    Column("source", Text(), primary_key=True),
    Column("fingerprint", Text(), primary_key=True),
    _document("labels"),
    _text("summary"),
    _moment("occurred_at"),
    _flag("firing"),
    _text("occurrence"),
    _document("details"),
    _moment("until"),
    _text("muted_by"),
    Index("ix_held_until", "until"),
    Index("ix_held_by", "muted_by"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text(), primary_key=True),
    *map(_moment, ("at", "since")),
    _document("data"),
)

policies = Table(
    "policies",
    metadata,
    Column("digest", Text(), primary_key=True),
    _text("source"),
    _moment("kept_at"),
)

integrations = Table(
    "integrations",
    metadata,
    Column("id", Text(), primary_key=True),
    *map(_text, ("name", "kind", "token_hash")),
    _moment("created_at"),
    _text("created_by"),
    _document("labels"),
    *map(_maybe_moment, ("revoked_at", "last_used_at", "refused_at")),
    Column("refusal", Text(), nullable=False, server_default=""),
    Column("remedy", Text(), nullable=False, server_default=""),
    _partial("uq_integrations_live", "name", where=LIVE, unique=True),
)

counters = Table(  # SQLite has no sequences; on PostgreSQL this table does not exist
    "counters",
    metadata,
    Column("name", Text(), primary_key=True),
    Column("value", Integer(), nullable=False),
)


def for_database(dialect: str, schema: str | None) -> MetaData:
    """The tables as they stand in one kind of database: in `schema`, or in none."""
    copy = MetaData()
    for table in metadata.sorted_tables:
        if dialect == "sqlite" or table is not counters:
            table.to_metadata(copy, schema=schema)
    return copy
