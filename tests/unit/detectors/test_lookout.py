"""What was seen, looked at again at once: what forgives is off, and what nobody can tell is not quiet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from incident_response.detectors import again_docker
from incident_response.detectors.again import World
from incident_response.detectors.lookout import AGAIN, Lookout, again_of
from incident_response.detectors.registry import detector
from incident_response.domain.connections import Connection
from incident_response.domain.errors import AirflowUnavailable, NotConfigured, SourceUnavailable
from incident_response.domain.records import Sighting
from incident_response.library.detectors_file import DetectorsFile
from incident_response.sources.base import Source
from tests.support.airflow_rest import FakeAirflow
from tests.support.answers import Answers
from tests.support.processes import free_port
from tests.support.scenes import sighting
from tests.support.web_server import WebServer
from tests.unit.detectors.fake_loki import FakeLoki, vector
from tests.unit.detectors.test_airflow_health import World as FakeHealth
from tests.unit.detectors.test_docker import FakeEngine

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)


class Room:
    """A lookout over sources; `still` is the names of what fires, and of what nobody can look at."""

    def __init__(self, *sources: dict[str, Any], airflow: Any = None, **connections: Connection) -> None:
        self.sources: Sequence[Source] = DetectorsFile.model_validate(
            {"version": 1, "sources": [{"name": f"source_{n}", **source} for n, source in enumerate(sources)]}
        ).sources
        self.airflow = airflow or FakeAirflow()
        find = connections.get
        world = World(lambda source: detector(source, find, self.airflow), find)
        self.lookout = Lookout(lambda: self.sources, world, self.airflow)

    def still(self, *seen: Sighting) -> tuple[list[str], list[str]]:
        firing, blind = self.lookout.still_firing(seen, T0)
        return [one.labels["alertname"] for one in firing], [one.labels["alertname"] for one in blind]


class TestEverybody:
    """Whatever the source."""

    def test_every_kind_of_source_can_be_looked_at_again(self) -> None:
        """A new kind is not forgotten."""
        schema = TypeAdapter(DetectorsFile).json_schema()
        mapping = schema["properties"]["sources"]["items"]["discriminator"]["mapping"]
        assert set(AGAIN) == set(mapping)
        assert {kind: again_of(kind).kind for kind in AGAIN} == {kind: kind for kind in AGAIN}

    def test_what_was_told_by_others_is_named_and_blocks_nothing(self) -> None:
        """A person, a webhook, a system that is watched no more."""
        told = [
            sighting("person", alertname="ReportedByPerson", service="api"),
            sighting("webhook", alertname="Ticket", service="api"),
            sighting("detection", alertname="DetectorFailing", detector="docker"),
            sighting("http_health", alertname="ServiceUnhealthy", service="api", target="http://gone/"),
        ]
        assert Room().still(*told) == ([], [one.labels["alertname"] for one in told])

    def test_a_connection_that_is_not_defined_is_said(self) -> None:
        """It is no quiet."""
        room = Room({"kind": "alertmanager"})
        with pytest.raises(NotConfigured, match="is not defined"):
            room.still(sighting("alertmanager", alertname="X", service="api"))

    def test_an_answer_that_cannot_be_read_is_no_quiet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bug in a look must not prove a repair."""

        def broken(*_: Any) -> None:
            raise KeyError("x")

        monkeypatch.setattr(again_of("alertmanager"), "firing", broken, raising=False)
        with pytest.raises(SourceUnavailable, match=r"cannot be read \(KeyError\)"):
            Room({"kind": "alertmanager"}).still(sighting("alertmanager", alertname="X", service="api"))


