"""Automation: steps of remediations, their evidence, leases on targets, switches for all of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from incident_response.store.columns import DOCUMENT, MOMENT

revision = "v0004"
down_revision = "v0003"


def _incident(schema: str | None, **options: bool) -> sa.Column[int]:
    target = f"{schema}.incidents.number" if schema else "incidents.number"
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column("incident", sa.Integer(), key, nullable=False, **options)


def _attempt_key(schema: str | None) -> tuple[sa.Column[object], ...]:
    return (
        _incident(schema, primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("step", sa.Text(), primary_key=True),
    )


def upgrade(schema: str | None) -> None:
    """Four tables, and an index for the breaker, which counts what acted within the last hour."""
    op.create_table(
        "steps",
        *_attempt_key(schema),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("causes", DOCUMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        schema=schema,
    )
    op.create_table(
        "exhibits",
        *_attempt_key(schema),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        schema=schema,
    )
    op.create_table(
        "leases",
        sa.Column("target", sa.Text(), primary_key=True),
        _incident(schema),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        schema=schema,
    )
    op.create_index("ix_leases_incident", "leases", ["incident"], schema=schema)
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        schema=schema,
    )
    parameters = sa.Column("parameters", DOCUMENT, nullable=False, server_default="{}")
    op.add_column("remediations", parameters, schema=schema)
    op.create_index("ix_remediations_started", "remediations", ["started_at"], schema=schema)
