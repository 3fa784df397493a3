"""Log lines that were really written, counted by a real LogQL server, until an incident opens and ends."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.detectors.loki import LokiDetector
from incident_response.domain.connections import Connection
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import Signal
from incident_response.sources.loki import LokiSource
from tests.support.house import House
from tests.support.loki import LokiServer
from tests.support.shipped import library

pytestmark = pytest.mark.integration

LOGIN = ("airflow", "not-for-a-log")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LokiServer]:
    """One server for all tests; the logs of each have a label of their own."""
    with LokiServer(tmp_path_factory.mktemp("loki"), login=LOGIN) as running:
        yield running


class Watchman:
    """A detector with its cursor, the intake behind it, and a place in the logs where nobody else writes."""

    def __init__(self, server: LokiServer) -> None:
        self.server, self.house = server, House()
        self.job = f"job-{next(_numbers)}"
        self.connection = Connection(server.url, *LOGIN)
        self.cursor: Mapping[str, Any] = {}
        self.queries: list[dict[str, Any]] = []
        self.time_limit = "10 s"

    def errors(self, **fields: Any) -> None:
        """Counts error lines; three are too many."""
        name = f"errors_{len(self.queries) + 1}"
        lines = f'{{job="{self.job}"}} |= "ERROR"'
        self.queries.append({"name": name, "query": lines, "at_least": 3, **fields})

    def write(self, service: str, *lines: str, **labels: str) -> None:
        self.server.wait_for_room(timedelta(minutes=5), seconds=5)
        self.server.push({"job": self.job, "service": service, **labels}, lines)

    def look(self, later: timedelta = timedelta()) -> list[Signal]:
        """Polls once, as the clock does, and gives what was seen to the intake."""
        source = LokiSource.model_validate(
            {"name": "logs", "kind": "loki", "queries": self.queries, "time_limit": self.time_limit}
        )
        now = datetime.now(timezone.utc) + later
        seen = LokiDetector(source, {"incident_response_loki": self.connection}.get).poll(self.cursor, now)
        self.cursor = json.loads(json.dumps(seen.cursor))
        self.house.intake.receive(seen.signals, now)
        return list(seen.signals)

    def incidents(self) -> dict[str, Incident]:
        """By service."""
        with self.house.store.read() as tx:
            return {row.incident.service: row.incident for row in tx.board(50)}


@pytest.fixture
def watchman(server: LokiServer) -> Watchman:
    if not server.running:
        server.start()
    return Watchman(server)


class TestErrorRate:
    """Error lines of services."""

    def test_a_burst_of_errors_opens_an_incident(self, watchman: Watchman) -> None:
        """By the shipped rule; the lines are its evidence."""
        watchman.errors()
        watchman.write(
            "energy-api", "INFO started", *(f"ERROR upstream answered {n}" for n in (500, 502, 504))
        )

        [signal] = watchman.look()

        assert signal.labels == {
            "alertname": "LogErrorRate",
            "service": "energy-api",
            "query": "errors_1",
            "component": "infrastructure",
        }
        assert signal.summary == (
            "energy-api: 3 log lines of errors_1 in 5 min (limit 3); latest: ERROR upstream answered 504"
        )
        assert [line["line"][-3:] for line in signal.details["lines"]] == ["504", "502", "500"]
        incident = watchman.incidents()["energy-api"]
        assert (incident.severity, incident.scenario) == (Severity.P3, Scenario.SERVICE_OUTAGE)
        assert (incident.title, incident.runbook) == ("energy-api logs errors", None)
        assert watchman.look() == []

    def test_a_few_errors_are_nothing(self, watchman: Watchman) -> None:
        """Below the limit."""
        watchman.errors()
        watchman.write("energy-api", "ERROR one", "ERROR two", "INFO three")

        assert watchman.look() == []
        assert watchman.incidents() == {}

    def test_a_burst_that_is_over_mitigates_the_incident(self, watchman: Watchman) -> None:
        """State-like: once the window has passed without errors."""
        window = timedelta(seconds=3)
        watchman.errors(window=window)
        watchman.server.wait_for_room(window, seconds=2)
        watchman.server.push({"job": watchman.job, "service": "energy-api"}, ["ERROR"] * 3)
        assert [signal.firing for signal in watchman.look()] == [True]

        time.sleep(window.total_seconds() + 0.2)

        assert [signal.firing for signal in watchman.look()] == [False]
        assert watchman.incidents()["energy-api"].status is Status.MITIGATED

    def test_two_services_are_two_incidents(self, watchman: Watchman) -> None:
        """Each value of the label counts alone."""
        watchman.errors()
        watchman.write("energy-api", *["ERROR energy"] * 3)
        watchman.write("stock-api", *["ERROR stock"] * 4)
        watchman.write("profile-api", *["ERROR profile"] * 2)

        seen = {signal.labels["service"]: signal.details for signal in watchman.look()}

        assert {service: details["count"] for service, details in seen.items()} == {
            "energy-api": 3,
            "stock-api": 4,
        }
        assert {line["line"] for line in seen["stock-api"]["lines"]} == {"ERROR stock"}
        assert watchman.incidents().keys() == {"energy-api", "stock-api"}

    def test_a_name_from_the_logs_is_no_query(self, watchman: Watchman) -> None:
        """Who may write logs chooses label values; they are quoted."""
        watchman.errors()
        name = 'a\\" or service=~".+" # {x="\\'
        watchman.write("other", *["ERROR of somebody else"] * 2)
        watchman.write(name, *["ERROR mine"] * 3)

        [signal] = watchman.look()

        assert signal.labels["service"] == name
        assert [line["line"] for line in signal.details["lines"]] == ["ERROR mine"] * 3

    def test_counts_by_a_label_that_the_query_itself_reads(self, watchman: Watchman) -> None:
        """JSON logs have no stream for each service."""
        watchman.errors(query=f'{{job="{watchman.job}"}} | json | level="error"', by="app")
        watchman.write("all", *[json.dumps({"app": "keycloak", "level": "error", "n": n}) for n in range(3)])
        watchman.write("all", json.dumps({"app": "nginx", "level": "error"}))

        [signal] = watchman.look()

        assert signal.labels["service"] == "keycloak"
        assert len(signal.details["lines"]) == 3

    def test_no_secret_of_a_log_line_is_kept(self, watchman: Watchman) -> None:
        """Neither in the signal, nor in the cursor, nor in what the incident keeps."""
        watchman.errors()
        watchman.write(
            "energy-api",
            "ERROR connect postgresql://airflow:hunter2@db/lianel_energy",
            "ERROR login failed password=hunter2",
            json.dumps({"log": json.dumps({"msg": "ERROR", "api_key": "hunter2 hunter2"})}),
        )

        [signal] = watchman.look()

        assert len(signal.details["lines"]) == 3
        with watchman.house.store.read() as tx:
            number = watchman.incidents()["energy-api"].number
            kept = repr((signal, watchman.cursor, tx.get(number), tx.timeline(number), tx.sightings(number)))
        assert "***" in kept
        assert "hunter2" not in kept


class TestOtherLines:
    """Lines that mean something else than errors of a service."""

    def test_refused_connections_are_a_trouble_of_the_database(self, watchman: Watchman) -> None:
        """The clients log it, so the service is a fixed one and all of them count together."""
        watchman.errors(
            query=f'{{job="{watchman.job}"}} |~ "(?i)too many (connections|clients)"',
            alertname="DatabaseConnectionsExhausted",
            service="lianel_energy",
            component="database",
        )
        for client in ("energy-api", "stock-api", "airflow"):
            watchman.write(client, "FATAL:  sorry, too many clients already")

        [signal] = watchman.look()

        assert signal.details["count"] == 3
        assert len(signal.details["lines"]) == 3
        incident = watchman.incidents()["lianel_energy"]
        assert (incident.severity, incident.scenario) == (Severity.P1, Scenario.DATABASE)
        assert incident.runbook == "database-maintenance"

    def test_one_kill_for_memory_is_enough(self, watchman: Watchman) -> None:
        """And that it is over repairs nothing: the incident stays open."""
        watchman.errors(
            query=f'{{job="{watchman.job}"}} |~ "(?i)out of memory: killed process"',
            alertname="ContainerOOMKilled",
            at_least=1,
        )
        watchman.write(
            "dc-airflow-worker-1",
            "kernel: Memory cgroup out of memory: Killed process 4711 (celery) total-vm:612000kB",
        )

        assert [signal.firing for signal in watchman.look()] == [True]
        assert [signal.firing for signal in watchman.look(later=timedelta(minutes=6))] == [False]

        incident = watchman.incidents()["dc-airflow-worker-1"]
        assert (incident.severity, incident.runbook) == (Severity.P2, "service-restart")
        assert incident.status is Status.TRIGGERED


class TestShippedQueries:
    """Those of include/policy/detectors.yaml, on lines as the platform's containers write them."""

    LINES: Mapping[str, tuple[str, ...]] = {
        "keycloak": (
            'WARN [org.keycloak.events] type="LOGIN_ERROR", realmId="x", error="invalid_user_credentials"',
            'WARN [org.keycloak.events] type="LOGIN_ERROR", realmId="x", error="user_not_found"',
        ),
        "nginx-proxy": (
            '10.0.0.1 - - [01/Mar/2026:10:00:00 +0000] "GET /api/x HTTP/1.1" 502 157 "-" "curl"',
            '10.0.0.1 - - [01/Mar/2026:10:00:01 +0000] "GET /api/x HTTP/1.1" 504 157 "-" "curl"',
            "2026/03/01 10:00:02 [error] 7#7: *1 upstream timed out (110: Connection timed out)",
        ),
        "lianel-frontend": ("ERROR cannot answer", "CRITICAL cannot answer"),
    }

    def test_sign_ins_the_proxy_and_errors_are_seen_by_container(self, server: LokiServer) -> None:
        """`service` is the compose service there; the container says which one it is."""
        shipped = next(s for s in library().sources() if s.name == "loki")
        names = ("failed_logins", "proxy_errors", "errors_per_service")
        queries = tuple(q for q in shipped.queries if q.name in names)  # type: ignore[attr-defined]
        source = shipped.model_copy(update={"queries": queries})
        server.wait_for_room(timedelta(minutes=5), seconds=5)
        for container, lines in self.LINES.items():
            found = [f"{line} {number}" for number in range(12) for line in lines]
            server.push({"container": container, "service": "compose"}, found)
            quiet = [f'"GET /api/{number} HTTP/1.1" 200 502 "-" all is well' for number in range(30)]
            server.push({"container": container, "service": "compose"}, quiet)
        house = House()
        connection = Connection(server.url, *LOGIN)
        detector = LokiDetector(source, lambda _: connection)  # type: ignore[arg-type]
        house.intake.receive(
            detector.poll({}, datetime.now(timezone.utc)).signals, datetime.now(timezone.utc)
        )
        with house.store.read() as tx:
            opened = {row.incident.rule: row.incident for row in tx.board(20)}
        assert {rule: (one.service, one.severity, one.runbook) for rule, one in opened.items()} == {
            "authentication fails": ("keycloak", Severity.P2, "service-restart"),
            "service answers with an error of its proxy": ("nginx-proxy", Severity.P2, "service-restart"),
            "errors in the log": ("lianel-frontend", Severity.P3, None),
        }


