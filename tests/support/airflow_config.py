"""The configuration of an Airflow under test, as environment variables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Login:
    """The same people exist under both auth managers."""

    user: str
    password: str
    role: str


LOGINS = {name: Login(name, name, name.capitalize()) for name in ("admin", "op", "user", "viewer")}

AUTH_MANAGERS = {
    "simple": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    "fab": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
}

AIRFLOW_COMMAND = str(Path(sys.executable).with_name("airflow"))

# Fixed, so that a component that starts again still accepts the tokens given out before.
_SECRETS = {
    "core.fernet_key": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
    "api.secret_key": "tests only: the sessions of the login form",
    "api_auth.jwt_secret": "tests only: tokens of API clients and of tasks, long enough to sign with HS512",
}

# Airflow's own values are made for a cluster; with these a test waits less than a second at most steps.
_QUICK = {
    "scheduler.scheduler_heartbeat_sec": "1",
    "scheduler.job_heartbeat_sec": "1",
    "scheduler.scheduler_idle_sleep_time": "0.3",
    "scheduler.task_instance_heartbeat_sec": "2",
    "scheduler.task_instance_heartbeat_timeout": "30",
    "scheduler.task_instance_heartbeat_timeout_detection_interval": "2",
    "triggerer.job_heartbeat_sec": "1",
    "dag_processor.refresh_interval": "2",
    "dag_processor.bundle_refresh_check_interval": "1",
    "dag_processor.min_file_process_interval": "60",  # a file that has changed is parsed at once
}


def environment(options: Mapping[str, str]) -> dict[str, str]:
    """What a component or a command needs: ours without any trace of another Airflow, and the given options.

    An option is named as in the configuration reference, `section.name`.
    """
    leaks = (
        "AIRFLOW",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
    )  # without bytecode, starting takes twice as long
    result = {name: value for name, value in os.environ.items() if not name.startswith(leaks)}
    # Plugin code and tasks call `python` and `airflow` by name; those of this environment are meant.
    result["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result["NO_PROXY"] = result["no_proxy"] = "127.0.0.1,localhost"
    for option, value in options.items():
        section, _, name = option.partition(".")
        result[f"AIRFLOW__{section.upper()}__{name.upper()}"] = value
    return result


def core_options(home: Path, database_url: str, auth: str) -> dict[str, str]:
    """What `airflow db migrate` and `airflow users create` need as much as the components do."""
    return {
        "core.auth_manager": AUTH_MANAGERS[auth],
        "core.load_examples": "False",
        "core.simple_auth_manager_users": ",".join(
            f"{who.user}:{who.role.lower()}" for who in LOGINS.values()
        ),
        "core.simple_auth_manager_passwords_file": str(home / "passwords.json"),
        "database.sql_alchemy_conn": database_url,
        "fab.auth_rate_limited": "False",  # tests log in more often than five times in forty seconds
        "fab.config_file": str(home / "webserver_config.py"),
        "logging.logging_level": "INFO",
        **_SECRETS,
    }


def component_options(home: Path, url: str, ports: Mapping[str, int], parallelism: int) -> dict[str, str]:
    return {
        "api.base_url": url,
        "api.host": "127.0.0.1",
        "api.port": str(ports["api"]),
        "api.workers": "1",
        "core.dags_folder": str(home / "dags"),
        "core.plugins_folder": str(home / "plugins"),
        "core.execution_api_server_url": f"{url}/execution/",
        "core.executor": "LocalExecutor",
        "core.parallelism": str(parallelism),
        "dag_processor.parsing_processes": "1",
        "logging.worker_log_server_port": str(ports["scheduler logs"]),
        "logging.trigger_log_server_port": str(ports["triggerer logs"]),
        **_QUICK,
    }


def write_home(home: Path) -> None:
    """The files that the options above point to."""
    home.mkdir(parents=True, exist_ok=True)
    passwords = {who.user: who.password for who in LOGINS.values()}
    (home / "passwords.json").write_text(json.dumps(passwords))
    (home / "webserver_config.py").write_text(
        "from flask_appbuilder.const import AUTH_DB\n\nAUTH_TYPE = AUTH_DB\nWTF_CSRF_ENABLED = True\n"
    )
