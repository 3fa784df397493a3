"""Refusals: what an integration sent that was refused for good, for the people who set it up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from incident_response.store.columns import MOMENT

revision = "v0005"
down_revision = "v0004"


def upgrade(schema: str | None) -> None:
    """Three columns; those that a store has already, of a version put back by hand, stay as they are."""
    there = {
        column["name"] for column in sa.inspect(op.get_bind()).get_columns("integrations", schema=schema)
    }
    columns = [sa.Column("refused_at", MOMENT)]
    columns += [sa.Column(n, sa.Text(), nullable=False, server_default="") for n in ("refusal", "remedy")]
    for column in columns:
        if column.name not in there:
            op.add_column("integrations", column, schema=schema)
