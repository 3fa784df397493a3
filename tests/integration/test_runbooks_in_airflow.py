"""The shipped runbooks as real DAG runs, while the worker of every one of their tasks is killed.

Six kinds of real trouble at once in one Airflow: detectors see it, the clock starts the runs, and behind the
work of each task (deadly_policy.py) the task and its supervisor die by SIGKILL. What the next try finds is
done once, and the incident ends as if nothing had happened.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import pytest
import yaml
from sqlalchemy.engine import make_url

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.runbooks import APPROVE, Remediation, RemediationState, StepState
from incident_response.library.folder import Library
from tests.integration.actions.postgres_under_test import (
    DATABASE,
    SECRET,
    alive,
    execute,
    server,
    session,
    sql,
)
from tests.integration.deployment import Deployment, deploy
from tests.integration.runbooks.test_crashing import told
from tests.integration.runbooks.test_healing import Stubborn
from tests.support.docker_engine import DockerEngine
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer
from tests.support.walking_runbook import task_names

pytestmark = [
    pytest.mark.integration, pytest.mark.acceptance, pytest.mark.calm, pytest.mark.timeout(700),
]  # fmt: skip

HERE = Path(__file__).parent
LONG = 420.0  # seconds; all of them together take two minutes on a quiet machine
CHANGES = ["start", "restart", "stop", "kill", "die", "pause", "unpause", "update", "create", "destroy"]
SERVICES = """
version: 1
wait: 0 s
services:
  - {name: shop, container: {automation: true, start_grace: 3 s}}
  - {name: reports, container: {automation: true, memory_ceiling: 64 MB}}
  - {name: vault, container: {automation: true}}
"""
COMPLETE = """
SELECT count(DISTINCT CAST(timestamp_utc AS date)), 30 FROM fact_electricity_timeseries
WHERE timestamp_utc >= CAST(now() AT TIME ZONE 'UTC' AS date) - 30
  AND timestamp_utc < CAST(now() AT TIME ZONE 'UTC' AS date)
