"""The Airflow of the demo: what a person would copy and configure, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from incident_response import bootstrap
from incident_response.domain.ports import Store
from incident_response.settings import Settings
from tests.support.airflow import Airflow
from tests.support.airflow_config import LOGINS

from . import HERE, REPOSITORY
from .haste import include_in

# dags/ of the repository that the story cannot do without; those for people may be missing.
NEEDED = (
    "incident_clock",
    "incident_detection",
    "incident_escalation",
    "incident_response",
    "runbook_dag-failure-recovery",
)


def install(folder: Path, port: int) -> Airflow:
    """An Airflow on embedded defaults below `folder`, not started: SQLite, LocalExecutor, console channel."""
    include_in(folder)
    (folder / "config").mkdir()
    shutil.copy2(HERE / "config" / "sqlite_patience.py", folder / "config")
    operator = LOGINS["op"]
    connection = {"conn_type": "http", "host": f"http://127.0.0.1:{port}"}
    login = {"login": operator.user, "password": operator.password}
    return Airflow(
        folder,
        port=port,
        parallelism=4,
        project=False,  # dags and plugins as shipped; include/ is there already, in haste
        dags=[*_python_files(REPOSITORY / "dags"), *_python_files(HERE / "dags")],
        plugins=[path for path in sorted((REPOSITORY / "plugins").iterdir()) if path.name != "__pycache__"],
        config={
            "database.sql_alchemy_connect_args": "sqlite_patience.connect_args",
            "core.dags_are_paused_at_creation": "False",  # a person would unpause them
            "incident_response.tick_interval": "1",
            "incident_response.detection_interval": "10",
        },
        env={"AIRFLOW_CONN_INCIDENT_RESPONSE_API": json.dumps(connection | login)},
    )


def store_in(folder: Path) -> Store:
    """The store of the Airflow that runs in `folder`."""
    return bootstrap.make_store(Settings(store_url=f"sqlite:///{folder / 'incident_response.db'}"))


def _python_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.py"))
