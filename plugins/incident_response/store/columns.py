"""Column types that mean the same on both databases."""

from __future__ import annotations

from sqlalchemy import BigInteger, DateTime, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB

# Microseconds since 1970 on SQLite: comparable and exact. What is naive is refused where values are encoded.
MOMENT = DateTime(timezone=True).with_variant(BigInteger(), "sqlite")
DOCUMENT = Text().with_variant(JSONB(), "postgresql")
# Only INTEGER PRIMARY KEY counts up by itself on SQLite, where it has 64 bits anyway.
SERIAL = BigInteger().with_variant(Integer(), "sqlite")
