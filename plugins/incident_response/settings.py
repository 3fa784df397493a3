"""Settings: the only reader of environment and Airflow configuration, section `[incident_response]`.

Every field is one option: `store_url` is `AIRFLOW__INCIDENT_RESPONSE__STORE_URL` or `store_url` in
airflow.cfg.
Passwords and tokens are no settings: they come from Airflow connections (`AIRFLOW_CONN_…` or the
connections page).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .domain.connections import Connection
from .domain.errors import SettingsError

SECTION = "incident_response"


def _option(default: Any, doc: str, *, least: float | None = None) -> Any:
    return field(default=default, metadata={"doc": doc, "least": least})


@dataclass(frozen=True)
class Settings:
    """All options with their defaults. `{AIRFLOW_HOME}` and `{LOGS}` in a value are replaced."""

    store_url: str = _option(
        "sqlite:///{AIRFLOW_HOME}/incident_response.db",
        "SQLAlchemy URL of the store: SQLite (one machine) or PostgreSQL (several). "
        "Give a URL with a password only through the environment.",
    )
    store_schema: str = _option("incident_response", "PostgreSQL schema of the store; not used on SQLite.")
    store_timeout: float = _option(
        5.0, "Seconds that a clock, a page or a task waits for the store.", least=0.1
    )
    include_folder: str = _option(
        "",
        "Folder with runbooks, policy and templates. Empty: `include/` beside the plugins folder, or in it.",
    )
    spool_folder: str = _option(
        "{LOGS}/incident_response_spool",
        "Where signals wait when the store is away. Must be seen by workers and the triggerer alike.",
    )
    evidence_url: str = _option(
        "{LOGS}/incident_response_evidence",
        "Where evidence is kept: a folder that workers and API servers see, or a URL such as "
        "`s3://aws_default@bucket/incidents`.",
    )
    callback_timeout: float = _option(
        2.0, "Seconds that a failing task may wait for the store before its signal is spooled.", least=0.1
    )
    listener_enabled: bool = _option(
        True, "Detect failing tasks of every DAG through the plugin's listener, without editing any DAG."
    )
    opt_out_tag: str = _option("no-incidents", "DAGs with this tag never open an incident.")
    api_conn_id: str = _option(
        "incident_response_api",
        "Airflow connection for Airflow's own REST API: host (URL), login, password of a service user.",
    )
    smtp_conn_id: str = _option("smtp_default", "Airflow connection of the mail server.")
    page_url: str = _option(
        "",
        "Address of the page in messages: https://airflow.example.com/incidents. Empty: [api] base_url.",
    )
    tick_interval: float = _option(2.0, "Seconds between two looks of the clock.", least=0.1)
    detection_interval: float = _option(30.0, "Seconds between two scans of Airflow's runs.", least=1)
    detection_lookback: float = _option(
        86400.0, "Seconds that the very first scan looks back for failed runs.", least=0
    )
    stuck_after: float = _option(
        86400.0, "A run or task that runs for longer than this many seconds is stuck.", least=1
    )
    stuck_factor: float = _option(
        5.0, "So is a run that takes this many times the median of its last successful runs …", least=1
    )
    stuck_least: float = _option(3600.0, "… if it has run for at least this many seconds.", least=0)
    retention_days: int = _option(400, "Closed incidents are deleted after this many days.", least=1)

    def __post_init__(self) -> None:
        for option in fields(self):
            least = option.metadata["least"]
            value = getattr(self, option.name)
            if least is not None and value < least:
                raise SettingsError(
                    f"[{SECTION}] {option.name} is {value}; it must be at least {least:g}. "
                    f"Set {environment_name(option.name)}."
                )
        scheme = self.store_url.split(":", 1)[0].split("+", 1)[0]
        if scheme not in ("sqlite", "postgresql"):
            raise SettingsError(
                f"[{SECTION}] store_url names {scheme!r}; only sqlite:/// and postgresql:// are supported. "
                f"Set {environment_name('store_url')}."
            )


def environment_name(option: str) -> str:
    """The environment variable of an option."""
    return f"AIRFLOW__{SECTION.upper()}__{option.upper()}"


def documentation() -> list[tuple[str, str, str]]:
    """(option, default, explanation) of every setting; the README's table is made from it."""
    return [(option.name, _shown(option.default), option.metadata["doc"]) for option in fields(Settings)]


def _shown(default: Any) -> str:
    assert default is not MISSING
    return f"{default:g}" if isinstance(default, float) else str(default)


def load(read: Callable[[str], str | None], places: Mapping[str, str]) -> Settings:
    """Build settings from `read(option)` (None: not set). Raises SettingsError naming option and remedy."""
    values: dict[str, Any] = {}
    for option in fields(Settings):
        raw = read(option.name)
        value = (
            option.default if raw is None or raw == "" else _convert(option.name, raw, type(option.default))
        )
        if isinstance(value, str):
            for name, place in places.items():
                value = value.replace("{" + name + "}", place)
        values[option.name] = value
    return Settings(**values)


_BOOLEANS = {"true": True, "t": True, "1": True, "yes": True, "on": True}
_BOOLEANS |= {"false": False, "f": False, "0": False, "no": False, "off": False}


def _convert(name: str, raw: str, kind: type) -> Any:
    try:
        return _BOOLEANS[raw.strip().lower()] if kind is bool else kind(raw.strip())
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise SettingsError(
            f"[{SECTION}] {name} is {raw!r}; it must be {wanted}. Set {environment_name(name)}."
        ) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, from Airflow's configuration."""
    from airflow.configuration import AIRFLOW_HOME, conf

    places = {
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "LOGS": conf.get("logging", "base_log_folder", fallback=str(Path(AIRFLOW_HOME) / "logs")),
    }
    return load(lambda option: conf.get(SECTION, option, fallback=None), places)


def base_url() -> str:
    """Airflow's public address without a trailing slash."""
    from airflow.configuration import conf

    return str(conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")


# Connections that were fetched ahead of time, for threads of the triggerer: there, asking Airflow for a
# connection
# from a thread kills the whole triggerer on 3.1.3.
_prefetched: dict[str, Connection | None] = {}
_only_prefetched = False


def prefetch(found: Mapping[str, Connection | None]) -> None:
    """Answer connection() from `found` from now on, in this process, and never ask Airflow again."""
    global _only_prefetched
    _prefetched.update(found)
    _only_prefetched = True


def variable(name: str) -> str | None:
    """An Airflow variable, None when there is none. Not for the triggerer: it asks Airflow each time."""
    if _in_task():
        from airflow.sdk import Variable

        found = Variable.get(name, default=None)
    else:
        from airflow.models.variable import Variable as Model

        found = Model.get(name, default_var=None)
    return None if found is None else str(found)


def connection(conn_id: str) -> Connection | None:
    """An Airflow connection, None when there is none. Environment first, then what Airflow has."""
    if conn_id in _prefetched or _only_prefetched:
        return _prefetched.get(conn_id)
    from airflow.exceptions import AirflowException

    try:
        if _in_task():
            from airflow.sdk import BaseHook

            return Connection.of(BaseHook.get_connection(conn_id))
        # The command line and the API server: environment, secrets backend, then Airflow's database.
        from airflow.models.connection import Connection as Model

        return Connection.of(Model.get_connection_from_secrets(conn_id))
    except AirflowException:  # not defined
        return None


def _in_task() -> bool:
    """True where Airflow's database is out of reach and connections come through the task's supervisor."""
    return hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS")


def without_secrets(url: str) -> str:
    """A database URL that can be shown: no user, no password, no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
