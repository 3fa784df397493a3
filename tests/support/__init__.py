"""Real components for tests, demo and bench: Airflow, PostgreSQL, SMTP, a browser. No pytest in here."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache"