class TestHttp:
    """Many looks in a row and a grace of an hour make it not blind."""

    @pytest.fixture
    def server(self) -> Iterator[WebServer]:
        with WebServer() as server:
            yield server

    def room(self, url: str, **fields: Any) -> Room:
        patient = {"failures": 9, "successes": 9, "start_grace": "1 h", "retries": 0}
        return Room({"kind": "http_health", "targets": [{"service": "api", "url": url, **patient, **fields}]})

    def seen(self, url: str, alert: str = "ServiceUnhealthy") -> Sighting:
        return sighting("http_health", alertname=alert, service="api", target=f"{url}/", component="api")

    def test_one_bad_answer_fires_and_one_good_one_is_enough(self, server: WebServer) -> None:
        """Whatever the thresholds say."""
        server.status = 503
        assert self.room(server.url).still(self.seen(server.url)) == (["ServiceUnhealthy"], [])
        server.status = 200
        assert self.room(server.url).still(self.seen(server.url)) == ([], [])

    def test_one_that_was_slow_and_is_down_now_is_not_well(self, server: WebServer) -> None:
        """It is another finding, and no recovery; nor is one that was down and is slow."""
        seen = self.seen(server.url, "ServiceSlow")
        away = f"http://127.0.0.1:{free_port()}"
        assert self.room(away).still(self.seen(away, "ServiceSlow")) == (["ServiceSlow"], [])
        server.delay = 0.1
        assert self.room(server.url, within="0.05 s").still(seen) == (["ServiceSlow"], [])
        down = self.seen(server.url)
        assert self.room(server.url, within="0.05 s").still(down) == (["ServiceUnhealthy"], [])
        server.delay = 0
        assert self.room(server.url, within="1 s").still(seen, down) == ([], [])

    def test_a_certificate_that_nobody_sees_may_have_ended(self) -> None:
        """Its server is away."""
        away = f"https://127.0.0.1:{free_port()}"
        room = self.room(away)
        assert room.still(self.seen(away, "TLSCertificateExpired")) == (["TLSCertificateExpired"], [])

    def test_a_signal_that_had_ended_is_looked_at_too(self, server: WebServer) -> None:
        """Quiet is not fixed."""
        server.status = 503
        ended = sighting(
            "http_health", False, alertname="ServiceUnhealthy", service="api", target=f"{server.url}/",
            component="api",
        )  # fmt: skip
        assert self.room(server.url).still(ended) == (["ServiceUnhealthy"], [])


