"""The store: tables, repository and migrations for SQLite and PostgreSQL, and the same contract in memory."""
