"""What the docker actions do to containers of a real Docker Engine, and what they leave alone."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.clients.docker_api import Engine
from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.errors import OutcomeUnknown, Refused, SourceUnavailable
from incident_response.domain.services import Container, Service, ServiceMap
from incident_response.domain.witnesses import Witnessed, Word
from tests.support.docker_bench import Bench, service
from tests.support.docker_engine import DockerEngine

pytestmark = pytest.mark.integration

STUBBORN = "trap '' TERM; while true; do sleep 1; done"  # has to be killed
FILL = "x=a; while [ ${#x} -lt 8000000 ]; do x=$x$x; done; sleep 600"  # takes some 30 MB
QUICK: dict[str, Any] = {"stop_within": "0 s"}
CHANGES = ("docker.restart", "docker.start", "docker.stop", "docker.pause", "docker.unpause")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    with DockerEngine(tmp_path_factory.mktemp("docker")) as server:
        yield server


@pytest.fixture
def engine(server: DockerEngine) -> Iterator[DockerEngine]:
    """Without containers."""
    yield server
    server.clear()


@pytest.fixture
def bench(server: DockerEngine) -> Bench:
    """An API that may be changed, with a ceiling of 64 MB."""
    return Bench(server.url, ServiceMap([service("api", memory_ceiling=64 * 2**20)]))


def started(engine: DockerEngine, name: str) -> str:
    return str(engine.client.api.inspect_container(name)["State"]["StartedAt"])


def events(engine: DockerEngine, since: datetime) -> list[str]:
    """What was done to containers since then."""
    time.sleep(0.05)
    found = engine.client.events(
        since=since.timestamp(), until=datetime.now(timezone.utc).timestamp(), decode=True
    )
    return [event["Action"] for event in found if event["Type"] == "container"]


class TestRestart:
    def test_a_killed_container_comes_back_and_is_proven(self, engine: DockerEngine, bench: Bench) -> None:
        """Healthy by its own check."""
        engine.serve("api").kill()
        assert bench.look("docker.healthy").proven is False

        done = bench.do("docker.restart")

        assert done.text == "Restarted the container api"
        assert bench.look("docker.healthy", [done]).proven is None
        engine.wait_health("api", "healthy")
        found = bench.look("docker.healthy", [done])
        assert (found.proven, found.text) == (True, "api is healthy")

    def test_one_that_starts_unhealthy_twice_and_then_recovers(
        self, engine: DockerEngine, bench: Bench
    ) -> None:
        """It has the time that it needs; after that it would have failed."""
        server = engine.serve("api", page=False)
        engine.wait_health("api", "unhealthy")
        done = bench.do("docker.restart", **QUICK)

        engine.wait("api", lambda seen: seen["State"]["Health"]["FailingStreak"] > 0)
        first = bench.look("docker.healthy", [done])
        engine.wait_health("api", "unhealthy")
        second = bench.look("docker.healthy", [done])
        bench.shift = timedelta(seconds=61)
        too_late = bench.look("docker.healthy", [done])
        bench.shift = timedelta()
        server.exec_run("touch /www/health")
        engine.wait_health("api", "healthy")
        third = bench.look("docker.healthy", [done])

        assert (first.proven, second.proven, third.proven) == (None, None, True)
        assert (too_late.proven, too_late.text[:16]) == (False, "api is unhealthy")

    def test_one_that_crashes_twice_and_then_stays(self, engine: DockerEngine, bench: Bench) -> None:
        """Docker's own restarts within its start grace belong to the start."""
        script = (
            "test -e /tmp/armed || exec sleep 600; n=$(cat /tmp/n); n=$((n+1)); echo $n > /tmp/n; "
            "test $n -ge 3 || exit 1; exec sleep 600"
        )
        engine.run("api", script, restart_policy={"Name": "always"}).exec_run("touch /tmp/armed")
        done = bench.do("docker.restart", **QUICK)

        assert bench.look("docker.healthy", [done], settle="1 s").proven is None
        engine.wait("api", lambda seen: seen["State"]["Status"] == "running" and seen["RestartCount"] == 2)
        time.sleep(1.2)
        bench.pages["api"] = Witnessed(Word.WELL, "http://api/health answers")
        found = bench.look("docker.healthy", [done], settle="1 s")
        assert (found.proven, found.text) == (True, "api runs for 1 s; http://api/health answers")

    def test_one_that_docker_restarts_again_and_again_is_never_proven(
        self, engine: DockerEngine, bench: Bench
    ) -> None:
        """Also when it is looked at in a moment when it runs."""
        bench.services = ServiceMap([service("api", start_grace=timedelta())])
        engine.run("api", "sleep 0.3; exit 1", restart_policy={"Name": "always"})
        done = bench.do("docker.restart", **QUICK)
        engine.wait("api", lambda seen: seen["RestartCount"] >= 2 and seen["State"]["Status"] == "running")

        assert bench.look("docker.healthy", [done], settle="0 s").proven is False

    def test_a_container_without_a_check_runs_for_a_while_and_its_page_has_to_answer(
        self, engine: DockerEngine, bench: Bench
    ) -> None:
        """That it runs says nothing of what it does: without a page nobody can tell."""
        engine.run("api").kill()
        done = bench.do("docker.start")
        assert done.text == "Started the container api"
        bench.pages["api"] = Witnessed(Word.WELL, "answers")
        assert bench.look("docker.healthy", [done]).proven is None
        bench.shift = timedelta(seconds=11)
        assert bench.look("docker.healthy", [done]).proven is True
        bench.pages["api"] = Witnessed(Word.BROKEN, "api answers 502")
        assert bench.look("docker.healthy", [done]).proven is None
        bench.pages.clear()
        found = bench.look("docker.healthy", [done])
        assert (found.proven, "nobody can tell that api works" in found.text) == (None, True)

    def test_twice_applied_restarts_once(self, engine: DockerEngine, bench: Bench) -> None:
        """Whoever restarted it first."""
        container = engine.run("api")
        [planned] = bench.plan("docker.restart", **QUICK)
        bench.apply("docker.restart", planned, **QUICK)
        once = started(engine, "api")

        again = bench.apply("docker.restart", planned, **QUICK)

        assert started(engine, "api") == once
        assert "was restarted since, by somebody else" in again.text
        assert again.data["started_at"] == once
        [planned] = bench.plan("docker.restart", **QUICK)
        container.restart(timeout=0)
        by_hand = started(engine, "api")
        bench.apply("docker.restart", planned, **QUICK)
        assert started(engine, "api") == by_hand

    def test_a_container_that_was_created_anew_is_another_one(
        self, engine: DockerEngine, bench: Bench
    ) -> None:
        old = engine.run("api")
        [planned] = bench.plan("docker.restart", **QUICK)
        old.remove(force=True)
        with pytest.raises(Refused, match="does not exist; create it: docker compose up -d api"):
            bench.apply("docker.restart", planned, **QUICK)
        engine.run("api")
        now = started(engine, "api")

        with pytest.raises(Refused, match="was created anew since this was planned"):
            bench.apply("docker.restart", planned, **QUICK)
        assert bench.happened("docker.restart", planned, **QUICK) is None
        assert started(engine, "api") == now

    def test_planning_touches_nothing(self, engine: DockerEngine, bench: Bench) -> None:
        """The engine's own record shows it."""
        bench.services = ServiceMap(
            [service("api", precheck=("true",), memory_ceiling=64 * 2**20), service("db")]
        )
        engine.run("api", mem_limit="16m")
        engine.run("db").pause()
        time.sleep(0.1)
        before = datetime.now(timezone.utc)

        for name in (*CHANGES, "docker.raise_memory", "docker.restart_in_order"):
            bench.plan(name)
        bench.plan("docker.unpause", containers=["db"])
        for name in (
            "docker.inspect",
            "docker.logs",
            "docker.stats",
            "docker.dependencies",
            "docker.healthy",
        ):
            bench.look(name)

        assert events(engine, before) == []


