"""The command line on a store of its own and the shipped files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from incident_response import bootstrap
from incident_response.cli.program import main
from incident_response.domain.connections import Connection
from incident_response.domain.signals import Signal
from incident_response.settings import Settings
from tests.support.shipped import INCLUDE

Run = Callable[..., tuple[int, str, str]]
Fire = Callable[..., int | None]


@pytest.fixture
def include(tmp_path: Path) -> Path:
    """A copy of include/ that a test may change."""
    return Path(shutil.copytree(INCLUDE, tmp_path / "include"))


@pytest.fixture
def known() -> dict[str, Connection]:
    """The Airflow connections that are defined, by id."""
    return {}


@pytest.fixture
def services(
    tmp_path: Path, include: Path, known: Mapping[str, Connection], monkeypatch: pytest.MonkeyPatch
) -> bootstrap.Services:
    monkeypatch.setattr(bootstrap, "kill_variable", lambda: None)  # there is no Airflow to ask
    settings = Settings(
        store_url=f"sqlite:///{tmp_path}/store.db",
        spool_folder=str(tmp_path / "spool"),
        evidence_url=str(tmp_path / "evidence"),
        include_folder=str(include),
    )
    made = bootstrap.build(settings, known.get)
    monkeypatch.setattr(bootstrap, "services", lambda: made)
    return made


@pytest.fixture
def run(services: bootstrap.Services, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def fire(services: bootstrap.Services) -> Fire:
    """Take one signal in; returns its incident."""

    def fire(alertname: str, summary: str = "", **labels: str) -> int | None:
        now = bootstrap.now()
        signal = Signal("test", {"alertname": alertname, **labels}, summary or alertname, now)
        return services.intake.receive([signal], now)[0].incident

    return fire
