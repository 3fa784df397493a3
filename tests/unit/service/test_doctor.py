"""Doctor: each thing that can be wrong with an installation is found, with how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, PolicyError, StoreUnavailable
from incident_response.domain.health import Finding
from incident_response.domain.records import Heartbeat
from incident_response.service.doctor import Doctor
from tests.support.house import START, House


class Airflow:
    """Airflow's REST API as doctor sees it, all well until a test says otherwise."""

    def __init__(self) -> None:
        self.dags: dict[str, dict[str, Any]] = {}
        self.missing: set[str] = set()
        self.roles: dict[str, list[tuple[str, str]]] | None = None
        self.away = False

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        if self.away:
            raise AirflowUnavailable("GET /version: ConnectError")
        name = path.rsplit("/", 1)[-1]
        if path == "/version":
            return {"version": "3.3.2"}
        if path.startswith("/dags/") and name not in self.missing:
            return {"is_paused": False, "has_import_errors": False} | self.dags.get(name, {})
        if path.startswith("/auth/fab") and self.roles is not None:
            pairs = self.roles.get(name, [("can_read", "Plugins")])
            return {"actions": [{"action": {"name": a}, "resource": {"name": r}} for a, r in pairs]}
        raise AirflowRefused(f"GET {path}: HTTP 404", status=404)

    post = patch = get


@pytest.fixture
def house() -> House:
    house = House()
    with house.store.transaction() as tx:
        tx.beat(Heartbeat("clock@host:1", START, START - timedelta(hours=3)))
    return house


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


def examine(house: House, airflow: Airflow, **later: float) -> list[Finding]:
    doctor = Doctor(house.store, house.library, airflow, house.spool)
    return list(doctor.examine(START + timedelta(**later)))


def to_mend(findings: list[Finding]) -> str:
    return "\n".join(f"{f.check}: {f.text} → {f.remedy}" for f in findings if not f.ok)


def test_a_sound_installation_has_nothing_to_mend(house: House, airflow: Airflow) -> None:
    """And says since when the clock ticks."""
    findings = examine(house, airflow)
    assert to_mend(findings) == ""
    assert "ticks since 2026-11-22 23:00:00 UTC" in "\n".join(f.text for f in findings)


@pytest.mark.parametrize(
    ("dag", "remedy"),
    [
        ("incident_clock", "airflow dags unpause incident_clock"),
        ("runbook_dag-failure-recovery", "unpause runbook_"),
    ],
)
def test_a_paused_dag_is_found(house: House, airflow: Airflow, dag: str, remedy: str) -> None:
    """A new DAG is paused on many platforms, and then does nothing."""
    airflow.dags[dag] = {"is_paused": True}
    assert remedy in to_mend(examine(house, airflow))


def test_a_missing_or_broken_dag_is_found(house: House, airflow: Airflow) -> None:
    """Not copied, or it cannot be imported."""
    airflow.missing.add("incident_response")
    airflow.dags["incident_escalation"] = {"has_import_errors": True}
    found = to_mend(examine(house, airflow))
    assert "incident_response is not there → copy dags/" in found
    assert "incident_escalation has import errors" in found


def test_a_silent_clock_is_serious(house: House, airflow: Airflow) -> None:
    """With the way to page people until it is mended."""
    findings = examine(house, airflow, minutes=5)
    assert "clock: silent since 2026-11-23 02:00:00 UTC" in to_mend(findings)
    assert "tick --forever" in to_mend(findings)
    banner = Doctor(house.store, house.library, airflow, house.spool).banner(START + timedelta(minutes=5))
    assert [finding.check for finding in banner] == ["clock"]


def test_an_api_that_is_away_is_one_finding_per_check(house: House, airflow: Airflow) -> None:
    """The other checks go on."""
    airflow.away = True
    findings = examine(house, airflow)
    assert {f.check for f in findings if not f.ok} == {"Airflow API", "DAGs", "menu"}
    assert "start Airflow's API server" in to_mend(findings)


def test_a_role_without_the_menu_is_found_under_fab(house: House, airflow: Airflow) -> None:
    """With the command that gives it."""
    airflow.roles = {"Viewer": []}
    found = to_mend(examine(house, airflow))
    assert "airflow roles add-perms Viewer -a can_read -r Plugins" in found
    assert "Admin" not in found


def test_broken_files_a_full_spool_and_a_failing_detector_are_found(
    house: House, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its own words."""
    problem = PolicyError("is missing; add it", file="include/policy/escalation.yaml", line=3, field="zone")
    monkeypatch.setattr(house.library, "problems", lambda: [problem])
    house.spool.files = {str(n): [] for n in range(101)}
    house.watcher.error = RuntimeError("boom")
    with house.store.transaction() as tx:
        tx.ensure_polls({"watcher": timedelta(seconds=1)}, START)
        for _ in range(3):
            tx.finish_poll("watcher", START, None, "RuntimeError")
    found = to_mend(examine(house, airflow))
    assert "escalation.yaml:3: zone: is missing; add it" in found
    assert "101 files wait" in found
    assert "watcher: last good look never" in found


def test_a_store_that_is_away_does_not_stop_the_examination(
    house: House, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs no store is still examined."""

    def away() -> Any:
        raise StoreUnavailable

    monkeypatch.setattr(house.store, "read", away)
    findings = examine(house, airflow)
    assert "start the database" in to_mend(findings)
    assert any(f.ok and f.check == "DAGs" for f in findings)