class TestPrecheck:
    @pytest.fixture
    def bench(self, server: DockerEngine) -> Bench:
        return Bench(server.url, ServiceMap([service("proxy", precheck=("cat", "/www/good"))]), "proxy")

    def test_one_that_fails_leaves_the_container_alone(self, engine: DockerEngine, bench: Bench) -> None:
        """Its output is the reason; when it succeeds, the restart is done."""
        proxy = engine.run("proxy")
        before = started(engine, "proxy")
        [planned] = bench.plan("docker.restart", **QUICK)
        assert planned.text == "Restart the container proxy (runs), if `cat /www/good` succeeds in it"

        with pytest.raises(Refused, match=r"`cat /www/good` failed with code 1: cat: can't open '/www/good'"):
            bench.apply("docker.restart", planned, **QUICK)
        assert started(engine, "proxy") == before

        proxy.exec_run("touch /www/good")
        done = bench.apply("docker.restart", planned, **QUICK)
        assert done.text == "Restarted the container proxy after its pre-check"
        assert started(engine, "proxy") != before

    def test_secrets_in_its_output(self, engine: DockerEngine, bench: Bench) -> None:
        script = "echo 'bad line: password=hunter2' >&2; exit 3"
        bench.services = ServiceMap([service("proxy", precheck=("sh", "-c", script))])
        engine.run("proxy")
        with pytest.raises(Refused, match=r"failed with code 3: bad line: password=\*\*\*") as caught:
            bench.do("docker.restart", **QUICK)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("script", ["sleep 20", "while true; do echo still here; sleep 0.1; done"])
    def test_one_that_does_not_end(self, engine: DockerEngine, bench: Bench, script: str) -> None:
        """Silent or talking."""
        bench.services = ServiceMap([service("proxy", precheck=("sh", "-c", script))])
        engine.run("proxy")
        before = started(engine, "proxy")
        began = time.monotonic()

        with pytest.raises(Refused, match="did not end within 1 s"):
            bench.do("docker.restart", precheck_within="1 s", **QUICK)

        assert time.monotonic() - began < 4
        assert started(engine, "proxy") == before

    def test_a_program_that_is_not_there(self, engine: DockerEngine, bench: Bench) -> None:
        bench.services = ServiceMap([service("proxy", precheck=("nginx", "-t"))])
        engine.run("proxy")
        before = started(engine, "proxy")
        with pytest.raises(Refused, match="nginx"):
            bench.do("docker.restart", **QUICK)
        assert started(engine, "proxy") == before

    def test_a_container_that_does_not_run_is_started_without(
        self, engine: DockerEngine, bench: Bench
    ) -> None:
        """Nothing can be run in it, and nothing can become worse."""
        engine.run("proxy").kill()
        [planned] = bench.plan("docker.restart", **QUICK)
        assert "without its pre-check" in planned.text
        bench.apply("docker.restart", planned, **QUICK)
        engine.wait_state("proxy", "running")


