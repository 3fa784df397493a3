"""What is missing or not allowed is configuration; what may come back by itself is not. In the words of the
libraries that say it.
"""

# ruff: noqa: E501 — lines of logs as they are
from __future__ import annotations

from typing import Any

import pytest

from incident_response.actions.airflow_causes import clue, of_line

MISSING = [
    # Airflow 3
    "AirflowNotFoundException: The conn_id `warehouse` isn't defined",
    "AirflowRuntimeError: VARIABLE_NOT_FOUND: {'message': 'Variable region not found'}",
    "AirflowRuntimeError: CONNECTION_NOT_FOUND: {'conn_id': 'warehouse'}",
    "airflow.exceptions.AirflowConfigException: section/key [smtp/smtp_user] not found in config",
    "DagNotFound: Dag id downstream not found in DagModel",
    'AirflowException: Unknown hook type "snowflake"',
    "AirflowException: Missing hostname (uri) in Docker connection",
    # plain Python
    "ValueError: CASE_BASE_URL must be set (Airflow Variable or environment)",
    "KeyError: 'ENTSOE_API_KEY'",
    "RuntimeError: ENTSOE_API_KEY is not set",
    "RuntimeError: environment variable DB_HOST not found",
    "ValueError: Missing required environment variable: SLACK_TOKEN",
    "Exception: API key is missing",
    "ValueError: endpoint must be provided",
    "ModuleNotFoundError: No module named 'geopandas'",
    "ImportError: Missing optional dependency 'pyarrow'. pyarrow is required for parquet support.",
    "ImportError: libpq.so.5: cannot open shared object file: No such file or directory",
    "FileNotFoundError: [Errno 2] No such file or directory: '/opt/airflow/config/regions.yaml'",
    "FileNotFoundError: [Errno 2] No such file or directory: 'dbt'",
    "PermissionError: [Errno 13] Permission denied: '/data/out'",
    "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
    "jinja2.exceptions.TemplateNotFound: sql/load.sql",
    "bash: line 1: dbt: command not found",
    # PostgreSQL, by psycopg2 and SQLAlchemy
    'psycopg2.errors.UndefinedTable: relation "fact_energy" does not exist',
    'sqlalchemy.exc.ProgrammingError: (psycopg2.errors.UndefinedColumn) column "kwh" does not exist',
    "psycopg2.errors.InsufficientPrivilege: permission denied for table fact_energy",
    'psycopg2.OperationalError: connection to server at "db" failed: FATAL:  database "dwh" does not exist',
    'psycopg2.OperationalError: connection to server at "db" failed: FATAL:  role "etl" does not exist',
    'psycopg2.OperationalError: FATAL:  no pg_hba.conf entry for host "10.0.0.3", user "etl"',
    'psycopg2.errors.InvalidSchemaName: schema "staging" does not exist',
    # other databases
    "sqlite3.OperationalError: no such table: readings",
    "pymysql.err.ProgrammingError: (1146, \"Table 'dwh.readings' doesn't exist\")",
    "pymysql.err.OperationalError: (1045, \"Access denied for user 'etl'@'10.0.0.3'\")",
    "pymysql.err.OperationalError: (1054, \"Unknown column 'kwh' in 'field list'\")",
    "oracledb.exceptions.DatabaseError: ORA-00942: table or view does not exist",
    "snowflake.connector.errors.ProgrammingError: 002003 (42S02): SQL compilation error: Object 'READINGS' does "
    "not exist or not authorized.",
    "snowflake.connector.errors.DatabaseError: 250001 (08001): Incorrect username or password was specified.",
    "pyodbc.ProgrammingError: ('42S02', \"[SQL Server]Invalid object name 'dbo.readings'. (208)\")",
    "pyspark.errors.AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `readings` cannot be found.",
    # clouds
    "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
    "botocore.exceptions.NoRegionError: You must specify a region.",
    "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the PutObject operation",
    "botocore.errorfactory.NoSuchBucket: An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation",
    "botocore.exceptions.ClientError: An error occurred (ResourceNotFoundException) when calling the "
    "GetSecretValue operation: Secrets Manager can't find the specified secret.",
    "ClientError: User: arn:aws:iam::1:user/etl is not authorized to perform: iam:PassRole on resource",
    "google.auth.exceptions.DefaultCredentialsError: Your default credentials were not found.",
    "google.api_core.exceptions.NotFound: 404 Not found: Table p:energy.readings was not found in location EU",
    "google.api_core.exceptions.Forbidden: 403 Access Denied: BigQuery: User does not have permission to query table",
    "google.auth.exceptions.RefreshError: ('invalid_grant: Invalid JWT Signature.', {})",
    # http, slack, docker, ssh
    "AirflowException: 401:Unauthorized",
    "HTTPError: 403 Client Error: Forbidden for url: https://api.example/v1",
    "SlackApiError: The server responded with: {'ok': False, 'error': 'invalid_auth'}",
    "SlackApiError: The server responded with: {'ok': False, 'error': 'channel_not_found'}",
    'docker.errors.ImageNotFound: 404 Client Error: Not Found ("No such image: etl:9")',
    "docker.errors.APIError: 500: pull access denied for etl, repository does not exist or may require 'docker login'",
    "DockerException: Error while fetching server API version: ('Connection aborted.', PermissionError(13, "
    "'Permission denied'))",
    "paramiko.ssh_exception.AuthenticationException: Authentication failed.",
    "paramiko.ssh_exception.SSHException: Server 'sftp.example' not found in known_hosts",
    "requests.exceptions.SSLError: Max retries exceeded (Caused by SSLError(SSLCertVerificationError(1, "
    "'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')))",
]
PASSING = [
    ("database", 'psycopg2.OperationalError: connection to server at "db", port 5432 failed: Connection refused'),
    ("database", "psycopg2.OperationalError: could not connect to server: Connection timed out"),
    ("database", "psycopg2.OperationalError: FATAL:  the database system is starting up"),
    ("database", "psycopg2.OperationalError: SSL SYSCALL error: EOF detected"),
    ("database", "psycopg2.OperationalError: could not translate host name \"db\" to address"),
    ("database", "pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on 'db' (111)\")"),
    ("database", "psycopg2.InterfaceError: connection already closed"),
    ("upstream_unavailable", "ConnectionResetError: [Errno 104] Connection reset by peer"),
    ("upstream_unavailable", "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: x"),
    ("upstream_unavailable", "botocore.exceptions.EndpointConnectionError: Connection refused"),
    ("upstream_unavailable", "botocore.exceptions.ConnectTimeoutError: Connect timeout on endpoint, timed out"),
    ("upstream_unavailable", "socket.gaierror: [Errno -2] Name or service not known"),
    ("upstream_unavailable", "DockerException: ('Connection aborted.', FileNotFoundError(2, 'No such file'))"),
    ("upstream_unavailable", "google.api_core.exceptions.ServiceUnavailable: 503 failed to connect, timed out"),
    ("upstream_throttled", "SlackApiError: {'ok': False, 'error': 'ratelimited'}"),
    ("upstream_throttled", "HTTPError: 403 Client Error: rate limit exceeded for url: https://api.github.com/"),
    ("upstream_throttled", "ClientError: An error occurred (ThrottlingException) when calling the X operation"),
    ("upstream_throttled", "ClientError: An error occurred (SlowDown) when calling the PutObject operation"),
    ("code", "NameError: name 'region' is not defined"),
    ("code", "TypeError: expected str, bytes or os.PathLike object, not NoneType"),
    ("code", 'psycopg2.errors.SyntaxError: syntax error at or near "FORM"'),
    ("code", "ImportError: cannot import name 'a' from 'b'"),
    ("code", "KeyError: 'country_code'"),
    (None, "FileNotFoundError: [Errno 2] No such file or directory: '/data/2026-03-02/readings.csv'"),
    (None, "ValueError: 12 rows are missing in the answer"),
    (None, 'psycopg2.errors.UniqueViolation: duplicate key value violates unique constraint "pk"'),
]  # fmt: skip


