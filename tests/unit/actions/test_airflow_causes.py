"""Why a task failed: what real logs say, and what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from incident_response.actions.airflow_causes import Clue, by_cause, clue, of_line
from incident_response.actions.airflow_logs import last_words, tail


def raised(*chain: str, level: str = "error") -> list[Any]:
    """A log as Airflow 3 writes it: the last exception first, then what it was raised from."""
    details = [
        {"exc_type": kind, "exc_value": value, "frames": [{"filename": "f.py", "lineno": 7, "name": "run"}]}
        for kind, _, value in (one.partition(": ") for one in chain)
    ]
    return [
        {"event": "::group::Pre Execute", "level": "info", "timestamp": "2026-03-02T02:00:00Z"},
        {"event": "Task failed with exception", "level": level, "error_detail": details},
    ]


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        ("out_of_memory", "Process terminated by signal. Likely out of memory error (OOM). (SIGKILL)"),
        ("out_of_memory", "Task exited with return code -9"),
        ("out_of_memory", "Command exited with code 137"),
        ("out_of_memory", "MemoryError: Unable to allocate 4.2 GiB for an array"),
        ("out_of_memory", "WorkerLostError('Worker exited prematurely: signal 9 (SIGKILL) Job: 7.')"),
        ("upstream_throttled", "OSError: upstream answered 429"),
        ("upstream_throttled", "requests.exceptions.HTTPError: 429 Client Error: for url: https://x/"),
        ("upstream_throttled", "RetryError: HTTPSConnectionPool: too many 429 error responses"),
        ("upstream_throttled", "ApiError: status code: 429"),
        ("upstream_throttled", "Exception: Rate limit exceeded, try later"),
        ("upstream_unavailable", "OSError: upstream answered 504 Gateway Timeout"),
        ("upstream_unavailable", "HTTPError: 503 Server Error: Service Unavailable for url"),
        ("upstream_unavailable", "HTTPError: HTTP Error 502: Bad Gateway"),
        ("upstream_unavailable", "ReadTimeout: HTTPSConnectionPool(host='api.example'): Read timed out."),
        ("upstream_unavailable", "ConnectionRefusedError: [Errno 111] Connection refused"),
        ("upstream_unavailable", "TimeoutError: the read operation timed out"),
        ("upstream_unavailable", "gaierror: [Errno -3] Temporary failure in name resolution"),
        ("configuration", "ModuleNotFoundError: No module named 'pandas'"),
        ("code", "ImportError: cannot import name 'a' from 'b'"),
        ("code", "KeyError: 'country_code'"),
        ("code", "TypeError: unsupported operand type(s)"),
        ("code", "AttributeError: 'NoneType' object has no attribute 'get'"),
        ("code", "jinja2.exceptions.UndefinedError: 'ds_nodash2' is undefined"),
        ("configuration", "AirflowNotFoundException: The conn_id `energy` isn't defined"),
        ("configuration", "AirflowRuntimeError: CONNECTION_NOT_FOUND: {'conn_id': 'energy'}"),
        ("configuration", "KeyError: 'Variable entsoe_key does not exist'"),
        ("configuration", "PermissionError: [Errno 13] Permission denied: '/data'"),
        ("configuration", 'psycopg2.OperationalError: FATAL: password authentication failed for user "a"'),
        ("configuration", "HTTPError: 401 Client Error: Unauthorized for url: https://x/"),
        ("database", "psycopg2.OperationalError: FATAL: sorry, too many clients already"),
        ("database", 'OperationalError: connection to server at "db", port 5432 failed: Connection refused'),
        ("database", "DeadlockDetected: deadlock detected"),
        ("zombie", "Task did not emit heartbeat within time limit (300 seconds) and will be terminated."),
        ("zombie", "Detected zombie job: {'full_filepath': '/dags/a.py'}"),
        ("stuck", "AirflowTaskTimeout: Timeout, PID: 4711"),
        (None, "ValueError: region 2 is not in the file"),
        (None, "ValueError: 429 rows expected, 503 found"),
        (None, "ValueError: the export of 137 rows has no end"),
        (None, "Exception: see the KeyError above"),
        (None, "Process terminated by signal. For more information, see https://x/ (SIGTERM)"),
        (None, "Task failed with exception"),
    ],
)  # fmt: skip
def test_a_line_tells_one_cause_or_none(cause: str | None, line: str) -> None:
    found = of_line(line)
    assert (found.cause if found else None) == cause


def test_what_was_raised_last_counts_and_then_what_it_was_raised_from() -> None:
    """A wrapper tells nothing of its own; a bug in the handling of a 503 is a bug."""
    wrapped = raised("AirflowException: it went wrong", "HTTPError: 503 Server Error: for url")
    bug = raised("KeyError: 'error'", "HTTPError: 503 Server Error: for url")

    assert clue(wrapped) == Clue("upstream_unavailable", "HTTPError: 503 Server Error: for url")
    assert clue(bug) == Clue("code", "KeyError: 'error'")


def test_what_a_task_says_on_its_way_is_no_cause() -> None:
    """It was asked again and answered; what failed is something else."""
    on_its_way = {"event": "GET answered 503, trying again", "level": "info"}

    assert clue([on_its_way, *raised("ValueError: no such region")]) is None
    assert clue([on_its_way]) is None


def test_a_plain_text_is_read_from_its_end() -> None:
    """Logs of remote storage and of other executors have no levels."""
    text = "GET answered 503, trying again\nTraceback (most recent call last):\nKeyError: 'unit'\n"

    assert clue(text) == Clue("code", "KeyError: 'unit'")
    assert clue("") is clue(None) is None


def test_a_task_that_was_ended_on_purpose_has_not_run_out_of_memory() -> None:
    """Airflow kills the process of a task that somebody marked."""
    killed = {"event": "Process terminated by signal.", "level": "critical", "signal_name": "SIGKILL"}
    marked = {"event": "Server indicated the task shouldn't be running anymore", "level": "error"}

    assert clue([killed]) == Clue("out_of_memory", "Process terminated by signal. (SIGKILL)")
    assert clue([marked, killed]) is None


def test_words_are_kept_once_for_each_cause_without_secrets() -> None:
    found = clue(raised("OSError: HTTP 429 for https://api/?token=hunter2"))
    assert found is not None
    assert "hunter2" not in found.words
    assert by_cause([found, Clue(found.cause, "later")]) == {found.cause: found.words}


def test_the_tail_is_for_people() -> None:
    """Where it was raised, what it says, the signal; no secrets, no bytes that a database refuses."""
    log = [
        *raised("OSError: password=hunter2 \x00"),
        {"event": "Process terminated", "signal_name": "SIGKILL"},
        "plain",
    ]

    text = tail(log, 10)

    assert "    f.py:7 in run\n    OSError: password=***" in text
    assert "Process terminated (SIGKILL)\nplain" in text
    assert "\x00" not in text
    assert tail(["a", "b", "c"], 2) == "b\nc"
    assert len(tail(["x" * 1_000_000], 5)) == 16_384


def test_the_last_words_have_a_time() -> None:
    """A naive one, or none, says nothing."""
    log = [*raised("OSError: x"), {"event": "x", "timestamp": "2026-03-02T02:00:01"}, "text"]

    assert str(last_words(log)) == "2026-03-02 02:00:00+00:00"
    assert last_words("text") is None