"""
SOURCES: Sequence[Mapping[str, Any]] = (
    {
        "name": "docker",
        "kind": "docker",
        "interval": "5 s",
        "containers": ["shop", "reports"],
        "down_for": "0 s",
        "start_grace": "0 s",
    },
    {
        "name": "energy_database",
        "kind": "postgres",
        "conn_id": "lianel_energy_db",
        "service": DATABASE,
        "interval": "5 s",
        "blocked": {"after": "2 s"},
    },
    {
        "name": "energy_data",
        "kind": "data_quality",
        "conn_id": "lianel_energy_db",
        "interval": "5 s",
        "checks": [
            {
                "name": "electricity_complete",
                "kind": "completeness",
                "table": "fact_electricity_timeseries",
                "sql": COMPLETE,
                "fail_below": 100,
                "warn_below": 100,
            }
        ],
    },
)


def in_seconds(include: Path) -> None:
    """The shipped files, in seconds where they wait for minutes; and three containers that may be changed."""
    (include / "policy" / "services.yaml").write_text(SERVICES)
    for path in (include / "runbooks").glob("*.yaml"):
        book = yaml.safe_load(path.read_text())
        if "guards" in book:
            book["guards"]["cooldown"] = "0 s"
            book["hold_down"] = "2 s"
        if book["name"] == "database-maintenance":
            for step in book["diagnose"] + book["repair"]:
                if step["action"] in ("postgres.locks", "postgres.unblock"):
                    step["with"]["older_than"] = "2 s"
            book["verify"][0]["within"] = "6 s"  # how long the first attempt has to prove itself
        if book["name"] == "dag-failure-recovery":
            book["parameters"]["stuck_after"]["default"] = "5 s"
            book["diagnose"][0]["within"] = "20 s"  # for the end of the run, which a stuck one does not reach
            book["contain"][0]["with"]["silent_for"] = "3 s"
            # Never needed: when the triggerer sees the first one proven, a worker has to say so.
            book["repair"].append({**book["repair"][0], "name": "clear_again"})
        if book["name"] == "performance-troubleshooting":
            # The other database is blocked at this time, and that is another runbook's affair.
            book["parameters"]["conn_id"]["default"] = "reports_db"
        path.write_text(yaml.safe_dump(book))


class Diary:
    """What is done to containers, written down as it happens: the engine itself keeps 256 events only."""

    def __init__(self, engine: DockerEngine) -> None:
        self._client = docker.DockerClient(engine.url, timeout=3600)
        self._stream = self._client.events(decode=True, filters={"type": "container", "event": CHANGES})
        self._events: list[tuple[str, str]] = []
        self._thread = threading.Thread(target=self._write, daemon=True)

    def of(self, container: str) -> list[str]:
        """`start`, `restart`."""
        time.sleep(0.5)
        return [action for name, action in self._events if name == container]

    def _write(self) -> None:
        for event in self._stream:
            self._events.append((event["Actor"]["Attributes"]["name"], event["Action"]))

    def __enter__(self) -> Diary:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._client.close()


@dataclass
class Site:
    """What is in trouble, and what was done to it since."""

    house: Deployment
    engine: DockerEngine
    diary: Diary
    database: PostgresServer
    missing: Sequence[str]
    ended: tuple[int, int]  # statements and sessions that PostgreSQL had ended before the trouble
    blocked: Stubborn
    security: int
    by_hand: str
    stuck: int

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.client.api.inspect_container(container)
        return found

    def incident(self, service: str) -> Incident:
        return self.house.until(f"an incident of {service}", lambda: self.house.of(service), 120)

    def question(self, number: int) -> str:
        """The path of Airflow's question about an incident's plan, once it waits for an answer.

        Empty when there is an answer: a second try of a test asks nobody again.
        """

        def asked() -> str | None:
            for one in self.house.remediations(number):
                dag, run = f"runbook_{one.runbook}", quote(one.run_id, safe="")
                path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{APPROVE}/-1"
                state = self.house.airflow.get(path).json().get("state")
                if state in ("awaiting_input", "deferred"):
                    return f"{path}/hitlDetails"
            return None

        answered = f"op approved the plan of INC-{number}-"
        if answered in self.house.story(number):
            return ""
        path = self.house.until("the question", asked, LONG)
        # A person takes a moment. When the answer comes before the scheduler knows that the task waits, it
        # takes the task for a killed one and tries again: right, too, but nobody was killed in resuming.
        time.sleep(2)
        return path


@pytest.fixture(scope="module")
def site(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All that can be in trouble, and then is."""
    folder = tmp_path_factory.mktemp("runbooks")
    metadata = postgres_server.create_database("runbooks_airflow")
    settings = folder / "airflow" / "config" / "airflow_local_settings.py"
    settings.parent.mkdir(parents=True)
    shutil.copyfile(HERE / "deadly_policy.py", settings)
    with ExitStack() as stack:
        engine = stack.enter_context(DockerEngine(folder))
        database = stack.enter_context(server(folder / "energy"))
        missing = fill(database)
        start_containers(engine)
        house = stack.enter_context(
            deploy(
                folder,
                stack.enter_context(SmtpServer()),
                database=metadata,
                store_url=postgres_server.create_database("runbooks_store"),
                env=surroundings(engine, database, postgres_server, metadata),
                dags=[HERE / "dags" / "energy_ingestion.py", HERE / "dags" / "lost_worker.py"],
                sources=SOURCES,
                adapt=in_seconds,
            )
        )
        house.airflow.wait_dag("entsoe_ingestion")
        house.airflow.wait_dag("runbook_security-incident")
        before = told(database)
        blocked = stack.enter_context(Stubborn(database, lambda *who: patient(stack, database, *who)))
        engine.client.containers.get("shop").kill()
        engine.wait_state("shop", "exited")
        engine.client.containers.get("reports").exec_run("dd if=/dev/zero of=/ram/need bs=1M count=29")
        diary = stack.enter_context(Diary(engine))
        sql(database, "DELETE FROM fact_electricity_timeseries WHERE day = ANY(%s::date[])", (missing,))
        house.airflow.trigger("heals", run_id="fails")
        house.airflow.trigger("vanishes", run_id="lost")
        security = house.open("vault", alertname="SecurityIntrusion")
        by_hand = house.airflow.trigger("runbook_security-incident", conf={"incident": security})
        house.airflow.trigger("hangs", run_id="stuck")
        house.airflow.wait_run("hangs", "stuck", ("running",))
        stuck = house.open("hangs", "P3", alertname="AirflowRunStuck", dag_id="hangs", run_id="stuck")
        yield Site(house, engine, diary, database, missing, before, blocked, security, by_hand, stuck)


