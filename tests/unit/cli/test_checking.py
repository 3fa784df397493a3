"""`python -m incident_response check --live`: what each source says, and nothing that stays behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from incident_response import bootstrap
from incident_response.cli import live
from incident_response.domain.connections import Connection
from incident_response.domain.ports import Observation
from incident_response.domain.signals import Signal
from tests.support.processes import free_port
from tests.unit.detectors.fake_loki import FakeLoki, vector

from .conftest import Run


class Seeing:
    """A detector that sees what it is given."""

    interval = time_limit = timedelta(seconds=1)

    def __init__(self, name: str, *alertnames: str) -> None:
        self.name, self.alertnames = name, alertnames

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        labels = [{"alertname": name, "n": str(n)} for n, name in enumerate(self.alertnames)]
        return Observation([Signal("test", one, "seen", now) for one in labels])


class Hanging(Seeing):
    """Ignores its own time limit."""

    time_limit = timedelta(milliseconds=200)

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        threading.Event().wait(20)
        raise AssertionError("nobody waits for this")


class Broken(Seeing):
    """Has a bug."""

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        raise KeyError("hunter2")


class Alone:
    """In place of the real detectors: no file names any."""

    def __init__(self, *detectors: Seeing) -> None:
        self._detectors = {one.name: one for one in detectors}

    def always(self) -> Mapping[str, Seeing]:
        return self._detectors


def lines(out: str) -> dict[str, tuple[str, str]]:
    """By source: the state and the text. The first line tells of the files."""
    split = (line.split(None, 2) for line in out.splitlines()[1:])
    return {name: (state, text) for state, name, text in split}


def sources(include: Path, text: str) -> None:
    (include / "policy" / "detectors.yaml").write_text(f"version: 1\nsources:\n{text}")


@pytest.fixture
def only(services: bootstrap.Services, include: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Look by these detectors and no others."""

    def only(*detectors: Seeing) -> None:
        (include / "policy" / "detectors.yaml").unlink()
        made = replace(services, detectors=Alone(*detectors))  # type: ignore[arg-type]
        monkeypatch.setattr(bootstrap, "services", lambda: made)

    return only


def test_what_hangs_is_given_up_and_holds_up_no_other(
    run: Run, only: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that hang cost the time of one; what the others saw is told."""
    monkeypatch.setattr(live, "_GRACE", 0.3)
    only(Hanging("first"), Hanging("second"), Seeing("third", "Odd", "Odd", "Down"), Seeing("fourth"))
    began = time.monotonic()
    code, out, _ = run("check", "--live")
    assert time.monotonic() - began < 5
    assert code == 1
    found = lines(out)
    assert list(found) == ["first", "second", "third", "fourth", "mail"]
    assert found["first"][0] == found["second"][0] == "FAIL"
    assert "no answer within 0.5 s, the look was given up" in found["first"][1]
    assert found["third"] == ("sees", "Odd ×2, Down")
    assert found["fourth"] == ("ok", "nothing fires")


def test_all_well_is_zero_and_what_waits_is_no_failure(run: Run, only: Any) -> None:
    """Mail is optional: without it pages go to the log."""
    only(Seeing("one"))
    code, out, _ = run("check", "--live")
    assert code == 0
    state, text = lines(out)["mail"]
    assert (state, "waits for connection smtp_default" in text) == ("waits", True)


def test_a_fault_of_a_detector_is_told_as_one(run: Run, only: Any) -> None:
    """The others are looked at; its words may hold anything and are not in the line."""
    only(Broken("one"), Seeing("two", "DetectorFailing"))
    code, out, _ = run("check", "--live")
    found = lines(out)
    assert code == 1
    assert found["one"] == ("FAIL", "KeyError, a fault of the detector; the log above has it whole")
    assert found["two"] == ("FAIL", "seen"), "a part that is blind fails the check"


def test_real_sources_tell_at_the_first_look_and_leave_nothing_behind(
    run: Run, include: Path, known: dict[str, Connection], services: bootstrap.Services
) -> None:
    """Patience is for the night: here the first failed look counts. What is disabled is not looked at."""
    closed = free_port()
    known["energy"] = Connection("127.0.0.1", "reader", "hunter2", closed, "lianel_energy")
    known["smtp_default"] = Connection("127.0.0.1", "op", "hunter2", closed, extra={"disable_ssl": True})
    known["incident_response_prometheus"] = Connection(f"http://op:hunter2@127.0.0.1:{closed}")
    sources(
        include,
        f"""
- name: web
  kind: http_health
  targets: [{{service: keycloak, url: "http://127.0.0.1:{closed}/", failures: 5, start_grace: 120 s}}]
- {{name: energy, kind: postgres, conn_id: energy, failures: 3}}
- {{name: prometheus, kind: prometheus}}
- {{name: alerts, kind: alertmanager}}
- {{name: later, kind: docker, enabled: false}}
""",
    )
    code, out, err = run("check", "--live")
    found = lines(out)
    assert code == 1
    assert list(found) == ["airflow_runs", "airflow_edges", "web", "energy", "prometheus", "alerts", "mail"]
    assert found["airflow_runs"][0] == "FAIL"
    assert "create the Airflow connection `incident_response_api`" in found["airflow_runs"][1]
    assert found["web"] == ("sees", "ServiceUnhealthy of keycloak")
    assert found["energy"][0] == "FAIL"
    assert f"PostgreSQL at 127.0.0.1:{closed} gives no connection" in found["energy"][1]
    assert found["prometheus"][0] == "FAIL"
    assert "check that it runs, and the connection 'incident_response_prometheus'" in found["prometheus"][1]
    assert found["alerts"] == (
        "waits",
        "waits for connection incident_response_alertmanager; define it, or "
        "AIRFLOW_CONN_INCIDENT_RESPONSE_ALERTMANAGER",
    )
    assert found["mail"] == ("FAIL", f"mail server 127.0.0.1:{closed} answered ConnectionRefusedError")
    assert "hunter2" not in out + err

    with services.store.read() as tx:
        assert (tx.board(10), tx.polls(), tx.held(10)) == ([], [], [])


def test_one_broken_query_of_several_is_told(run: Run, include: Path, known: dict[str, Connection]) -> None:
    """At night three looks pass until it is; the others' answers hide nothing here."""
    loki = FakeLoki()
    loki.answer = lambda path, params: (400, [b"parse error"]) if "oops" in params["query"] else vector()
    known["incident_response_loki"] = Connection(loki.url)
    sources(
        include,
        """
- name: logs
  kind: loki
  queries:
  - {name: errors, query: '{app="a"} |= "ERROR"', at_least: 5}
  - {name: oops, query: '{app="a"} |= "oops"', at_least: 5}
""",
    )
    try:
        found = lines(run("check", "--live")[1])
    finally:
        loki.close()
    assert found["logs"][0] == "FAIL"
    assert "The query oops of logs got no answer" in found["logs"][1]
    assert "parse error; correct the query" in found["logs"][1]


def test_a_broken_file_fails_it_and_the_rest_is_looked_at(run: Run, only: Any, include: Path) -> None:
    """With file and line, as `check` alone does."""
    only(Seeing("one"))
    (include / "policy" / "maintenance.yaml").write_text("version: 1\nwindows: soon\n")
    code, out, _ = run("check", "--live")
    assert code == 1
    assert "maintenance.yaml:2: windows" in out
    assert "nothing fires" in out