class TestAllowList:
    @pytest.mark.parametrize("action", [*CHANGES, "docker.raise_memory", "docker.restart_in_order"])
    @pytest.mark.parametrize("listed", [True, False])
    def test_a_container_that_is_not_on_it_is_not_touched(
        self, engine: DockerEngine, bench: Bench, action: str, listed: bool
    ) -> None:
        """Listed without `automation`, or not at all; the remedy is named."""
        bench.services = ServiceMap([Service("api", container=Container("api") if listed else None)])
        if action == "docker.start" or action.endswith("order"):
            engine.run("api").kill()
        else:
            engine.run("api", mem_limit="16m")
        given = {} if action.endswith("order") else {"containers": ["api"]}
        before = engine.client.api.inspect_container("api")

        with pytest.raises(Refused, match=r"automation: true.*include/policy/services\.yaml|services\.yaml"):
            bench.plan(action, **given)

        after = engine.client.api.inspect_container("api")
        assert (after["State"], after["HostConfig"]) == (before["State"], before["HostConfig"])

    def test_one_that_was_taken_off_it_since_the_plan(self, engine: DockerEngine, bench: Bench) -> None:
        engine.run("api")
        before = started(engine, "api")
        [planned] = bench.plan("docker.restart")
        bench.services = ServiceMap([service("api", automation=False)])

        with pytest.raises(Refused, match="does not say `automation: true`"):
            bench.apply("docker.restart", planned)
        assert started(engine, "api") == before


