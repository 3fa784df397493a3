"""Three dates are missing among thirty: found by SQL, ingested again by a real Airflow, and proven."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from incident_response import bootstrap
from incident_response.actions.check_signals import Quiet
from incident_response.actions.data_backfill import Backfill
from incident_response.actions.data_ingest import Ingest
from incident_response.actions.data_ingested import Ingested
from incident_response.actions.data_missing import FindMissing
from incident_response.actions.kit import Kit
from incident_response.airflow_api import AirflowApi
from incident_response.detectors.data_quality import DataQualityDetector
from incident_response.detectors.registry import Detectors
from incident_response.domain.actions import Done, Finding, Planned, Scene
from incident_response.domain.connections import Connection
from incident_response.domain.errors import AirflowUnavailable, Refused
from incident_response.domain.records import Sighting
from incident_response.domain.services import ServiceMap
from incident_response.domain.severities import Scenario
from incident_response.parameters.registry import MODELS
from incident_response.settings import Settings
from incident_response.sources.data_quality import DataQualitySource
from tests.support.airflow import Airflow
from tests.support.lookout import Lookout
from tests.support.postgres import PostgresServer
from tests.support.scenes import incident, scene
from tests.support.traces import traces
from tests.support.waiting import wait_for
from tests.support.walking_runbook import Ground, Site

pytestmark = [pytest.mark.integration, pytest.mark.calm, pytest.mark.timeout(240)]

_numbers = itertools.count(42)  # of incidents: a second try of a test has runs of its own
NOW = datetime(2025, 3, 31, 9, tzinfo=timezone.utc)
LOG = "meta_ingestion_log"
GEO = "fact_geo_region_features"
TABLE = f"CREATE TABLE {LOG} (source_name text, ingestion_date date, status text, run_id text)"
MISSING = ["2025-03-10", "2025-03-11", "2025-03-13"]
PRESENT = (
    f"SELECT DISTINCT ingestion_date FROM {LOG} WHERE source_name = :source AND status = 'ok' "
    "AND ingestion_date >= :since AND ingestion_date < :until"
)
ASSERTION = {
    "name": "entsoe_log_complete",
    "kind": "assertion",
    "table": LOG,
    "sql": "SELECT d::date FROM generate_series(date '2025-03-01', date '2025-03-30', interval '1 day') d "
    f"EXCEPT SELECT ingestion_date FROM {LOG} WHERE source_name = 'entsoe'",
}


class Place:
    """The database that is ingested into, the Airflow that ingests, and the actions of one incident."""

    def __init__(self, database: Connection, airflow: Airflow) -> None:
        self.database, self.airflow = database, airflow
        self.found: dict[str, Mapping[str, Any]] = {}
        self.done: dict[str, Mapping[str, Any]] = {}
        self.number = 0
        self.sightings: Sequence[Sighting] = ()
        login = Connection(airflow.url, airflow.login.user, airflow.login.password)
        find, api = {"lianel_energy_db": database}.get, AirflowApi(lambda: login)
        self.source = DataQualitySource.model_validate(
            {"kind": "data_quality", "name": "energy", "conn_id": "lianel_energy_db", "checks": [ASSERTION]}
        )
        detectors = Detectors(lambda: (self.source,), find, api, Settings())
        self.kit = Kit(find, api, ServiceMap, detectors, lambda: NOW)

    def empty(self, missing: Sequence[str] = MISSING) -> str:
        """Thirty days of which some are missing, for an incident of its own; returns how its runs begin."""
        self.number, self.found, self.done = next(_numbers), {}, {}
        self.run(f"TRUNCATE {LOG}")
        self.run(
            f"INSERT INTO {LOG} SELECT 'entsoe', d::date, 'ok', 'before' FROM "
            "generate_series(date '2025-03-01', date '2025-03-30', interval '1 day') d "
            "WHERE NOT d::date = ANY(%s::date[])",
            list(missing),
        )
        return f"incident-{self.number}-1-"

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with (
            closing(psycopg2.connect(dsn(self.database))) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def scene(self, action: str, **fields: Any) -> Scene:
        about = incident(LOG, Scenario.DATA_QUALITY, number=self.number)
        parameters = MODELS[action].model_validate(fields)
        return scene(about, parameters, self.sightings, found=self.found, done=self.done)

    def missing(self) -> Finding:
        """The step `missing`."""
        asked = self.scene(
            "data.missing", table=LOG, present=PRESENT, parameters={"source": "entsoe"},
            expected={"from": "30 days ago", "to": "yesterday", "every": "day"},
        )  # fmt: skip
        found = FindMissing(self.kit).look(asked)
        self.found["missing"] = found.data
        return found

    def quiet(self) -> Finding:
        """The assertion that opened the incident."""
        return Quiet(self.kit).look(self.scene("check.signals_quiet", least=1))

    def ingested(self, **fields: Any) -> Finding:
        """The check, once it knows."""
        answer: list[Finding] = []

        def knows() -> bool:
            answer.append(Ingested(self.kit).look(self.scene("data.ingested", **fields)))
            return answer[-1].proven is not None

        wait_for(knows, "the ingesting runs have ended", 120)
        return answer[-1]

    def forget(self, dag_id: str) -> None:
        """Delete what an earlier try of the test has left."""
        for run_id in self.runs(dag_id):
            path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
            self.airflow.request("DELETE", path).raise_for_status()

    def ended(self, dag_id: str) -> bool:
        """It has run, and nothing of it is under way."""
        return {run["state"] for run in self.runs(dag_id).values()} == {"success"}

    def runs(self, dag_id: str, prefix: str = "") -> dict[str, dict[str, Any]]:
        """The runs that Airflow has."""
        rows = self.airflow.get(f"/api/v2/dags/{dag_id}/dagRuns", params={"limit": 100}).json()["dag_runs"]
        return {row["dag_run_id"]: row for row in rows if row["dag_run_id"].startswith(prefix)}


class Losing:
    """Airflow's API on a bad day: what is posted arrives, its answer does not."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def get(self, *arguments: Any) -> Any:
        return self._api.get(*arguments)

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        answer = self._api.post(path, json)
        if path.endswith("dry_run"):
            return answer
        raise AirflowUnavailable("the answer was lost")


