"""Tests that start real components: Airflow, PostgreSQL, SMTP, a browser."""