class TestMemory:
    def test_more_memory_heals_up_to_the_ceiling(self, engine: DockerEngine, bench: Bench) -> None:
        """Killed for memory, raised, started, proven; at its ceiling it is raised no more."""
        engine.run("api", FILL, mem_limit="16m", memswap_limit="16m")
        engine.wait_state("api", "exited")
        assert "oom_killed" in bench.look("docker.inspect").causes

        [planned] = bench.plan("docker.raise_memory", factor=4)
        assert planned.text == (
            "Raise the memory limit of the container api from 16 MB to 64 MB, its ceiling"
        )
        raised = bench.apply("docker.raise_memory", planned, factor=4)
        done = bench.do("docker.start")
        time.sleep(1.2)

        host = engine.client.api.inspect_container("api")["HostConfig"]
        assert (host["Memory"], host["MemorySwap"]) == (64 * 2**20, 64 * 2**20)
        bench.pages["api"] = Witnessed(Word.WELL, "answers")
        assert bench.look("docker.healthy", [raised, done], settle="1 s").proven is True
        with pytest.raises(Refused, match=r"is 64 MB and its ceiling 64 MB: it is not raised"):
            bench.plan("docker.raise_memory")

    def test_within_the_lower_of_two_ceilings_and_back(self, engine: DockerEngine, bench: Bench) -> None:
        """Raised under the running container; the old limit comes back with what swap it had."""
        engine.run("api", mem_limit="16m", memswap_limit="24m")
        before = started(engine, "api")
        [planned] = bench.plan("docker.raise_memory", factor=2, ceiling="20 MB")
        done = bench.apply("docker.raise_memory", planned, factor=2, ceiling="20 MB")
        host = engine.client.api.inspect_container("api")["HostConfig"]
        assert (host["Memory"], host["MemorySwap"]) == (20 * 2**20, 28 * 2**20)
        assert bench.happened("docker.raise_memory", planned) is True
        again = bench.apply("docker.raise_memory", planned, factor=2)
        assert "already" in again.text

        undone = bench.undo("docker.raise_memory", planned, done)

        host = engine.client.api.inspect_container("api")["HostConfig"]
        assert (host["Memory"], host["MemorySwap"]) == (16 * 2**20, 24 * 2**20)
        assert undone is not None
        assert undone.text == "Put the memory limit of api back to 16 MB"
        assert bench.happened("docker.raise_memory", planned) is False
        assert started(engine, "api") == before

    def test_what_is_in_use_is_not_taken_back(self, engine: DockerEngine, bench: Bench) -> None:
        """The kernel would kill it."""
        container = engine.run("api", mem_limit="12m", memswap_limit="12m")
        [planned] = bench.plan("docker.raise_memory", factor=4)
        done = bench.apply("docker.raise_memory", planned, factor=4)
        container.exec_run("dd if=/dev/zero of=/dev/shm/x bs=1M count=20")
        before = started(engine, "api")

        with pytest.raises(Refused, match="it would be killed; restart it first"):
            bench.undo("docker.raise_memory", planned, done)
        engine.wait_state("api", "running")
        assert started(engine, "api") == before

    def test_a_limit_that_somebody_else_has_changed(self, engine: DockerEngine, bench: Bench) -> None:
        container = engine.run("api", mem_limit="16m")
        [planned] = bench.plan("docker.raise_memory")
        container.update(mem_limit="20m", memswap_limit="40m")
        with pytest.raises(Refused, match="was changed by somebody since this was planned: it is 20 MB"):
            bench.apply("docker.raise_memory", planned)
        assert bench.happened("docker.raise_memory", planned) is None

    def test_without_a_limit_or_a_ceiling(self, engine: DockerEngine, bench: Bench) -> None:
        engine.run("api")
        with pytest.raises(Refused, match="has no memory limit"):
            bench.plan("docker.raise_memory")
        bench.services = ServiceMap([service("db")])
        engine.run("db", mem_limit="16m")
        with pytest.raises(Refused, match="set `memory_ceiling`"):
            bench.plan("docker.raise_memory", containers=["db"])