def dsn(place: Connection) -> str:
    return f"host={place.host} port={place.port} user={place.login} dbname={place.schema}"


@pytest.fixture(scope="module")
def place(postgres_server: PostgresServer, airflow_pool: Any) -> Place:
    """Started once."""
    url = make_url(postgres_server.create_database("ingestion"))
    database = Connection(
        url.host, url.username, "correct-horse-9", url.port, url.database, conn_type="postgres"
    )
    airflow = airflow_pool.get(
        project=False,
        dags=[Path(__file__).parent / "dags" / "ingestion.py"],
        env={"INGESTION_DSN": dsn(database)},
    )
    found = Place(database, airflow)
    found.run(TABLE)
    airflow.unpause("ingests_by_conf")
    return found


def test_three_missing_dates_among_thirty_are_ingested_by_exactly_three_runs(place: Place) -> None:
    """Found, planned, done once although it is applied again, proven; the assertion that fired is quiet."""
    runs = place.empty()
    watch = Lookout(DataQualityDetector(place.source, place.kit.find))
    assert watch.names() == {"DataInvalid": True}
    with watch.house.store.read() as tx:
        place.sightings = tx.sightings(1)
    assert place.quiet().proven is None

    found = place.missing()
    assert found.data["missing"] == MISSING
    assert found.causes == ("data_missing",)
    assert found.exhibits[0].content == "\n".join(MISSING)

    ingest = Ingest(place.kit)
    asked = place.scene("data.ingest", dag_id="ingests_by_conf")
    plan = ingest.plan(asked)
    assert [planned.target for planned in plan] == [f"run:ingests_by_conf/{runs}{d}" for d in MISSING]
    conf = '{"date": "2025-03-10"}'
    assert plan[0].text == f"Trigger ingests_by_conf for 2025-03-10: run {runs}2025-03-10, conf {conf}"
    assert place.runs("ingests_by_conf", runs) == {}, "planning has done something"

    # The worker dies after the second: what was done is found by looking.
    for planned in plan[:2]:
        ingest.apply(asked, planned)
    assert [ingest.happened(asked, planned) for planned in plan] == [True, True, False]
    again = Ingest(place.kit)
    for planned in (*plan, *plan):
        done = again.apply(asked, planned)
        place.done[planned.target] = done.data
    assert done.text == f"Run {runs}2025-03-13 of ingests_by_conf had been triggered before"

    proof = place.ingested()
    assert proof.proven is True
    assert proof.text.startswith("All 3 ingesting runs have ended well")
    assert sorted(place.runs("ingests_by_conf", runs)) == [f"{runs}{date}" for date in MISSING]
    rows = place.run(f"SELECT ingestion_date::text, run_id FROM {LOG} WHERE run_id LIKE '{runs}%' ORDER BY 1")
    assert rows == [(date, f"{runs}{date}") for date in MISSING]
    assert place.missing().data["missing"] == []
    assert place.quiet().text == "None of 1 signals that can be looked at fires any more"
    assert place.quiet().proven is True
    assert watch.names(minutes=5) == {"DataInvalid": False}
    assert [planned.text for planned in ingest.plan(asked)] == []