class TestTrouble:
    """Loki itself, or a query, does not do what it should."""

    def test_a_broken_query_is_named_and_hides_no_other(
        self, watchman: Watchman, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is told as blindness when it stays broken, and that ends when it is mended."""
        watchman.errors()
        watchman.errors(query='{job="x"} |= ')
        watchman.write("energy-api", *["ERROR"] * 3)

        assert [signal.labels["service"] for signal in watchman.look()] == ["energy-api"]
        assert "logs: the query errors_2 got no answer: HTTP 400" in caplog.text
        assert watchman.look() == []
        [blind] = watchman.look()

        assert blind.labels["detector"] == "logs/errors_2"
        incident = watchman.incidents()["logs/errors_2"]
        assert incident.title == "The detector logs/errors_2 gets no answer"
        watchman.queries[1]["query"] = '{job="x"} |= "mended"'
        watchman.look()
        assert watchman.incidents()["logs/errors_2"].status is Status.MITIGATED
        assert watchman.incidents()["energy-api"].status is Status.TRIGGERED

    def test_what_a_query_found_stays_when_it_breaks(self, watchman: Watchman) -> None:
        """Not to know is not to be repaired; nor is it told again, for nobody saw it."""
        watchman.errors()
        watchman.errors(query='{job="x"}')
        watchman.write("energy-api", *["ERROR"] * 3)
        assert len(watchman.look()) == 1
        whole = watchman.queries[0]["query"]
        watchman.queries[0]["query"] = '{job="x"} |= '

        assert watchman.look() == []
        watchman.queries[0]["query"] = whole
        assert watchman.look() == []
        assert watchman.incidents()["energy-api"].status is Status.TRIGGERED

    def test_a_refused_login_names_the_connection_and_not_the_password(self, watchman: Watchman) -> None:
        """What to correct stands in the error."""
        watchman.errors()
        watchman.connection = Connection(watchman.server.url, "airflow", "mistyped")

        with pytest.raises(SourceUnavailable, match=r"'incident_response_loki'.*HTTP 401.*login") as refused:
            watchman.look()

        assert "mistyped" not in str(refused.value)

    def test_a_server_that_hangs_is_an_error_and_changes_nothing(self, watchman: Watchman) -> None:
        """The look ends with its time limit; what was firing goes on when the server does."""
        watchman.errors()
        watchman.write("energy-api", *["ERROR"] * 3)
        watchman.look()
        watchman.time_limit = "1 s"
        began = time.monotonic()

        with watchman.server.hanging(), pytest.raises(SourceUnavailable, match="did not answer in time"):
            watchman.look()
        assert time.monotonic() - began < 5  # the limit, and what a busy machine adds

        watchman.time_limit = "10 s"
        assert watchman.look() == []
        assert watchman.incidents()["energy-api"].status is Status.TRIGGERED

    def test_a_server_that_is_down_is_an_error(self, watchman: Watchman) -> None:
        """That says which connection to look at."""
        watchman.errors()
        watchman.server.stop()

        with pytest.raises(SourceUnavailable, match=r"logs: Loki \(connection 'inc.*ConnectError; check"):
            watchman.look()
