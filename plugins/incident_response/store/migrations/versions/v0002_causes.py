"""One incident per cause: merged incidents, consequences, silences and what they hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from incident_response.store.columns import DOCUMENT, MOMENT

revision = "v0002"
down_revision = "v0001"


def upgrade(schema: str | None) -> None:
    """Columns with a default, so that a large store is changed in an instant."""
    split_off = sa.Column("split_off", DOCUMENT, nullable=False, server_default="{}")
    op.add_column("incidents", split_off, schema=schema)
    op.add_column("incidents", sa.Column("merged_into", sa.Integer()), schema=schema)
    role = sa.Column("role", sa.Text(), nullable=False, server_default="own")
    op.add_column("signals", role, schema=schema)

    def partial(name: str, table: str, column: str, condition: str) -> None:
        where = sa.text(condition)
        op.create_index(name, table, [column], schema=schema, sqlite_where=where, postgresql_where=where)

    partial("ix_incidents_service", "incidents", "service", "status NOT IN ('resolved', 'closed')")
    partial("ix_signals_consequences", "signals", "incident", "role = 'consequence' AND firing")

    op.create_table(
        "silences",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("matchers", DOCUMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        schema=schema,
    )
    op.create_index("ix_silences_end", "silences", ["ends_at"], schema=schema)

    op.create_table(
        "held",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("fingerprint", sa.Text(), primary_key=True),
        sa.Column("labels", DOCUMENT, nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("firing", sa.Boolean(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("muted_by", sa.Text(), nullable=False),
        schema=schema,
    )
    op.create_index("ix_held_until", "held", ["until"], schema=schema)
    op.create_index("ix_held_by", "held", ["muted_by"], schema=schema)
