"""Migrations of the store's schema: Alembic, without an ini file, with a version table of their own."""