@pytest.mark.parametrize("line", MISSING)
def test_what_is_missing_or_not_allowed_is_configuration(line: str) -> None:
    found = of_line(line)
    assert (found.cause if found else None) == "configuration"


@pytest.mark.parametrize(("cause", "line"), PASSING)
def test_what_may_come_back_by_itself_and_what_is_a_bug_is_not(cause: str | None, line: str) -> None:
    found = of_line(line)
    assert (found.cause if found else None) == cause


def _raised(*chain: tuple[str, str], file: str = "f.py") -> dict[str, Any]:
    details = [
        {"exc_type": kind, "exc_value": value, "frames": [{"filename": file, "lineno": 7, "name": "run"}]}
        for kind, value in chain
    ]
    return {"event": "Task failed with exception", "level": "error", "error_detail": details}


def _said(text: str, level: str = "error") -> dict[str, Any]:
    return {"event": text, "level": level}


@pytest.mark.parametrize(
    ("cause", "log"),
    [
        pytest.param(
            None,
            [_said("Connection refused, trying again"), _raised(("ValueError", "no such region"))],
            id="an error that was survived is no cause",
        ),
        pytest.param(
            "configuration",
            [
                _raised(("ConnectionError", "refused")),
                _raised(("AirflowNotFoundException", "The conn_id `x`")),
            ],
            id="what was raised last decides, not what was raised and handled before",
        ),
        pytest.param(
            "configuration",
            [_raised(("KeyError", "'energy_url'"), file="<frozen os>")],
            id="a key of os.environ is a setting, however it is written",
        ),
        pytest.param(
            "configuration",
            [
                _said("ModuleNotFoundError: No module named 'dbt'", "info"),
                _raised(("AirflowException", "Bash command failed. It returned a non-zero exit code 1.")),
            ],
            id="a command that failed is explained by its own last lines",
        ),
        pytest.param(
            None,
            "WARNING - Connection refused, trying again\nTraceback (most recent call last):\n"
            '  File "f.py", line 1\n    raise ValueError("x")\nValueError: no such region\n',
            id="the same in a text without levels",
        ),
        pytest.param(
            "upstream_unavailable",
            "Traceback (most recent call last):\nConnectionResetError: [Errno 104] reset\n\nThe above exception "
            "was the direct cause of the following exception:\n\nTraceback (most recent call last):\n"
            "  File\nAirflowException: it went wrong\n",
            id="what it was raised from, in a text",
        ),
    ],
)
def test_the_last_exception_decides(cause: str | None, log: Any) -> None:
    found = clue(log)
    assert (found.cause if found else None) == cause
