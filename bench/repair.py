"""What the repair of a killed container takes, beside the same commands by hand back to back.

In a real Airflow the tasks of the runbook have to start, too. A run of as many tasks that do nothing says how
long that takes on the same machine.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from bench import REPOSITORY
from bench.measure import Figure, grows_less, informational
from incident_response import bootstrap
from incident_response.domain.connections import Connection
from incident_response.domain.runbooks import RemediationState
from incident_response.library.folder import Library
from tests.integration.deployment import Deployment, deploy
from tests.support.docker_engine import DockerEngine
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer
from tests.support.walking_runbook import Ground, Site, task_names

RUNBOOK = "service-restart"
_GOAL = 1.5
_PAUSE = 0.3  # seconds between two looks at its health, as the walk has it
_LOG_LINES = 200  # as the runbook keeps
_HEALTH = {"test": ["CMD", "true"], "interval": 500_000_000, "retries": 2}
_READS, _WRITES = "incident_response_docker", "incident_response_docker_write"


def figures(folder: Path, rounds: int) -> Iterator[Figure]:
    """Seconds of the steps alone, of the tasks' starts, and of the whole run in Airflow."""
    folder.mkdir()
    names = [f"service{number}" for number in range(rounds)]
    with ExitStack() as stack:
        engine = stack.enter_context(DockerEngine(folder / "docker"))
        for name in names:
            engine.run(name, healthcheck=_HEALTH)
        by_hand = _median(names, engine, lambda name: _by_hand(engine, name))
        site = _site(folder / "ground", engine, names)
        walked = _median(names, engine, lambda name: _walk(site, name))
        yield grows_less("repair, killed container, steps alone", walked, by_hand, _GOAL, "s")

        house = _house(stack, folder, engine, names)
        _run_of(house, "nothing", house.airflow.trigger("nothing"))  # the first one warms up
        starts = statistics.median(
            _run_of(house, "nothing", house.airflow.trigger("nothing")) for _ in range(rounds)
        )
        in_airflow = _median(names, engine, lambda name: _in_airflow(house, name), timed=False)
        tasks = len(_tasks())
        yield informational(
            grows_less(f"repair, killed container, {tasks} empty tasks of Airflow", starts, by_hand, 1, "s")
        )
        yield grows_less(
            "repair, killed container, in Airflow less the empty tasks",
            in_airflow - starts,
            by_hand,
            _GOAL,
            "s",
        )


def _median(
    names: list[str], engine: DockerEngine, repair: Callable[[str], float | None], *, timed: bool = True
) -> float:
    """Seconds of one repair; each container is killed before. Not `timed`: `repair` says itself how long."""
    seconds = []
    for name in names:
        engine.client.containers.get(name).kill()
        engine.wait_state(name, "exited")
        began = time.perf_counter()
        said = repair(name)
        seconds.append(time.perf_counter() - began if timed else float(said or 0))
        engine.wait_health(name, "healthy")
    return statistics.median(seconds)


def _by_hand(engine: DockerEngine, name: str) -> None:
    """Status, log, memory, restart, and until it is healthy: procedures §5.1."""
    api = engine.client.api
    api.inspect_container(name)
    api.logs(name, tail=_LOG_LINES)
    api.stats(name, stream=False)
    api.inspect_container(name)
    api.restart(name)
    while api.inspect_container(name)["State"].get("Health", {}).get("Status") != "healthy":
        time.sleep(_PAUSE)


def _services(names: list[str]) -> str:
    containers = [{"name": name, "container": {"automation": True, "start_grace": "3 s"}} for name in names]
    return str(yaml.safe_dump({"version": 1, "wait": "0 s", "services": containers}))


def _unbounded(include: Path, names: list[str]) -> None:
    """The shipped runbook, for a bench that repairs one thing after the other."""
    (include / "policy" / "services.yaml").write_text(_services(names))
    path = include / "policy" / "automation.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "per_hour": 1000}))


def _tasks() -> list[str]:
    runbook = Library(REPOSITORY / "include").runbook(RUNBOOK)
    assert runbook is not None
    return task_names(runbook)


# --- the steps alone


def _site(folder: Path, engine: DockerEngine, names: list[str]) -> Site:
    bootstrap.kill_variable = lambda: None
    ground = Ground.new(folder, {name: Connection(host=engine.url) for name in (_READS, _WRITES)})
    _unbounded(folder / "include", names)
    ground.migrate()
    return Site(ground, ground.services().store)


def _walk(site: Site, name: str) -> None:
    remediation = site.walk(site.container("ContainerDown", name))
    assert remediation.state is RemediationState.SUCCEEDED, remediation.reason


# --- in Airflow


def _house(stack: ExitStack, folder: Path, engine: DockerEngine, names: list[str]) -> Deployment:
    server = stack.enter_context(PostgresServer(folder / "metadata"))
    smtp = stack.enter_context(SmtpServer())
    docker = json.dumps({"conn_type": "docker", "host": engine.url})
    return stack.enter_context(
        deploy(
            folder,
            smtp,
            database=server.create_database("airflow"),
            store_url=server.create_database("store"),
            env={
                f"AIRFLOW_CONN_{_READS.upper()}": docker,
                f"AIRFLOW_CONN_{_WRITES.upper()}": docker,
                "BENCH_TASKS": str(len(_tasks())),
            },
            dags=[REPOSITORY / "bench" / "dags" / "nothing.py"],
            sources=[],
            adapt=lambda include: _unbounded(include, names),
        )
    )


def _in_airflow(house: Deployment, name: str) -> float:
    number = house.open(name, "P2", alertname="ContainerDown", container=name, component="api")
    ended = lambda: [one for one in house.remediations(number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the end of the repair", ended, 120)
    assert remediation.state is RemediationState.SUCCEEDED, house.story(number)
    return _run_of(house, f"runbook_{RUNBOOK}", remediation.run_id)


def _run_of(house: Deployment, dag_id: str, run_id: str) -> float:
    """Seconds that a run took, as Airflow has it."""
    run: dict[str, Any] = house.airflow.wait_run(dag_id, run_id, timeout=120)
    ended, started = (datetime.fromisoformat(run[key]) for key in ("end_date", "start_date"))
    return (ended - started).total_seconds()