class TestData:
    """The very query; in SQLite here, in PostgreSQL in the integration tests."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        path = tmp_path / "data.db"
        self.run(path, "CREATE TABLE t (value int)")
        return path

    def run(self, path: Path, statement: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    def room(self, path: Path, *checks: dict[str, Any]) -> Room:
        patient = {"table": "t", "failures": 9, "every": "7 days"}
        source = {"kind": "data_quality", "conn_id": "db", "checks": [{**patient, **one} for one in checks]}
        return Room(source, db=Connection(str(path), conn_type="sqlite"))

    def seen(self, check: str, alert: str, **details: Any) -> Sighting:
        labels = {"alertname": alert, "check": check, "table": "t", "service": "t"}
        return sighting("data_quality", True, details, component="data_quality", **labels)

    WRONG: dict[str, Any] = {"name": "wrong", "kind": "assertion", "sql": "SELECT * FROM t WHERE value < 0"}

    def test_a_check_that_waits_for_days_is_run_at_once(self, place: Path) -> None:
        """And fires at its first red answer."""
        seen = self.seen("wrong", "DataInvalid")
        assert self.room(place, self.WRONG).still(seen) == ([], [])
        self.run(place, "INSERT INTO t VALUES (-1)")
        assert self.room(place, self.WRONG).still(seen) == (["DataInvalid"], [])

    def test_a_stale_table_that_is_empty_now_is_not_well(self, place: Path) -> None:
        """Its finding has another name."""
        fresh = {"name": "fresh", "kind": "freshness", "critical": True, "sql": "SELECT max(value) FROM t"}
        assert self.room(place, fresh).still(self.seen("fresh", "DataStale")) == (["DataStale"], [])

    def test_a_query_that_cannot_be_run_proves_nothing(self, place: Path) -> None:
        """Nobody can tell; but that it cannot be run still fires."""
        self.run(place, "DROP TABLE t")
        with pytest.raises(SourceUnavailable, match=r"check wrong gave no answer \(no such table: t\)"):
            self.room(place, self.WRONG).still(self.seen("wrong", "DataInvalid"))
        blind = self.seen("wrong", "DataQueryFailed")
        assert self.room(place, self.WRONG).still(blind) == (["DataQueryFailed"], [])
        self.run(place, "CREATE TABLE t (value int)")
        assert self.room(place, self.WRONG).still(blind) == ([], [])

    def test_a_count_is_held_against_what_was_usual_then(self, place: Path) -> None:
        """Its past is with the detector; without a word of what was usual nobody can tell."""
        rows = {"name": "rows", "kind": "anomaly", "sql": "SELECT count(*) FROM t"}
        usual = self.seen("rows", "DataVolumeAnomaly", usual_from=2.0, usual_to=4.0)
        assert self.room(place, rows).still(usual) == (["DataVolumeAnomaly"], [])
        self.run(place, "INSERT INTO t VALUES (1), (2), (3)")
        assert self.room(place, rows).still(usual) == ([], [])
        unknown = self.seen("rows", "DataVolumeAnomaly")
        assert self.room(place, rows).still(unknown) == ([], ["DataVolumeAnomaly"])

    def test_a_check_that_is_gone_cannot_be_looked_at(self, place: Path) -> None:
        """Named, not proven."""
        other = self.seen("another", "DataInvalid")
        assert self.room(place, self.WRONG).still(other) == ([], ["DataInvalid"])


class TestAlerts:
    """Prometheus, Alertmanager."""

    SEEN: dict[str, str] = {"alertname": "ContainerDown", "service": "api"}

    @pytest.fixture
    def server(self) -> Iterator[Answers]:
        with Answers() as server:
            server.on["/api/v1/status/config"] = ok({"yaml": ""})
            server.on["/api/v1/status/runtimeinfo"] = ok({"startTime": "2026-02-01T00:00:00Z"})
            server.on["/api/v1/alerts"] = ok({"alerts": []})
            server.on["/api/v2/status"] = {"uptime": "2026-02-01T00:00:00Z"}
            yield server

    def prometheus(self, server: Answers, **fields: Any) -> Room:
        source = {"kind": "prometheus", "conn_id": "p", "settle": "2 min", **fields}
        return Room(source, p=server.connection)

    def alert(self, state: str, **labels: str) -> dict[str, Any]:
        return ok({"alerts": [{"labels": {**self.SEEN, **labels}, "state": state}]})

    def test_a_pending_alert_has_not_ended(self, server: Answers) -> None:
        """Its condition is true; it only has to wait again."""
        seen = sighting("prometheus", **self.SEEN)
        room = self.prometheus(server)
        for state in ("firing", "pending"):
            server.on["/api/v1/alerts"] = self.alert(state)
            assert room.still(seen) == (["ContainerDown"], [])
        server.on["/api/v1/alerts"] = self.alert("firing", service="other")
        assert room.still(seen) == ([], [])

    def test_a_prometheus_that_has_just_started_knows_nothing(self, server: Answers) -> None:
        """Its rules may not have been evaluated."""
        server.on["/api/v1/status/runtimeinfo"] = ok({"startTime": "2026-03-01T01:59:00Z"})
        seen = sighting("prometheus", **self.SEEN)
        assert self.prometheus(server).still(seen) == (["ContainerDown"], [])

    def test_external_labels_that_cannot_be_read_now_hide_nothing(self, server: Answers) -> None:
        """The sighting has a label more than the alert."""
        server.on["/api/v1/status/config"] = (403, "")
        server.on["/api/v1/alerts"] = self.alert("firing")
        seen = sighting("prometheus", site="01", **self.SEEN)
        assert self.prometheus(server).still(seen) == (["ContainerDown"], [])

    def test_a_condition_need_not_hold_for_its_time_again(self, server: Answers) -> None:
        """An hour of waiting would be an hour of blindness; and a query that fails proves nothing."""
        query = {"name": "HighLag", "query": "lag", "above": 10, "for": "1 h"}
        room = self.prometheus(server, queries=[query])
        seen = sighting("prometheus", alertname="HighLag", queue="a")
        value = {"metric": {"queue": "a"}, "value": [1.5, "11"]}
        server.on["/api/v1/query"] = ok({"resultType": "vector", "result": [value]})
        assert room.still(seen) == (["HighLag"], [])
        server.on["/api/v1/query"] = ok({"resultType": "vector", "result": []})
        assert room.still(seen) == ([], [])
        server.on["/api/v1/query"] = (503, "")
        with pytest.raises(SourceUnavailable, match="query HighLag gave no answer"):
            room.still(seen)
        blind = sighting("prometheus", alertname="DetectorFailing", detector="source_0", part="query HighLag")
        assert room.still(blind) == (["DetectorFailing"], [])

    def test_a_silenced_alert_has_not_ended(self, server: Answers) -> None:
        """Nor one that a fresh Alertmanager has not been told of yet."""
        room = Room({"kind": "alertmanager", "conn_id": "a"}, a=server.connection)
        seen = sighting("alertmanager", **self.SEEN)
        row = {"labels": self.SEEN, "status": {"state": "suppressed"}}
        server.on["/api/v2/alerts"] = [row]
        assert room.still(seen) == (["ContainerDown"], [])
        server.on["/api/v2/alerts"] = []
        assert room.still(seen) == ([], [])
        server.on["/api/v2/status"] = {"uptime": "2026-03-01T01:59:50Z"}
        assert room.still(seen) == (["ContainerDown"], [])


class TestLogs:
    """Loki."""

    @pytest.fixture
    def loki(self) -> Iterator[FakeLoki]:
        fake = FakeLoki()
        yield fake
        fake.close()

    def test_it_ends_below_its_lower_limit_and_silence_of_loki_is_no_quiet(self, loki: FakeLoki) -> None:
        """10 lines begin it, fewer than 5 end it."""
        queries = [{"name": name, "query": '{app=~".+"}', "at_least": 10} for name in ("errors", "others")]
        room = Room({"kind": "loki", "conn_id": "l", "queries": queries}, l=Connection(loki.url))
        labels = {"alertname": "LogErrorRate", "service": "api", "query": "errors"}
        seen = sighting("loki", component="infrastructure", **labels)
        for count, fires in (("6", ["LogErrorRate"]), ("4", [])):
            loki.answer = lambda path, params, count=count: vector(
                ({"service": "api"}, int(params["time"]) / 1e9, count)
            )
            assert room.still(seen) == (fires, [])
        loki.answer = lambda path, params: (503, [b""])
        with pytest.raises(SourceUnavailable):
            room.still(seen)


class TestAirflow:
    """Its components, and its runs."""

    def test_one_look_at_a_component_that_is_down_is_enough(self) -> None:
        """And an API that is away leaves all of it open."""
        health = FakeHealth(now=T0)
        room = Room({"kind": "airflow_health", "failures": 9}, airflow=health)
        labels = {"alertname": "AirflowSchedulerDown", "service": "airflow-scheduler"}
        seen = sighting("airflow_health", component="airflow", **labels)
        assert room.still(seen) == ([], [])
        health.beats["scheduler"] = T0 - timedelta(minutes=9)
        assert room.still(seen) == (["AirflowSchedulerDown"], [])
        health.beats.clear()
        health.fails["/monitor/health"] = AirflowUnavailable("away")
        assert room.still(seen) == (["AirflowSchedulerDown"], [])

    def test_a_long_queue_ends_at_less_than_half(self) -> None:
        """60 made it long; 30 are still too many."""
        health = FakeHealth(now=T0)
        room = Room({"kind": "airflow_health"}, airflow=health)
        labels = {"alertname": "AirflowHighTaskQueueLength", "service": "airflow"}
        seen = sighting("airflow_health", component="airflow", **labels)
        health.wait("load", "queued", T0, count=30)
        assert room.still(seen) == (["AirflowHighTaskQueueLength"], [])
        health.tasks.clear()
        assert room.still(seen) == ([], [])

    def test_a_run_is_over_when_it_is_green_whoever_reported_it(self) -> None:
        """One that runs again is not green yet; one that was deleted was never repaired; one that hides a
        failed task never was either.
        """
        airflow = FakeAirflow()
        room = Room(airflow=airflow)
        run = {"component": "airflow", "dag_id": "load", "run_id": "r1"}
        task = sighting("callback", alertname="AirflowTaskFailed", task_id="t", map_index="-1", **run)
        whole = sighting("airflow_runs", alertname="AirflowDAGRunFailed", **run)
        for state, fires in (("failed", True), ("running", True), ("success", False)):
            airflow.run("load", "r1", state, T0, T0)
            airflow.task("load", "r1", "t", state, T0, try_number=2)
            names = ["AirflowTaskFailed", "AirflowDAGRunFailed"]
            assert room.still(task, whole) == (names if fires else [], [])
        airflow.task("load", "r1", "t", "failed", T0)
        assert room.still(task, whole) == (["AirflowTaskFailed", "AirflowDAGRunFailed"], [])
        airflow.task("load", "r1", "t", "removed", T0)
        assert room.still(task) == (["AirflowTaskFailed"], [])
        airflow.runs.clear()
        assert room.still(whole) == ([], ["AirflowDAGRunFailed"])

    def test_a_stuck_run_that_was_started_anew_is_not_that_one(self) -> None:
        """A file that can be imported again has ended, too."""
        airflow = FakeAirflow()
        room = Room(airflow=airflow)
        labels = {"alertname": "AirflowRunStuck", "component": "airflow", "dag_id": "load", "run_id": "r1"}
        stuck = sighting("airflow_runs", True, {"started_at": T0.isoformat()}, **labels)
        airflow.run("load", "r1", "running", T0)
        assert room.still(stuck) == (["AirflowRunStuck"], [])
        airflow.run("load", "r1", "running", T0 + timedelta(minutes=1))
        assert room.still(stuck) == ([], [])
        broken = {"alertname": "AirflowImportError", "filename": "x.py", "bundle": "dags-folder"}
        seen = sighting("airflow_runs", component="airflow", **broken)
        assert room.still(seen) == ([], [])
        airflow.broken("x.py", T0)
        assert room.still(seen) == (["AirflowImportError"], [])

    def test_an_airflow_that_is_away_proves_nothing(self) -> None:
        """Raised, and asked again."""

        class Away(FakeAirflow):
            def get(self, path: str, params: Any = None) -> Any:
                raise AirflowUnavailable("GET: ConnectError")

        run = {"alertname": "AirflowDAGRunFailed", "dag_id": "load", "run_id": "r1"}
        with pytest.raises(SourceUnavailable, match="ConnectError; it is asked again"):
            Room(airflow=Away()).still(sighting("airflow_runs", **run))


class TestDocker:
    """Neither grace nor a past."""

    @pytest.fixture
    def engine(self, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
        made = FakeEngine()
        made.time = T0
        monkeypatch.setattr(again_docker, "Engine", made)
        return made

    def still(self, alert: str = "ContainerDown", **details: Any) -> bool:
        room = Room({"kind": "docker", "down_for": "1 h", "start_grace": "1 h"},
                    incident_response_docker=Connection("unix:///x"))  # fmt: skip
        labels = {"alertname": alert, "container": "api", "service": "api", "component": "infrastructure"}
        firing, blind = room.still(sighting("docker", True, details, **labels))
        assert blind == []
        return bool(firing)

    @pytest.mark.parametrize(
        ("state", "status", "fires"),
        [
            ("running", "Up 3 hours", False),
            ("running", "Up 3 seconds (healthy)", False),
            ("running", "Up 3 seconds (health: starting)", True),
            ("running", "Up 3 seconds (unhealthy)", True),
            ("exited", "Exited (1) 1 second ago", True),
            ("restarting", "Restarting (1) 1 second ago", True),
            ("paused", "Up 3 hours (Paused)", True),
            ("created", "Created", True),
        ],
    )
    def test_not_well_is_not_over(self, engine: FakeEngine, state: str, status: str, fires: bool) -> None:
        """Down for a second, or still starting, is not well."""
        engine.put("api", state, status, finished=T0)
        assert self.still() is fires
        assert self.still("HighMemoryUsage") is fires

    def test_one_that_is_away_is_down_and_a_job_that_ended_well_is_not(self, engine: FakeEngine) -> None:
        """Nobody knows what was meant by removing it."""
        assert self.still() is True
        engine.put("api", "exited", "Exited (0) 1 second ago", policy="no")
        assert self.still() is False

    def test_a_loop_is_over_when_it_has_run_for_longer_than_a_loop_would(self, engine: FakeEngine) -> None:
        """3 restarts in 10 minutes make a loop: 200 seconds."""
        for seconds, fires in ((199, True), (201, False)):
            engine.put("api", status="Up 3 minutes", started=T0 - timedelta(seconds=seconds), restarts=7)
            assert self.still("ContainerRestarting") is fires

    def test_memory_is_short_until_it_is_below_its_lower_limit(self, engine: FakeEngine) -> None:
        """90 % begin it, below 80 % it ends."""
        for usage, fires in ((81, True), (79, False)):
            engine.put("api", limit=100, usage=usage)
            assert self.still("HighMemoryUsage") is fires

    def test_a_kill_is_over_another_one_is_not(self, engine: FakeEngine) -> None:
        """The detector tells of a kill for ten minutes."""
        engine.put("api")
        first = T0 - timedelta(minutes=2)
        kill = {"Actor": {"ID": "x", "Attributes": {"name": "api"}}}
        engine.events = [{**kill, "time": int(first.timestamp())}]
        assert self.still("ContainerOOMKilled", killed_at=first.isoformat()) is False
        engine.events.append({**kill, "time": int(T0.timestamp()) - 30})
        assert self.still("ContainerOOMKilled", killed_at=first.isoformat()) is True

    def test_a_container_that_does_not_answer_is_no_quiet(self, engine: FakeEngine) -> None:
        """Raised, and asked again."""
        engine.put("api")
        engine.silent.add("api")
        with pytest.raises(SourceUnavailable):
            self.still()


def ok(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}