def patient(stack: ExitStack, database: PostgresServer, *who: str) -> Any:
    """A session that waits as long as it has to."""
    connection = stack.enter_context(closing(session(database, *who)))
    execute(connection, "SET statement_timeout = 0")
    return connection


def fill(database: PostgresServer) -> list[str]:
    """Every day of a month, and a checkpoint five days ago; returns the days that will be missing since."""
    sql(
        database,
        "CREATE TABLE fact_electricity_timeseries (timestamp_utc timestamp, country_code text, run_id text, "
        "day date GENERATED ALWAYS AS (CAST(timestamp_utc AS date)) STORED)",
    )
    sql(
        database,
        "CREATE TABLE meta_entsoe_ingestion_log (ingestion_date date, country_code text, "
        "start_timestamp timestamp, end_timestamp timestamp, status text, error_message text)",
    )
    for table in ("fact_electricity_timeseries", "meta_entsoe_ingestion_log"):
        sql(database, f"GRANT SELECT, INSERT ON {table} TO PUBLIC")
    sql(
        database,
        "INSERT INTO fact_electricity_timeseries (timestamp_utc, country_code, run_id) "
        "SELECT d + interval '12 hours', 'SE', 'before' "
        "FROM generate_series(current_date - 32, current_date - 1, interval '1 day') d",
    )
    sql(
        database,
        "INSERT INTO meta_entsoe_ingestion_log VALUES "
        "(current_date - 5, 'SE', current_date - 7, current_date - 5, 'success', NULL), "
        "(current_date - 1, 'SE', current_date - 5, current_date - 1, 'failed', 'HTTP 504')",
    )
    today: date = sql(database, "SELECT CAST(now() AT TIME ZONE 'UTC' AS date)")[0][0]
    return sorted(str(today - timedelta(days=days)) for days in (1, 2, 3, 4, 5))


def start_containers(engine: DockerEngine) -> None:
    """All well."""
    engine.serve("shop")
    engine.run("reports", mem_limit="32m", tmpfs={"/ram": "size=64m"})
    engine.run("vault")
    engine.wait_health("shop", "healthy")


def surroundings(
    engine: DockerEngine, database: PostgresServer, other: PostgresServer, metadata: str
) -> dict[str, str]:
    """Airflow's connections to what the tests use, and six tasks at once."""
    energy = {"host": "127.0.0.1", "port": database.port, "schema": DATABASE}
    found = {
        "incident_response_docker": {"conn_type": "docker", "host": engine.url},
        "incident_response_docker_write": {"conn_type": "docker", "host": engine.url},
        "lianel_energy_db": {"conn_type": "postgres", "login": "responder", "password": SECRET, **energy},
        "reports_db": {
            "conn_type": "postgres",
            "login": "postgres",
            "host": "127.0.0.1",
            "port": other.port,
            "schema": "postgres",
        },
    }
    return {
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in found.items()},
        "AIRFLOW__CORE__PARALLELISM": "6",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
        "INGESTION_DATABASE": f"postgresql://etl:{SECRET}@127.0.0.1:{database.port}/{DATABASE}",
        "METADATA_OF_THE_TEST": make_url(metadata).set(drivername="postgresql").render_as_string(False),
    }


# --- what holds for all


