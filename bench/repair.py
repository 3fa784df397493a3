"""What the repair of a killed container takes, beside the same commands by hand back to back.

In a real Airflow the tasks of the runbook have to start, too: that is told by itself, beside a run of as many
tasks that do nothing on the same machine.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
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
from tests.integration.deployment import Deployment, deploy
from tests.support.docker_engine import DockerEngine
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer
from tests.support.walking_runbook import Ground, Site

RUNBOOK = "service-restart"
_GOAL = 1.5
_PAUSE = 0.3  # seconds between two looks at its health, as the walk has it
_LOG_LINES = 200  # as the runbook keeps
_HEALTH = {"test": ["CMD", "true"], "interval": 500_000_000, "retries": 2}
_TASKS = 9  # empty ones, one after the other
_WORKERS = 16  # of Airflow; the first task of each takes longer than all others
_WARM = 3  # runs of empty tasks, so that every worker had one
_READS, _WRITES = "incident_response_docker", "incident_response_docker_write"


Parts = tuple[float, float, int]  # seconds of its tasks' own work and of all the rest; tasks that started


def figures(folder: Path, rounds: int) -> Iterator[Figure]:
    """Seconds of the steps alone, of the tasks' own work in Airflow, and of their starts."""
    folder.mkdir()
    names = [f"service{number}" for number in range(rounds)]
    with ExitStack() as stack:
        engine = stack.enter_context(DockerEngine(folder / "docker"))
        for name in names:
            engine.run(name, healthcheck=_HEALTH)
        site = _site(folder / "ground", engine, names)
        house = _house(stack, folder, engine, names)
        for _ in range(_WARM):
            _empty(house)
        # One after the other for each container: what slows one of them down slows down all.
        ways = (
            lambda name: _by_hand(engine, name),
            lambda name: _walk(site, name),
            lambda name: _in_airflow(house, name),
            lambda name: _empty(house),
        )
        found = [[_killed(engine, name, way) for way in ways] for name in names]
    by_hand, quick = (statistics.median(row[0][part] for row in found) for part in (0, 1))
    steps = statistics.median(row[1] for row in found)
    work, starts, tasks = (statistics.median(row[2][part] for row in found) for part in range(3))
    empty = statistics.median(row[3][1] for row in found) * tasks / _TASKS
    yield grows_less("repair, killed container, steps alone", steps, by_hand, _GOAL, "s")
    yield grows_less("repair, killed container, its tasks in Airflow", work, by_hand, _GOAL, "s")
    name = "repair, killed container, its tasks in Airflow (floor: by hand without `docker stats`)"
    yield informational(grows_less(name, work, quick, _GOAL, "s"))
    name = f"repair, killed container, start of its {tasks:.0f} tasks (floor: of as many empty ones)"
    yield informational(grows_less(name, starts, empty, _GOAL, "s"))


def _killed(engine: DockerEngine, name: str, repair: Callable[[str], Any]) -> Any:
    engine.client.containers.get(name).kill()
    engine.wait_state(name, "exited")
    found = repair(name)
    if engine.client.containers.get(name).status != "running":  # an empty run repairs nothing
        engine.client.containers.get(name).start()
    engine.wait_health(name, "healthy")
    return found


def _by_hand(engine: DockerEngine, name: str) -> tuple[float, float]:
    """What the runbook asks for (procedures §5.1), as a person types it: status, log, memory, restart, and
    until it is healthy. Seconds of all, and without `docker stats`, which looks for half a second.
    """

    def docker(*command: str) -> str:
        line = ["docker", "--host", engine.url, *command]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout

    began = time.perf_counter()
    docker("inspect", name)
    docker("logs", "--tail", str(_LOG_LINES), name)
    asked = time.perf_counter()
    docker("stats", "--no-stream", name)
    stats = time.perf_counter() - asked
    docker("restart", name)
    while docker("inspect", "--format", "{{.State.Health.Status}}", name).strip() != "healthy":
        time.sleep(_PAUSE)
    seconds = time.perf_counter() - began
    return seconds, seconds - stats


def _services(names: list[str]) -> str:
    containers = [{"name": name, "container": {"automation": True, "start_grace": "3 s"}} for name in names]
    return str(yaml.safe_dump({"version": 1, "wait": "0 s", "services": containers}))


def _unbounded(include: Path, names: list[str]) -> None:
    """The shipped runbook, for a bench that repairs one thing after the other."""
    (include / "policy" / "services.yaml").write_text(_services(names))
    path = include / "policy" / "automation.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "per_hour": 1000}))


# --- the steps alone


def _site(folder: Path, engine: DockerEngine, names: list[str]) -> Site:
    bootstrap.kill_variable = lambda: None
    ground = Ground.new(folder, {name: Connection(host=engine.url) for name in (_READS, _WRITES)})
    _unbounded(folder / "include", names)
    ground.migrate()
    return Site(ground, ground.services().store)


def _walk(site: Site, name: str) -> float:
    began = time.perf_counter()
    remediation = site.walk(site.container("ContainerDown", name))
    assert remediation.state is RemediationState.SUCCEEDED, remediation.reason
    return time.perf_counter() - began


# --- in Airflow


def _house(stack: ExitStack, folder: Path, engine: DockerEngine, names: list[str]) -> Deployment:
    policy = folder / "airflow" / "config" / "airflow_local_settings.py"
    policy.parent.mkdir(parents=True)
    shutil.copyfile(REPOSITORY / "bench" / "config" / "watching.py", policy)
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
                "BENCH_TASKS": str(_TASKS),
                "AIRFLOW__CORE__PARALLELISM": str(_WORKERS),
                "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",  # as Airflow has it by default
            },
            dags=[REPOSITORY / "bench" / "dags" / "nothing.py"],
            sources=[],
            adapt=lambda include: _unbounded(include, names),
        )
    )


def _in_airflow(house: Deployment, name: str) -> Parts:
    number = house.open(name, "P2", alertname="ContainerDown", container=name, component="api")
    ended = lambda: [one for one in house.remediations(number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the end of the repair", ended, 120)
    assert remediation.state is RemediationState.SUCCEEDED, house.story(number)
    return _run_of(house, f"runbook_{RUNBOOK}", remediation.run_id)


def _empty(house: Deployment) -> Parts:
    return _run_of(house, "nothing", house.airflow.trigger("nothing"))


def _run_of(house: Deployment, dag_id: str, run_id: str) -> Parts:
    """Own work is what lies between its begin and the end of the task, waiting included."""
    run: dict[str, Any] = house.airflow.wait_run(dag_id, run_id, timeout=120)
    whole = _seconds(run["end_date"]) - _seconds(run["start_date"])
    began = {mark.name: float(mark.read_text())
             for mark in (house.airflow.folder / "began" / dag_id / run_id).iterdir()}  # fmt: skip
    found = house.task_instances(dag_id, run_id)
    work = sum(_seconds(found[name]["end_date"]) - began[name] for name in began)
    return work, whole - work, len(began)


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