def test_a_lost_answer_is_no_second_run_and_the_check_knows_runs_by_their_keys(place: Place) -> None:
    """The POST arrived, its answer did not; nothing was written down, and the check still finds the runs."""
    runs = place.empty(MISSING[:1])
    place.missing()
    losing = Kit(**{**place.kit.__dict__, "airflow": Losing(place.kit.airflow)})
    asked = place.scene("data.ingest", dag_id="ingests_by_conf")
    (planned,) = Ingest(losing).plan(asked)
    assert Ingest(losing).apply(asked, planned).text.endswith("is triggered")
    assert place.ingested(dag_id="ingests_by_conf").proven is True
    assert list(place.runs("ingests_by_conf", runs)) == [f"{runs}2025-03-10"]


def test_a_run_that_fails_is_said_and_a_logical_date_is_given(place: Place) -> None:
    """Proven False, with the name of the run; a second step cannot have the same logical date."""
    runs = place.empty([date := f"2025-03-{place.number % 20 + 1:02}"])
    place.missing()
    fields = {"dag_id": "ingests_by_conf", "logical_date": True, "conf": {"fails": "{key}"}}
    asked = place.scene("data.ingest", **fields)
    (planned,) = Ingest(place.kit).plan(asked)
    assert f"logical date {date} 00:00 UTC" in planned.text
    place.done[planned.target] = Ingest(place.kit).apply(asked, planned).data
    proof = place.ingested()
    assert (proof.proven, proof.causes) == (False, ("ingestion_failed",))
    assert f"{runs}{date} is failed" in proof.text
    (run,) = place.runs("ingests_by_conf", runs).values()
    assert run["logical_date"].startswith(f"{date}T00:00:00")

    place.number = next(_numbers)
    with pytest.raises(Refused, match=f"has a run with the logical date of {date} already"):
        Ingest(place.kit).plan(place.scene("data.ingest", **fields))
    # It came between the plan and the act: Airflow itself refuses it.
    taken = Planned("x", "x", {**planned.data, "run_id": "another"})
    with pytest.raises(Refused, match="has a run with the logical date"):
        Ingest(place.kit).apply(place.scene("data.ingest", **fields), taken)


def test_what_would_never_run_is_refused_and_nothing_is_started(place: Place) -> None:
    """A paused DAG, one that is not there, too many keys: with the remedy."""
    runs = place.empty()
    place.missing()
    place.airflow.wait_dag("ingests_paused")

    def refusal(**fields: Any) -> str:
        with pytest.raises(Refused) as refused:
            Ingest(place.kit).plan(place.scene("data.ingest", **fields))
        return str(refused.value)

    assert "run `airflow dags unpause ingests_paused`" in refusal(dag_id="ingests_paused")
    assert "knows no DAG ingests_nothing" in refusal(dag_id="ingests_nothing")
    assert "3 keys are missing and at most 2" in refusal(dag_id="ingests_by_conf", most=2)
    assert "name it as `dag_id`" in refusal()
    asked = place.scene("data.ingest", dag_id="ingests_by_conf")
    planned = Ingest(place.kit).plan(asked)[0]
    paused = Planned("x", "x", {**planned.data, "dag_id": "ingests_paused"})
    with pytest.raises(Refused, match="is paused"):
        Ingest(place.kit).apply(asked, paused)
    with pytest.raises(Refused, match="a DAG without a schedule needs"):
        Backfill(place.kit).plan(place.scene("data.backfill", dag_id="ingests_by_conf"))
    assert place.runs("ingests_paused") == {}
    assert place.runs("ingests_by_conf", runs) == {}


