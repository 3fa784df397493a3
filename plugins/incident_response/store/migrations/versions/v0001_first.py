"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from incident_response.store.columns import DOCUMENT, MOMENT, SERIAL

revision = "v0001"
down_revision = None


def upgrade(schema: str | None) -> None:
    """Everything. Types come from columns.py: a type that changes gets another name there."""
    prefix = f"{schema}." if schema else ""

    def incident(*, key: bool = False) -> sa.Column:
        parent = sa.ForeignKey(f"{prefix}incidents.number", ondelete="CASCADE")
        return sa.Column("incident", sa.Integer(), parent, nullable=False, primary_key=key)

    def partial(name: str, table: str, *columns: str, condition: str, unique: bool = False) -> None:
        where = sa.text(condition)
        op.create_index(
            name,
            table,
            list(columns),
            schema=schema,
            unique=unique,
            sqlite_where=where,
            postgresql_where=where,
        )

    op.create_table(
        "incidents",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("dedup_key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("runbook", sa.Text()),
        sa.Column("event_like", sa.Boolean(), nullable=False),
        sa.Column("labels", DOCUMENT, nullable=False),
        sa.Column("page_at", MOMENT),
        sa.Column("acknowledge_by", MOMENT),
        sa.Column("acknowledgement_expires_at", MOMENT),
        sa.Column("escalate_at", MOMENT),
        sa.Column("resolve_by", MOMENT),
        sa.Column("update_due_at", MOMENT),
        sa.Column("remediation_by", MOMENT),
        sa.Column("hold_until", MOMENT),
        sa.Column("close_at", MOMENT),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("remediations", sa.Integer(), nullable=False),
        sa.Column("reopenings", sa.Integer(), nullable=False),
        sa.Column("flapping", sa.Boolean(), nullable=False),
        sa.Column("acknowledged_at", MOMENT),
        sa.Column("acknowledged_by", sa.Text()),
        sa.Column("mitigated_at", MOMENT),
        sa.Column("resolved_at", MOMENT),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.Column("review", DOCUMENT, nullable=False),
        sa.Column("next_due_at", MOMENT),
        schema=schema,
    )
    partial(
        "uq_incidents_open",
        "incidents",
        "dedup_key",
        condition="status NOT IN ('resolved', 'closed')",
        unique=True,
    )
    partial("ix_incidents_current", "incidents", "dedup_key", condition="status <> 'closed'")
    partial("ix_incidents_due", "incidents", "next_due_at", "number", condition="next_due_at IS NOT NULL")
    partial("ix_incidents_ended", "incidents", "resolved_at", condition="status IN ('resolved', 'closed')")

    op.create_table(
        "events",
        sa.Column("id", SERIAL, primary_key=True),
        incident(),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        schema=schema,
    )
    op.create_index("ix_events_incident", "events", ["incident", "at", "id"], schema=schema)

    op.create_table(
        "signals",
        incident(key=True),
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("fingerprint", sa.Text(), primary_key=True),
        sa.Column("labels", DOCUMENT, nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("firing", sa.Boolean(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        schema=schema,
    )
    op.create_index("ix_signals_fingerprint", "signals", ["fingerprint"], schema=schema)

    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        incident(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("settled_at", MOMENT),
        sa.Column("error", sa.Text(), nullable=False),
        schema=schema,
    )
    op.create_index("uq_outbox_key", "outbox", ["key"], unique=True, schema=schema)
    partial("ix_outbox_next", "outbox", "next_at", "id", condition="state IN ('pending', 'sending')")
    op.create_index("ix_outbox_incident", "outbox", ["incident"], schema=schema)

    op.create_table(
        "firings",
        incident(key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("due_at", MOMENT, primary_key=True, autoincrement=False),
        sa.Column("fired_at", MOMENT, nullable=False),
        sa.Column("fired_by", sa.Text(), nullable=False),
        schema=schema,
    )

    op.create_table(
        "remediations",
        incident(key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("runbook", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        schema=schema,
    )
    op.create_index("ix_remediations_target", "remediations", ["target", "runbook"], schema=schema)

    op.create_table(
        "effects",
        sa.Column("key", sa.Text(), primary_key=True),
        incident(),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT),
        sa.Column("detail", DOCUMENT, nullable=False),
        schema=schema,
    )
    op.create_index("ix_effects_incident", "effects", ["incident"], schema=schema)

    op.create_table(
        "polls",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("interval_us", sa.BigInteger(), nullable=False),
        sa.Column("cursor", DOCUMENT, nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("claimed_until", MOMENT),
        sa.Column("last_started_at", MOMENT),
        sa.Column("last_ok_at", MOMENT),
        sa.Column("last_by", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        schema=schema,
    )

    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        schema=schema,
    )

    op.create_table(
        "policies",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        schema=schema,
    )

    if op.get_bind().dialect.name == "postgresql":
        op.execute(f'CREATE SEQUENCE "{schema}".incident_number AS integer')
    else:
        counters = op.create_table(
            "counters",
            sa.Column("name", sa.Text(), primary_key=True),
            sa.Column("value", sa.Integer(), nullable=False),
        )
        op.bulk_insert(counters, [{"name": "incident_number", "value": 0}])
