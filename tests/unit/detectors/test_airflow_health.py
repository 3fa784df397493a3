"""Airflow's own health, against an Airflow of a few values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import ValidationError

from incident_response.detectors.airflow_health import AirflowHealthDetector
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, SourceUnavailable
from incident_response.domain.signals import Signal
from incident_response.sources.airflow_health import AirflowHealthSource

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
_TASKS = "/dags/~/dagRuns/~/taskInstances"


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


@dataclass
class World:
    """An Airflow that is well, until a test says otherwise; `fails` says what a path answers instead."""

    beats: dict[str, datetime | None] = field(default_factory=dict)  # those that stand still
    status: dict[str, str | None] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    pools: dict[str, dict[str, Any]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    fails: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: datetime = T0
    page: int = 100

    def wait(self, dag: str, state: str, since: datetime, count: int = 1, pool: str = "default_pool") -> None:
        beat = since.isoformat().replace("+00:00", "Z")
        for number in range(count):
            row = {"dag_id": dag, "dag_run_id": "r1", "task_id": "load", "map_index": number, "pool": pool}
            old = at(-999).isoformat()  # of the try before
            when = {"queued_when": beat if state == "queued" else old, "scheduled_when": beat}
            self.tasks.append({**row, "state": state, **when})

    def pool(self, name: str, slots: int, open_: int) -> None:
        self.pools[name] = {"name": name, "slots": slots, "open_slots": open_} | {
            f"{kind}_slots": 0 for kind in ("running", "queued", "deferred", "scheduled", "occupied")
        }

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        self.asked.append(path)
        for failing, error in self.fails.items():
            if path.startswith(failing):
                raise error
        if path == "/monitor/health":
            return self._health()
        if path == _TASKS:
            assert params is not None
            rows = [row for row in self.tasks if row["state"] in params["state"]]
            start = params["offset"]
            return {
                "task_instances": rows[start : start + min(self.page, params["limit"])],
                "total_entries": len(rows),
            }
        kind, name = path.strip("/").split("/")
        if kind == "pools":
            return self.pools[unquote(name)]
        return {"dag_id": name, "is_paused": name in self.paused}

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        raise AssertionError(path)  # it would be written into the audit log

    patch = post

    def _health(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"metadatabase": {"status": self.status.get("metadatabase", "healthy")}}
        for name in ("scheduler", "triggerer", "dag_processor"):
            beat = self.beats.get(name, self.now)
            answer[name] = {
                "status": self.status.get(name, "healthy"),
                f"latest_{name}_heartbeat": beat.isoformat() if beat else None,
            }
        return answer


class Watch:
    """A detector with its cursor; each poll goes through JSON, as the store does."""

    def __init__(self, world: World, **fields: Any) -> None:
        source = AirflowHealthSource.model_validate({"name": "airflow", "kind": "airflow_health", **fields})
        self.world, self.detector = world, AirflowHealthDetector(source, world)
        self.cursor: Mapping[str, Any] = {}

    def poll(self, minutes: float) -> list[Signal]:
        self.world.now = at(minutes)
        seen = self.detector.poll(json.loads(json.dumps(self.cursor)), at(minutes))
        assert seen.cursor is not None
        self.cursor = seen.cursor
        return list(seen.signals)

    def names(self, minutes: float) -> list[tuple[str, bool]]:
        return [(signal.name, signal.firing) for signal in self.poll(minutes)]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def watch(world: World) -> Watch:
    return Watch(world)


class TestComponents:
    """Scheduler, triggerer, DAG processor, metadata database, API server."""

    def test_an_airflow_that_is_well_says_nothing(self, world: World, watch: Watch) -> None:
        """And costs three requests."""
        assert watch.poll(0) == []
        assert world.asked == ["/monitor/health", _TASKS, _TASKS]

    def test_a_late_heartbeat_is_told_at_the_second_look(self, world: World, watch: Watch) -> None:
        """With what a person needs: which, since when, against which limit."""
        world.beats["scheduler"] = at(-1.6)
        assert watch.poll(0) == []
        [signal] = watch.poll(0.5)
        assert signal.labels == {
            "alertname": "AirflowSchedulerDown",
            "service": "airflow-scheduler",
            "component": "airflow",
        }
        assert signal.summary == "Airflow's scheduler has given no sign of life for 2 min (limit 60 s)"
        assert signal.occurred_at == at(-1.6)
        assert signal.details["status"] == "healthy"
        assert watch.poll(1) == []
        world.beats.clear()
        assert watch.names(1.5) == [("AirflowSchedulerDown", False)]

    def test_one_bad_look_is_none(self, world: World, watch: Watch) -> None:
        """A heartbeat in between starts the count again."""
        world.status["triggerer"] = "unhealthy"
        assert watch.poll(0) == []
        world.status.clear()
        assert watch.poll(1) == []
        world.status["triggerer"] = "unhealthy"
        assert watch.poll(2) == []
        assert watch.names(3) == [("AirflowTriggererDown", True)]

    def test_unhealthy_is_down_whatever_the_heartbeat(self, world: World) -> None:
        """One that was stopped properly gave a sign of life a moment ago."""
        world.status["dag_processor"] = "unhealthy"
        watch = Watch(world, failures=1, services={"dag_processor": "dc-airflow-dag-processor-1"})
        [signal] = watch.poll(0)
        assert signal.labels["service"] == "dc-airflow-dag-processor-1"
        assert signal.summary == "Airflow calls its DAG processor unhealthy; last sign of life 0 s ago"

    def test_what_was_never_there_is_not_down(self, world: World) -> None:
        """An installation without a triggerer; but none is without a scheduler."""
        world.status["triggerer"] = None
        world.beats["triggerer"] = None
        watch = Watch(world, failures=1)
        assert watch.poll(0) == []
        world.status["scheduler"], world.beats["scheduler"] = "unhealthy", None
        [signal] = watch.poll(1)
        assert signal.summary == "Airflow's scheduler has never given a sign of life"

    def test_a_metadata_database_that_is_away_is_one_trouble(self, world: World) -> None:
        """Airflow then calls all unhealthy; what was known before stays as it was."""
        watch = Watch(world, failures=1)
        world.status["scheduler"] = "unhealthy"
        assert watch.names(0) == [("AirflowSchedulerDown", True)]
        world.status = dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "unhealthy")
        assert watch.names(1) == [("AirflowMetadatabaseDown", True)]
        world.status.clear()
        assert set(watch.names(2)) == {("AirflowSchedulerDown", False), ("AirflowMetadatabaseDown", False)}

    def test_no_answer_is_the_api_server(self, world: World, watch: Watch) -> None:
        """It is told after two looks, and hides nothing that was known."""
        world.wait("etl", "queued", at(-30))
        assert watch.names(0) == [("AirflowTasksQueuedTooLong", True)]
        world.fails["/"] = AirflowUnavailable("GET /monitor/health: ConnectError")
        assert watch.poll(1) == []
        [signal] = watch.poll(2)
        assert (signal.name, signal.labels["service"]) == ("AirflowApiServerDown", "airflow-api-server")
        assert signal.summary == "Airflow's API server does not answer: GET /monitor/health: ConnectError"
        world.fails.clear()
        assert watch.names(3) == [("AirflowApiServerDown", False)]

    def test_an_api_that_never_answered_is_our_trouble(self, world: World, watch: Watch) -> None:
        """The connection may be missing: that is no outage."""
        world.fails["/"] = AirflowUnavailable("there is no connection for Airflow's REST API")
        for minute in range(3):
            with pytest.raises(SourceUnavailable, match="never answered: there is no connection"):
                watch.poll(minute)

    @pytest.mark.parametrize("answer", [None, [], {}, {"status": "ok"}])
    def test_an_answer_of_somebody_else(self, world: World, watch: Watch, answer: Any) -> None:
        """Another service at the same address is not a broken Airflow."""
        world._health = lambda: answer  # type: ignore[method-assign]
        with pytest.raises(SourceUnavailable, match="not Airflow's"):
            watch.poll(0)

    def test_a_refused_login(self, world: World, watch: Watch) -> None:
        """A wrong password is not a broken Airflow."""
        world.fails["/"] = AirflowRefused("refused the login of 'ir': HTTP 401", status=401)
        with pytest.raises(SourceUnavailable, match="HTTP 401; check the connection"):
            watch.poll(0)


class TestQueue:
    """What waits."""

    def test_tasks_that_wait_too_long_are_counted(self, world: World, watch: Watch) -> None:
        """One finding, with the oldest by name."""
        world.wait("etl", "queued", at(-42))
        world.wait("geo", "scheduled", at(-11), count=2)
        world.wait("geo", "scheduled", at(-9))
        world.pool("default_pool", 128, 100)
        [signal] = watch.poll(0)
        assert signal.labels == {
            "alertname": "AirflowTasksQueuedTooLong",
            "service": "airflow",
            "component": "airflow",
        }
        assert signal.summary == "3 tasks have waited for longer than 10 min; etl.load[0] for 42 min (queued)"
        assert [task["task"] for task in signal.details["tasks"]] == [
            "etl.load[0]",
            "geo.load[0]",
            "geo.load[1]",
        ]
        world.tasks.clear()
        assert watch.names(1) == [("AirflowTasksQueuedTooLong", False)]

    def test_scheduled_tasks_of_a_paused_dag_wait_for_a_person(self, world: World) -> None:
        """They count nowhere; its queued ones still run, so they do."""
        watch = Watch(world, queue_length=4)
        world.wait("etl", "scheduled", at(-60), count=5)
        world.paused.add("etl")
        assert watch.poll(0) == []
        world.wait("etl", "queued", at(-60))
        assert watch.names(1) == [("AirflowTasksQueuedTooLong", True)]

    def test_a_long_queue_is_over_at_less_than_half(self, world: World) -> None:
        """It does not flap around its limit; more tasks than a page are counted, too."""
        watch = Watch(world, queue_length=240)
        world.wait("etl", "queued", T0, count=239)
        assert watch.poll(0) == []
        world.wait("etl", "scheduled", T0)
        [signal] = watch.poll(1)
        assert signal.name == "AirflowHighTaskQueueLength"
        assert signal.details == {"value": 240, "limit": 240}
        del world.tasks[120:]
        assert watch.poll(2) == []
        del world.tasks[119:]
        assert watch.names(3) == [("AirflowHighTaskQueueLength", False)]

    def test_only_the_states_that_are_asked_for(self, world: World) -> None:
        """Where long backlogs are normal, only what waits for a worker counts."""
        watch = Watch(world, states="queued", queue_length=2)
        world.wait("etl", "scheduled", at(-60), count=3)
        world.pool("default_pool", 128, 100)
        assert watch.poll(0) == []
        world.wait("etl", "queued", at(-60))
        assert watch.names(1) == [("AirflowTasksQueuedTooLong", True)]

    def test_a_huge_queue_is_read_in_part(self, world: World, watch: Watch) -> None:
        """Its length is known without reading it."""
        world.wait("etl", "queued", T0, count=5000)
        [signal] = watch.poll(0)
        assert signal.details["value"] == 5000
        assert len(world.asked) == 1 + 5 + 1

    def test_rows_that_were_not_asked_for_are_left_out(self, world: World, watch: Watch) -> None:
        """Airflow 3.1 ignores parameters it does not know."""
        ask = world.get
        world.get = lambda path, params=None: ask(  # type: ignore[method-assign]
            path, params and {**params, "state": ["queued", "scheduled", "running"]}
        )
        world.wait("etl", "running", at(-60))
        assert watch.poll(0) == []


class TestPools:
    """A pool without a free slot, for which tasks wait."""

    @pytest.fixture
    def starved(self, world: World) -> World:
        world.wait("etl", "scheduled", at(-20), count=2, pool="energy api/v2")
        world.pool("energy api/v2", 1, 0)
        return world

    def test_it_is_starved_at_the_second_look(self, starved: World) -> None:
        """Told with its name and figures."""
        watch = Watch(starved, states="queued")
        assert watch.poll(0) == []
        [signal] = watch.poll(1)
        assert (signal.name, signal.labels["pool"]) == ("AirflowPoolStarved", "energy api/v2")
        assert signal.summary == (
            "Pool energy api/v2 has none of its 1 slots free and 2 tasks wait for it, "
            "the longest for 21 min (limit 10 min)"
        )
        starved.pool("energy api/v2", 2, 1)
        assert watch.names(2) == [("AirflowPoolStarved", False)]

    def test_one_that_cannot_be_read_stays_as_it_was(self, starved: World) -> None:
        """3.1 answers 500 for a pool without end: never starved. A short failure resolves nothing."""
        watch = Watch(starved, states="queued")
        starved.fails["/pools"] = AirflowUnavailable("GET /pools: HTTP 500")
        assert [watch.poll(minute) for minute in range(4)] == [[]] * 4
        starved.fails.clear()
        watch.poll(4)
        assert watch.names(5) == [("AirflowPoolStarved", True)]
        starved.fails["/pools"] = AirflowUnavailable("GET /pools: HTTP 500")
        assert watch.poll(6) == []

    def test_a_pool_without_end_is_never_starved(self, starved: World) -> None:
        """3.3 says -1 for its open slots."""
        watch = Watch(starved, states="queued", failures=1)
        starved.pool("energy api/v2", -1, -1)
        assert watch.poll(0) == []

    def test_a_full_pool_without_waiting_tasks_is_well_used(self, world: World) -> None:
        """It is not even asked for; queued tasks have their slots already."""
        world.pool("narrow", 1, 0)
        world.wait("etl", "queued", at(-20), pool="narrow")
        watch = Watch(world, failures=1)
        assert watch.names(0) == [("AirflowTasksQueuedTooLong", True)]
        assert "/pools/narrow" not in world.asked


class TestBlindness:
    """Tasks cannot be listed."""

    def test_it_is_told_when_there_is_nothing_worse(self, world: World, watch: Watch) -> None:
        """The row of the detector shows it, and DetectorFailing follows."""
        world.fails[_TASKS] = AirflowRefused("GET: HTTP 403", status=403)
        with pytest.raises(SourceUnavailable, match=r"cannot be listed.*HTTP 403"):
            watch.poll(0)

    def test_it_holds_up_no_component(self, world: World) -> None:
        """A dead scheduler is told, and told as resolved; what waited goes on waiting."""
        watch = Watch(world, failures=1)
        world.wait("etl", "queued", at(-20))
        assert watch.names(0) == [("AirflowTasksQueuedTooLong", True)]
        world.fails[_TASKS] = AirflowUnavailable("GET: HTTP 500")
        world.status["scheduler"] = "unhealthy"
        assert watch.names(1) == [("AirflowSchedulerDown", True)]
        world.status.clear()
        assert watch.names(2) == [("AirflowSchedulerDown", False)]
        world.fails.clear()
        world.tasks.clear()
        assert watch.names(3) == [("AirflowTasksQueuedTooLong", False)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"services": {"webserver": "web"}}, "webserver: unknown; write one of airflow, scheduler"),
        ({"services": {"scheduler": " "}}, "scheduler: the name is empty"),
        ({"states": ["running"]}, "queued"),
        ({"failures": 0}, "greater than or equal to 1"),
        ({"heartbeat": "60 s"}, "Extra inputs"),
    ],
)
def test_bad_fields_are_refused(fields: dict[str, Any], message: str) -> None:
    """With a remedy where it is not obvious."""
    with pytest.raises(ValidationError, match=message):
        AirflowHealthSource.model_validate({"name": "airflow", "kind": "airflow_health", **fields})
