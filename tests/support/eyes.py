"""Eyes: what the tests of detection see of an Airflow and its store, from outside."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any

from incident_response import bootstrap
from incident_response.bootstrap import Services
from incident_response.domain.connections import Connection
from incident_response.domain.incidents import Incident
from incident_response.domain.records import Sighting
from incident_response.settings import Settings
from tests.support import CACHE, REPOSITORY
from tests.support.airflow import Airflow
from tests.support.shipped import stand_alone

# The package and the plugin, without our DAGs.
PLUGINS = tuple(
    REPOSITORY / "plugins" / name
    for name in (".airflowignore", "incident_response", "incident_response_plugin.py")
)
# By version: both versions may be tested at the same time.
_FOLDER = CACHE / f"include-{metadata.version('apache-airflow')}"
_INCLUDE = stand_alone(shutil.copytree(REPOSITORY / "include", _FOLDER, dirs_exist_ok=True))
INCLUDE = {"AIRFLOW__INCIDENT_RESPONSE__INCLUDE_FOLDER": str(_INCLUDE)}


class Eyes:
    """Reads the store of an Airflow under test, and lets its detector look."""

    def __init__(self, airflow: Airflow, **settings: Any) -> None:
        self.airflow = airflow
        where = {
            "store_url": f"sqlite:///{airflow.folder}/incident_response.db",
            "spool_folder": str(airflow.folder / "logs" / "incident_response_spool"),
            "include_folder": str(_INCLUDE),
            "detection_interval": 1.0,
        }
        login = Connection(host=airflow.url, login=airflow.login.user, password=airflow.login.password)
        self.services: Services = bootstrap.build(Settings(**{**where, **settings}), lambda _: login)

    def scan(self) -> None:
        """Let the detector look, as its sensor does; waits until its row is due."""
        self.take_in()
        deadline = time.monotonic() + 10
        while not self.services.detection.poll(bootstrap.now(), "test", names=["airflow_runs"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with self.services.store.read() as tx:
            assert {poll.error for poll in tx.polls()} == {""}

    def take_in(self) -> int:
        """What was spooled, as the clock does: on a busy machine a report may take longer than its bound."""
        return self.services.clock.take_spooled(bootstrap.now())

    def has_dag_callback(self, dag: str) -> bool:
        """True when the DAG's own callback has arrived, which comes last."""
        self.take_in()
        return bool(self.incidents(dag)) and "callback" in self.sources(dag, "AirflowDAGRunFailed")

    def incidents(self, dag: str) -> list[Incident]:
        """All open incidents of a DAG."""
        with self.services.store.read() as tx:
            return [row.incident for row in tx.board(1000) if row.incident.service == f"in_{dag}"]

    def sightings(self, dag: str) -> list[Sighting]:
        """The signals of a DAG's only incident."""
        [incident] = self.incidents(dag)
        with self.services.store.read() as tx:
            return list(tx.sightings(incident.number))

    def sources(self, dag: str, name: str = "AirflowTaskFailed") -> list[str]:
        return sorted(seen.source for seen in self.sightings(dag) if seen.labels["alertname"] == name)


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)
    return answer


def run_all(airflow: Airflow, names: Sequence[str], conf: Mapping[str, Any]) -> dict[str, str]:
    """Triggers each DAG, waits until all runs have ended, returns their ids."""
    for name in names:
        airflow.unpause(f"in_{name}")
    runs = {name: airflow.trigger(f"in_{name}", conf) for name in names}
    for name, run_id in runs.items():
        airflow.wait_run(f"in_{name}", run_id, ("success", "failed"), timeout=150)
    return runs