class TestInOrder:
    @pytest.fixture
    def bench(self, server: DockerEngine) -> Bench:
        names = [service("db"), service("keycloak", "db"), service("api", "keycloak", "db")]
        return Bench(server.url, ServiceMap(names))

    def test_only_the_dependency_is_restarted_not_the_service_behind_it(
        self, engine: DockerEngine, bench: Bench
    ) -> None:
        """The service is unhealthy because of it, and recovers with it."""
        db = engine.serve("db")
        engine.run("keycloak")
        api = engine.serve("api")
        api.exec_run("rm /www/health")
        engine.wait_health("api", "unhealthy")
        db.kill()
        bench.shift = timedelta(minutes=2)  # past all start graces
        before = {name: started(engine, name) for name in ("db", "keycloak", "api")}

        [planned] = bench.plan("docker.restart_in_order")
        bench.shift = timedelta()
        done = bench.apply("docker.restart_in_order", planned)

        assert planned.target == "container:db"
        assert "wait until it is healthy (at most 60 s)" in planned.text
        assert done.text == "Restarted the container db; db is healthy"
        after = {name: started(engine, name) for name in before}
        assert after["db"] != before["db"]
        assert (after["keycloak"], after["api"]) == (before["keycloak"], before["api"])
        found = bench.look("docker.healthy", [done])
        assert (found.proven, found.data["containers"]) == (None, ["api", "db"])
        api.exec_run("touch /www/health")
        engine.wait_health("api", "healthy")
        assert bench.look("docker.healthy", [done]).proven is True

    def test_each_after_what_it_needs(self, engine: DockerEngine, bench: Bench) -> None:
        """What it needs must be up; in the order of the plan it is."""
        for name in ("api", "keycloak", "db"):
            engine.serve(name).kill()
        db, keycloak, api = bench.plan("docker.restart_in_order")
        assert [one.target for one in (db, keycloak, api)] == [
            "container:db",
            "container:keycloak",
            "container:api",
        ]

        with pytest.raises(Refused, match="keycloak was not restarted, as it needs db: db exited"):
            bench.apply("docker.restart_in_order", keycloak)
        engine.wait_state("keycloak", "exited")

        for one in (db, keycloak, api):
            assert bench.apply("docker.restart_in_order", one).data["healthy"] is True
        assert started(engine, "db") < started(engine, "keycloak") < started(engine, "api")

    def test_one_that_does_not_become_healthy_in_its_time(self, engine: DockerEngine, bench: Bench) -> None:
        """Said, not hidden; and what needs it is not restarted."""
        bench.services = ServiceMap([service("db", start_grace=timedelta(seconds=2)), service("api", "db")])
        engine.serve("db", page=False).kill()
        engine.serve("api").kill()
        db, api = bench.plan("docker.restart_in_order")

        done = bench.apply("docker.restart_in_order", db)
        assert done.data["healthy"] is False
        assert "Restarted the container db; db is unhealthy" in done.text
        with pytest.raises(Refused, match="api was not restarted, as it needs db: db is unhealthy"):
            bench.apply("docker.restart_in_order", api)
        engine.wait_state("api", "exited")

    def test_a_dependency_that_may_not_be_restarted(self, engine: DockerEngine, bench: Bench) -> None:
        """Then nothing is: the rest would be of no use."""
        bench.services = ServiceMap([service("db", automation=False), service("api", "db")])
        engine.run("db").kill()
        engine.run("api").kill()
        with pytest.raises(Refused, match="the container db may not be changed"):
            bench.plan("docker.restart_in_order")

    def test_nothing_is_down(self, engine: DockerEngine, bench: Bench) -> None:
        for name in ("api", "keycloak", "db"):
            engine.run(name)
        assert bench.plan("docker.restart_in_order") == []


class TestContain:
    def test_paused_and_unpaused(self, engine: DockerEngine, bench: Bench) -> None:
        """It goes on where it stood; paused twice is paused once."""
        engine.run("api")
        before = started(engine, "api")
        [planned] = bench.plan("docker.pause")
        assert bench.happened("docker.pause", planned) is False
        done = bench.apply("docker.pause", planned)
        engine.wait_state("api", "paused")
        assert bench.happened("docker.pause", planned) is True
        assert bench.apply("docker.pause", planned).text == "api was paused already"
        with pytest.raises(Refused, match="is paused; find out who paused it"):
            bench.plan("docker.restart")
        assert bench.plan("docker.pause") == []

        undone = bench.undo("docker.pause", planned, done)

        assert undone is not None
        assert undone.text == "Unpaused the container api"
        engine.wait_state("api", "running")
        assert started(engine, "api") == before

    def test_what_somebody_else_paused(self, engine: DockerEngine, bench: Bench) -> None:
        """Is not let go on by our undo, but by docker.unpause."""
        container = engine.run("api")
        [planned] = bench.plan("docker.pause")
        container.pause()
        done = bench.apply("docker.pause", planned)
        assert bench.undo("docker.pause", planned, done) is None
        engine.wait_state("api", "paused")

        [planned] = bench.plan("docker.unpause")
        assert bench.happened("docker.unpause", planned) is False
        bench.apply("docker.unpause", planned)
        assert bench.happened("docker.unpause", planned) is True
        assert "was not paused any more" in bench.apply("docker.unpause", planned).text

    def test_stopped_and_started_again(self, engine: DockerEngine, bench: Bench) -> None:
        """A policy does not bring it back; the undo does."""
        engine.run("api", restart_policy={"Name": "always"})
        [planned] = bench.plan("docker.stop", stop_within="0 s")
        assert bench.happened("docker.stop", planned) is False
        done = bench.apply("docker.stop", planned, stop_within="0 s")
        engine.wait_state("api", "exited")
        assert bench.happened("docker.stop", planned) is True
        assert "it was not stopped" in bench.apply("docker.stop", planned).text
        assert bench.plan("docker.stop") == []

        undone = bench.undo("docker.stop", planned, done)

        assert undone is not None
        assert undone.text == "Started the container api again"
        engine.wait_state("api", "running")

    def test_started_once(self, engine: DockerEngine, bench: Bench) -> None:
        """Also when it has ended again."""
        engine.run("api", "exit 1")
        engine.wait_state("api", "exited")
        [planned] = bench.plan("docker.start")
        assert bench.happened("docker.start", planned) is False
        bench.apply("docker.start", planned)
        engine.wait_state("api", "exited")
        once = started(engine, "api")
        assert bench.happened("docker.start", planned) is True
        assert "was started since and ended again" in bench.apply("docker.start", planned).text
        assert started(engine, "api") == once


