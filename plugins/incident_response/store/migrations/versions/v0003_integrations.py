"""Integrations: who may send signals, and the hash of the token that proves it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from incident_response.store.columns import DOCUMENT, MOMENT

revision = "v0003"
down_revision = "v0002"


def upgrade(schema: str | None) -> None:
    """One table; a revoked integration stays for the record, so a name is unique among the live ones only."""
    op.create_table(
        "integrations",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("labels", DOCUMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("last_used_at", MOMENT),
        schema=schema,
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_integrations_live",
        "integrations",
        ["name"],
        schema=schema,
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
