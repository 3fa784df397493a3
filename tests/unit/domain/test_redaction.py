"""What looks like a secret never leaves the process; what explains a failure does."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.redaction import one_line, redact


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "PASSWORD: hunter2",
        "connect(user='x', password='hunter2')",
        '{"api_key": "hunter2", "a": 1}',
        "db_password = hunter2",
        "client-secret: hunter2",
        "SLACK_TOKEN=hunter2",
        "Authorization: Bearer hunter2",
        "'Authorization': 'Basic hunter2'",
        "header was Bearer hunter2hunter2",
        "postgresql+psycopg2://lianel:hunter2@db:5432/energy",
        "redis://:hunter2@redis:6379/0",
        "pg_dump --password hunter2 -h db",
        "https://api.example.com/v1?token=hunter2&country=SE",
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "passphrase='hunter2 with spaces'",
    ],
)
def test_values_of_secrets_are_masked(text: str) -> None:
    """In the forms that exceptions of databases, HTTP clients and shells have."""
    assert "hunter2" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijABCDEFGHIJ",
        "xoxb-1234567890-abcdef",
    ],
)
def test_tokens_that_are_known_by_their_form_are_masked(text: str) -> None:
    """Also when nothing beside them says what they are."""
    assert redact(f"refused {text} today") == "refused *** today"


@pytest.mark.parametrize(
    "text",
    [
        "HTTP 429 Too Many Requests for url: https://ec.europa.eu/eurostat/api?geo=SE&year=2023",
        'FATAL: password authentication failed for user "lianel"',
        "connection to server at db, port 5432 failed: too many connections",
        "KeyError: 'value_gwh'",
        "author: Ada",
    ],
)
def test_what_explains_a_failure_is_kept(text: str) -> None:
    """A line that is masked into nothing helps nobody."""
    assert one_line(text) == text


@given(st.text(max_size=2000))
def test_any_text_becomes_one_line_that_every_database_takes(text: str) -> None:
    """PostgreSQL refuses NUL, UTF-8 refuses half surrogates."""
    line = one_line(text, 80)

    assert len(line) <= 80
    assert len(line.splitlines()) <= 1
    assert "\x00" not in line
    line.encode()


@pytest.mark.parametrize("unit", ["a", "1", "-", "pass", "://", "a:", "eyJ-", "'", "token=", "--p"])
def test_a_megabyte_costs_next_to_nothing(unit: str) -> None:
    """A failing task waits for this."""
    started = time.perf_counter()
    one_line(unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - started < 0.5
