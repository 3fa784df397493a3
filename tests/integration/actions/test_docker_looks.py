"""What the docker actions see on a real Docker Engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from incident_response.domain.services import Service, ServiceMap
from tests.support.docker_bench import Bench, service
from tests.support.docker_engine import DockerEngine
from tests.support.scenes import sighting

pytestmark = pytest.mark.integration

EAT = "x=a; while true; do x=$x$x; done"  # doubles its memory until it is killed


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
    chain = [Service("host-db"), service("db", "host-db"), service("keycloak", "db")]
    return Bench(server.url, ServiceMap([*chain, service("api", "keycloak", "db")]))


class TestInspect:
    def test_a_killed_container_has_exited_and_was_not_out_of_memory(
        self, engine: DockerEngine, bench: Bench
    ) -> None:
        """137 is any SIGKILL: more memory would help nobody here."""
        engine.run("api").kill()

        found = bench.look("docker.inspect")

        assert found.causes == ("exited",)
        assert found.text == "api exited with code 137 (SIGKILL)"
        assert found.data["containers"]["api"]["exit_code"] == 137

    def test_a_container_killed_for_memory(self, engine: DockerEngine, bench: Bench) -> None:
        engine.run("api", EAT, mem_limit="16m", memswap_limit="16m")
        engine.wait_state("api", "exited")

        found = bench.look("docker.inspect")

        assert set(found.causes) == {"oom_killed", "exited"}
        assert found.data["containers"]["api"]["oom_killed"] is True
        assert found.data["containers"]["api"]["memory_limit"] == 16 * 2**20

    def test_other_states(self, engine: DockerEngine, bench: Bench) -> None:
        """Each by its cause."""
        engine.run("paused").pause()
        engine.run("loops", "exit 3", restart_policy={"Name": "always"})
        engine.serve("sick").exec_run("rm /www/health")
        engine.run("well")
        engine.wait_health("sick", "unhealthy")
        engine.wait("loops", lambda seen: seen["RestartCount"] >= 4)  # its pauses are long by now
        engine.wait_state("loops", "restarting")

        found = bench.look("docker.inspect", containers=["paused", "loops", "sick", "well", "none"])

        causes = {name: facts["causes"] for name, facts in found.data["containers"].items()}
        assert causes == {
            "paused": ["paused"],
            "loops": ["restarting"],
            "sick": ["running", "unhealthy"],
            "well": ["running"],
            "none": ["missing"],
        }
        assert "404" in found.data["containers"]["sick"]["check_said"]
        assert "none does not exist" in found.text

    def test_no_secret_is_kept(self, engine: DockerEngine, bench: Bench) -> None:
        """No value of the environment at all, and no password in words of a command or a label."""
        engine.run(
            "api",
            ["sleep", "600", "--requirepass", "hunter2"],
            environment={"PLAIN": "value-of-plain", "DB_PASSWORD": "hunter3"},
            labels={"deploy.token": "hunter4", "url": "postgresql://me:hunter5@db/x", "team": "blue"},
        )

        found = bench.look("docker.inspect")

        [exhibit] = found.exhibits
        assert '"PLAIN=***"' in exhibit.content
        assert '"team": "blue"' in exhibit.content
        assert "value-of-plain" not in str(found)
        assert "hunter" not in str(found)

    def test_the_beginning_of_an_id_is_no_name(self, engine: DockerEngine, bench: Bench) -> None:
        """The engine would take it for one."""
        container = engine.run("api")
        found = bench.look("docker.inspect", containers=[str(container.id)[:8]])
        assert found.causes == ("missing",)


class TestWhichContainers:
    def test_the_one_that_the_signals_of_the_service_name(self, engine: DockerEngine, bench: Bench) -> None:
        """Not those of consequences, which are kept with the incident."""
        engine.run("other")
        bench.about = "batch"
        bench.sightings = (
            sighting("docker", container="api", service="api"),
            sighting("docker", container="other", service="batch"),
        )
        assert bench.look("docker.inspect").text == "other runs"

    def test_a_service_without_a_container(self, bench: Bench) -> None:
        """Said, and no error."""
        bench.about = "host-db"
        assert "No container is known for the service 'host-db'" in bench.look("docker.inspect").text


class TestLogs:
    def test_both_streams_without_secrets(self, engine: DockerEngine, bench: Bench) -> None:
        """Only the last lines, without the frames between them."""
        engine.run(
            "api", "echo out 1; echo out 2; echo out 3; sleep 0.2; echo password=hunter2 >&2; echo end >&2"
        )
        engine.wait_state("api", "exited")

        found = bench.look("docker.logs", lines=4)

        [exhibit] = found.exhibits
        lines = [line.partition(" ")[2] for line in exhibit.content.splitlines()]
        assert lines == ["out 2", "out 3", "password=***", "end"]
        assert "hunter2" not in str(found)
        assert found.data["containers"]["api"]["complete"] is True

    def test_a_terminal_and_long_lines(self, engine: DockerEngine, bench: Bench) -> None:
        """The end is kept."""
        engine.run("api", "dd if=/dev/zero bs=1000 count=300 2>/dev/null; echo; echo the end", tty=True)
        engine.wait_state("api", "exited")

        found = bench.look("docker.logs")

        [exhibit] = found.exhibits
        assert len(exhibit.content) <= 64_000
        assert exhibit.content.rstrip().endswith("the end")

    def test_a_log_that_is_not_kept(self, engine: DockerEngine, bench: Bench) -> None:
        """Said, and no error; the others are shown."""
        engine.run("api", "echo hello", log_config={"Type": "none"})
        engine.run("db", "echo hello")
        engine.wait_state("db", "exited")

        found = bench.look("docker.logs", containers=["api", "db", "none"])

        assert "the log of api cannot be read: " in found.text
        assert "none does not exist" in found.text
        assert [exhibit.name for exhibit in found.exhibits] == ["db.log"]


class TestStats:
    def test_a_busy_container_and_one_short_of_memory(self, engine: DockerEngine, bench: Bench) -> None:
        """CPU over the time between two looks; memory against the limit."""
        engine.run("api", "while true; do :; done", nano_cpus=500_000_000)
        engine.run("db", mem_limit="48m").exec_run("dd if=/dev/zero of=/dev/shm/x bs=1M count=20")
        engine.run("keycloak", "exit 1")
        engine.wait_state("keycloak", "exited")

        found = bench.look(
            "docker.stats", containers=["api", "db", "keycloak"], memory_percent=35, cpu_percent=50
        )

        assert found.causes == ("cpu_high", "memory_high")
        assert 25 < found.data["containers"]["api"]["cpu_percent"] < 90
        assert found.data["containers"]["db"]["memory_limit"] == 48 * 2**20
        assert "memory_percent" not in found.data["containers"]["api"]
        assert "keycloak exited with code 1" in found.text


class TestDependencies:
    def test_what_is_down_upstream_the_root_first(self, engine: DockerEngine, bench: Bench) -> None:
        """The service itself and what has no container are not looked at."""
        engine.run("keycloak").kill()
        engine.run("api").kill()

        found = bench.look("docker.dependencies")

        assert found.data == {"service": "api", "down": ["db", "keycloak"], "order": ["db", "keycloak"]}
        assert found.causes == ("dependency_down",)
        assert "db does not exist; keycloak exited with code 137" in found.text

    def test_all_is_well(self, engine: DockerEngine, bench: Bench) -> None:
        engine.run("db")
        engine.run("keycloak")
        found = bench.look("docker.dependencies")
        assert (found.causes, found.data["down"]) == ((), [])