def test_plans_and_a_dry_run_of_the_shipped_runbook_leave_no_trace(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ingesting and backfilling are planned: Airflow's audit log, runs and backfills stay as they are."""
    place.empty()
    place.missing()
    place.airflow.unpause("ingests_daily")
    wait_for(lambda: place.ended("ingests_daily"), "the run of its own schedule", 60)
    monkeypatch.setattr(bootstrap, "kill_variable", lambda: None)
    login = place.airflow.login
    api = Connection(place.airflow.url, login.user, login.password)
    ground = Ground.new(tmp_path, {"lianel_energy_db": place.database, "incident_response_api": api})
    path = ground.folder / "include" / "runbooks" / "data-quality-issues.yaml"
    text = path.read_text().replace("mode: {default: auto", "mode: {default: dry_run")
    path.write_text(text.replace("dags: [osm_feature_extraction_v2]", "dags: [ingests_by_conf]"))
    site = Site(ground)
    number = site.alert("data_quality", "OSMDataMissing", GEO, table=GEO)
    asked = place.scene("data.ingest", dag_id="ingests_by_conf")
    dated = place.scene("data.backfill", dag_id="ingests_daily", most=50, from_step="missing")

    def seen() -> dict[str, Any]:
        return traces(place.kit.airflow, login.user, "ingests_by_conf", "ingests_daily")

    before = seen()
    assert len(Ingest(place.kit).plan(asked)) == 3
    with pytest.raises(Refused, match="which are not missing"):
        Backfill(place.kit).plan(dated)
    place.found["missing"] = {"missing": MISSING[:2], "count": 2, "every": "day", "zone": "UTC"}
    assert len(Backfill(place.kit).plan(dated)) == 1

    end = site.walk(number)

    assert seen() == before
    assert end.reason.startswith("dry run: "), site.text(number)
    assert site.text(number).count("Trigger ingests_by_conf once: ") == 1
    assert (site.incident(number).pages, site.effects(number)) == (1, [])


def test_a_backfill_runs_exactly_the_missing_dates(place: Place) -> None:
    """12 March has a run, which is left alone; while it has none, the whole backfill is refused."""
    place.empty()
    place.missing()
    backfill = Backfill(place.kit)
    place.airflow.unpause("ingests_daily")
    place.forget("ingests_daily")
    asked = place.scene("data.backfill", dag_id="ingests_daily", max_active_runs=2)
    with pytest.raises(Refused, match="would also run 2025-03-12, which are not missing"):
        backfill.plan(asked)

    good = {"dag_run_id": "before", "logical_date": "2025-03-12T03:00:00Z", "conf": {}}
    place.airflow.post("/api/v2/dags/ingests_daily/dagRuns", json=good).raise_for_status()
    before = place.airflow.wait_run("ingests_daily", "before")
    (planned,) = backfill.plan(asked)
    dates = [f"{date}T03:00:00+00:00" for date in MISSING]
    assert planned.data["dates"] == dates
    assert planned.text == (
        "Backfill ingests_daily for 3 logical dates: 2025-03-10T03:00Z, 2025-03-11T03:00Z, 2025-03-13T03:00Z"
    )
    assert backfill.happened(asked, planned) is False

    losing = Kit(**{**place.kit.__dict__, "airflow": Losing(place.kit.airflow)})
    done: list[Done] = [Backfill(losing).apply(asked, planned)]
    assert backfill.happened(asked, planned) is True
    done += [backfill.apply(asked, planned), Backfill(losing).apply(asked, planned)]
    assert len({one.data["backfill_id"] for one in done}) == 1
    other = Planned("x", "x", {**planned.data, "conf": {"incident_response": "incident-9-1"}})
    with pytest.raises(Refused, match=r"would now run 0 dates|another backfill"):
        backfill.apply(asked, other)

    assert place.ingested(dag_id="ingests_daily").proven is True, "nothing was written down"
    place.done["backfill"] = done[0].data
    assert place.ingested().proven is True
    ran = {run["logical_date"][:10]: run for run in place.runs("ingests_daily", "backfill__").values()}
    assert sorted(ran) == MISSING
    assert place.runs("ingests_daily", "before") == {"before": before}
    assert place.missing().data["missing"] == []
    place.found["missing"] = {"missing": MISSING, "count": 3, "every": "day", "zone": "UTC"}
    place.number = next(_numbers)
    with pytest.raises(Refused, match="each missing date has a run already"):
        backfill.plan(place.scene("data.backfill", dag_id="ingests_daily"))
    redo = place.scene("data.backfill", dag_id="ingests_daily", reprocess="completed")
    with pytest.raises(Refused, match="would also run 2025-03-12"):
        backfill.plan(redo)