def expect_end(site: Site, number: int, runbook: str, state: RemediationState, *said: str) -> None:
    """One remediation, ended so; every task was killed, and nothing was left half done."""
    house = site.house
    remediation = house.until(f"the end of {runbook}", lambda: ended(house, number), LONG)
    story = house.story(number)
    assert (remediation.runbook, remediation.state) == (runbook, state), story
    dag_id = f"runbook_{runbook}"
    house.airflow.wait_run(dag_id, remediation.run_id, timeout=LONG)
    tasks = tasks_of(house, runbook)
    found = house.task_instances(dag_id, remediation.run_id)
    assert sorted(found) == sorted(tasks)
    started = {name: ti for name, ti in found.items() if ti["try_number"]}
    dead = killed(house, dag_id, remediation.run_id)
    assert {name for name in dead if name.endswith(".execute")} == {f"{task}.execute" for task in started}
    last = {name: (ti["try_number"] > 1, ti["state"] in ("success", "skipped"))
            for name, ti in started.items()}  # fmt: skip
    assert last == dict.fromkeys(started, (True, True))
    # What was not needed has never started: the task before it has said so, twice.
    idle = {ti["state"] for name, ti in found.items() if name not in started}
    assert idle <= {"skipped"}, found
    unneeded = {step.step for step in house.steps(number) if step.state is StepState.SKIPPED}
    assert unneeded <= found.keys() - started.keys(), story

    running = [step.step for step in house.steps(number) if step.state is StepState.RUNNING]
    assert running == [], story
    assert leases(house, number) == [], story
    effects = Counter(event.data["effect"] for event in house.timeline(number) if "effect" in event.data)
    assert set(effects.values()) <= {1}, story
    report = house.airflow.get(f"/incidents/{number}/report.md").text
    for words in ("Guard allowed it", remediation.reason.split(";")[0][:100], *said):
        assert words in report, report


def expect_resolved(site: Site, number: int, runbook: str, *said: str) -> None:
    """Proven, and over."""
    expect_end(site, number, runbook, RemediationState.SUCCEEDED, "Proven: ", *said)
    site.house.until_status(number, Status.RESOLVED, timeout=60)


def ended(house: Deployment, number: int) -> Remediation | None:
    """The only one that was asked for."""
    asked = house.remediations(number)
    assert len(asked) <= 1, house.story(number)
    return asked[0] if asked and asked[0].state.ended else None


def tasks_of(house: Deployment, name: str) -> list[str]:
    """The tasks of a runbook's DAG, in their order."""
    runbook = Library(house.include).runbook(name)
    assert runbook is not None
    return task_names(runbook)


def killed(house: Deployment, dag_id: str, run_id: str) -> set[str]:
    """Which workers the policy has killed."""
    return {path.name for path in (house.airflow.folder / "killed" / dag_id / run_id).iterdir()}


def leases(house: Deployment, number: int) -> list[str]:
    with house.store.read() as tx:
        return [lease.target for lease in tx.leases() if lease.incident == number]


# --- the runbooks


def test_performance_troubleshooting(site: Site) -> None:
    """Near its limit, a container gets more memory, once, after a person has said yes in Airflow."""
    number = site.incident("reports").number
    if path := site.question(number):
        found = site.house.airflow.get(path, user="op").json()
        assert "Raise the memory limit of the container reports from 32 MB to 48 MB" in found["body"]
        body = {"chosen_options": ["Approve"], "params_input": {}}
        site.house.airflow.patch(path, user="op", json=body).raise_for_status()

    said = "from 32 MB to 48 MB", "op approved the plan"
    expect_resolved(site, number, "performance-troubleshooting", *said)
    assert site.diary.of("reports") == ["update"]
    assert site.inspect("reports")["HostConfig"]["Memory"] == 48 * 2**20


def test_security_incident(site: Site) -> None:
    """A person starts it and another approves it on the page; it is contained, and people go on."""
    house, number = site.house, site.security
    if site.question(number):
        answer = house.airflow.post(f"/incidents/{number}/approve", user="op", data={"attempt": "1"})
        assert answer.status_code == 303, answer.text

    expect_end(site, number, "security-incident", RemediationState.CONTAINED, "Paused the container vault")
    incident = house.incident(number)
    assert incident.status.is_open
    assert (incident.level, incident.pages > 0) == (4, True)
    assert site.diary.of("vault") == ["pause"]
    assert site.inspect("vault")["State"]["Status"] == "paused"
    # The run that the person has started asked once, although its task was tried twice; no other one started.
    run = "runbook_security-incident", site.by_hand
    house.airflow.wait_run(*run, timeout=LONG)
    assert killed(house, *run) == {f"{tasks_of(house, 'security-incident')[0]}.execute"}
    assert house.story(number).count("started runbook_security-incident by hand") == 1