class TestInterrupted:
    def test_killed_while_a_container_is_being_stopped(self, engine: DockerEngine, bench: Bench) -> None:
        """The engine goes on: it was done, though at first sight nothing has happened."""
        engine.run("api", STUBBORN)
        before = started(engine, "api")
        [planned] = bench.plan("docker.restart", stop_within="2 s")
        worker = multiprocessing.get_context("fork").Process(
            target=bench.apply, args=("docker.restart", planned), daemon=True
        )
        worker.start()
        time.sleep(0.7)
        worker.kill()
        worker.join(5)
        assert started(engine, "api") == before  # it is still being stopped

        assert bench.happened("docker.restart", planned, stop_within="2 s") is True
        once = started(engine, "api")
        assert once != before
        bench.apply("docker.restart", planned)
        assert started(engine, "api") == once

    def test_nothing_was_done_yet(self, engine: DockerEngine, bench: Bench) -> None:
        engine.run("api")
        [planned] = bench.plan("docker.restart", **QUICK)
        assert bench.happened("docker.restart", planned, **QUICK) is False

    def test_the_answer_does_not_come_in_time(self, engine: DockerEngine, bench: Bench) -> None:
        """It is not said that it was not done."""
        engine.run("api", STUBBORN)
        [planned] = bench.plan("docker.restart", stop_within="5 s")
        with pytest.raises(OutcomeUnknown, match=r"whether POST /containers/\*/restart .*be looked at"):
            bench.apply("docker.restart", planned, seconds=1)
        assert bench.happened("docker.restart", planned) is True

    @pytest.mark.parametrize("action", ["docker.restart", "docker.restart_in_order"])
    def test_done_and_then_the_engine_is_away(
        self, engine: DockerEngine, bench: Bench, monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        """Whatever comes after the restart does not tell that there was none."""
        engine.run("api").kill()
        [planned] = bench.plan(action)
        before = started(engine, "api")

        def away(*_: object) -> None:
            raise SourceUnavailable

        restart = WritingEngine.restart

        def then_away(self: WritingEngine, *given: Any) -> None:
            restart(self, *given)
            monkeypatch.setattr(Engine, "inspect", away)

        monkeypatch.setattr(WritingEngine, "restart", then_away)
        done = bench.apply(action, planned)

        assert done.text.startswith("Restarted the container api")
        assert started(engine, "api") != before

    def test_restarted_by_docker_meanwhile(self, engine: DockerEngine, bench: Bench) -> None:
        """Then nobody can tell what was ours."""
        engine.run("api", "sleep 0.5; exit 1", restart_policy={"Name": "always"})
        [planned] = bench.plan("docker.restart", **QUICK)
        engine.wait("api", lambda seen: seen["RestartCount"] > planned.data["restarts"])
        assert bench.happened("docker.restart", planned, **QUICK) is None

    def test_an_engine_that_hangs(self, server: DockerEngine, bench: Bench) -> None:
        """Given up in time."""
        server.run("api")
        [planned] = bench.plan("docker.restart")
        server.freeze()
        try:
            began = time.monotonic()
            with pytest.raises(SourceUnavailable, match=r"docker\.restart: the Docker Engine"):
                bench.apply("docker.restart", planned, seconds=1)
            assert time.monotonic() - began < 2
        finally:
            server.thaw()
            server.clear()