def test_service_restart(site: Site) -> None:
    """A killed container is started once."""
    number = site.incident("shop").number

    expect_resolved(site, number, "service-restart", "Restarted the container shop", "shop is healthy")
    assert site.diary.of("shop") == ["start", "restart"]  # the engine tells a restart so


def test_dag_failure_recovery(site: Site) -> None:
    """A failed task of a pipeline is cleared once; what was green is not run again."""
    house, number = site.house, site.incident("heals").number

    expect_resolved(site, number, "dag-failure-recovery", "Cleared ")
    house.airflow.wait_run("heals", "fails")
    tries = {name: len(list((house.airflow.folder / "tries" / f"heals.{name}" / "fails").iterdir()))
             for name in ("extract", "load")}  # fmt: skip
    assert tries == {"extract": 1, "load": 2}


def test_a_stuck_run(site: Site) -> None:
    """What hangs is marked failed, which ends it, and cleared once; the second try goes through."""
    house = site.house

    expect_resolved(
        site, site.stuck, "dag-failure-recovery", "Marked task:hangs/stuck/wait failed", "Cleared "
    )
    house.airflow.wait_run("hangs", "stuck")
    # Between the two the scan may have seen a failed run: that is the same trouble.
    assert [one.number for one in house.incidents() if one.service == "hangs"] == [site.stuck]
    assert len(list((house.airflow.folder / "tries" / "hangs.wait" / "stuck").iterdir())) == 2


def test_a_zombie(site: Site) -> None:
    """A pipeline's worker is lost without a word: the scan finds it, and it is cleared once.

    The triggerer sees it green; then the worker that skips the second attempt is killed, too.
    """
    house, number = site.house, site.incident("vanishes").number
    run = house.until("a repair", lambda: house.remediations(number), LONG)[0].run_id
    dag_id, check = "runbook_dag-failure-recovery", "verify_clear"

    def waits() -> bool:
        """In its second try: the first was killed when it began to."""
        ti = house.task_instances(dag_id, run).get(check, {})
        return (ti.get("state"), ti.get("try_number")) == ("deferred", 2) or bool(ended(house, number))

    house.until("its check waits", waits, LONG)
    (house.airflow.folder / "released").touch()
    expect_resolved(site, number, "dag-failure-recovery", "1 failed task instance: zombie", "Cleared ")
    assert f"{check}.execute_complete" in killed(house, dag_id, run)
    assert {sighting.source for sighting in house.sightings(number)} == {"airflow_runs"}
    house.airflow.wait_run("vanishes", "lost")
    assert len(list((house.airflow.folder / "tries" / "vanishes.load").iterdir())) == 2


def test_data_quality_issues(site: Site) -> None:
    """The pipeline cannot be told a date: it runs once, from its checkpoint, and the same query proves it."""
    number = site.incident("fact_electricity_timeseries").number

    expect_resolved(
        site, number, "data-quality-issues", *site.missing[:2], "failed SE", "HTTP 504", "SE 2",
        "which goes on from its own checkpoint",
    )  # fmt: skip
    runs = site.house.airflow.get("/api/v2/dags/entsoe_ingestion/dagRuns").json()["dag_runs"]
    assert [(run["conf"], run["state"]) for run in runs] == [({}, "success")]
    rows = sql(site.database, "SELECT CAST(day AS text) FROM fact_electricity_timeseries "
                              "WHERE run_id <> 'before' ORDER BY 1")  # fmt: skip
    assert [row[0] for row in rows] == site.missing, "each once"


def test_database_maintenance(site: Site) -> None:
    """What blocks a table is cancelled once, and as that is not enough, ended once."""
    number = site.incident(DATABASE).number

    said = "Cancelled the statement of", "Ended the session of"
    expect_resolved(site, number, "database-maintenance", *said)
    site.blocked.waiting.wait()
    assert site.blocked.waiting.done
    assert not alive(site.database, site.blocked.root)
    assert told(site.database) == (site.ended[0] + 1, site.ended[1] + 1)


def test_nothing_is_left_held(site: Site) -> None:
    """After all of them."""
    with site.house.store.read() as tx:
        assert tx.leases() == []
