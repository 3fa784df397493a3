"""Fixtures for real components. The components themselves live in `tests.support`, which knows no pytest."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.support.airflow import Airflow
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One server for all tests; each takes a database of its own. Never kill this one: make another."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database for one test."""
    name = f"test_{next(_numbers)}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


class AirflowPool:
    """Starts an Airflow for a configuration, and keeps it while the next tests ask for the same one.

    Only one runs at a time: two starve each other on a machine with two cores.
    """

    def __init__(self, folders: pytest.TempPathFactory, server: PostgresServer) -> None:
        self._folders = folders
        self._server = server
        self._current: tuple[str, Airflow] | None = None

    def get(self, *, database: str = "postgresql", fresh: bool = False, **config: Any) -> Airflow:
        """Keywords as for `Airflow`; `fresh` insists on one that no test has used."""
        key = repr((database, sorted(config.items())))
        if self._current and self._current[0] == key and not fresh:
            return self._current[1]
        self.stop()
        if database == "postgresql":
            database = self._server.create_database(f"airflow_{next(_numbers)}")
        airflow = Airflow(self._folders.mktemp("airflow"), database=database, **config).__enter__()
        self._current = (key, airflow)
        return airflow

    def stop(self) -> None:
        if self._current:
            self._current[1].stop()
            self._current = None


@pytest.fixture(scope="session")
def airflow_pool(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[AirflowPool]:
    """For fixtures of a wider scope than a test; a test itself asks for `airflow`."""
    pool = AirflowPool(tmp_path_factory, postgres_server)
    yield pool
    pool.stop()


@pytest.fixture
def airflow(request: pytest.FixtureRequest, airflow_pool: AirflowPool) -> Iterator[Airflow]:
    """A running Airflow with the keywords of the nearest marker: `@pytest.mark.airflow(auth="fab")`.

    Tests with the same keywords share it: give DAG runs and incidents names of your own, and start again what
    you kill. `fresh=True` in the marker gives one that nobody has used.
    """
    marker = request.node.get_closest_marker("airflow")
    failures = request.session.testsfailed
    yield airflow_pool.get(**(marker.kwargs if marker else {}))
    if request.session.testsfailed > failures or request.node.stash.get(_failed, False):
        airflow_pool.stop()  # whatever it broke is not the next test's affair


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of real components runs once more when it failed: four servers on two cores starve at times.

    What fails twice is red, and what needed its second try is named at the end of the run. Tests that share a
    running Airflow come one after the other, wherever they are written.
    """
    for item in items:
        if any(item.get_closest_marker(name) for name in ("airflow", "browser", "integration")):
            item.add_marker(pytest.mark.flaky(reruns=1))
        module = getattr(item, "module", None)
        own = item.get_closest_marker("celery")  # it has an environment, and a job, of its own
        if not own and (getattr(module, "Airflow", None) is Airflow or hasattr(module, "deploy")):
            item.add_marker(pytest.mark.whole_airflow)
    first: dict[str, int] = {}
    place = {item: number for number, item in enumerate(items)}
    for item in items:
        if marker := item.get_closest_marker("airflow"):
            place[item] = first.setdefault(repr(sorted(marker.kwargs.items())), place[item])
    items.sort(key=place.__getitem__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure for the fixtures that clean up after it."""
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


_failed = pytest.StashKey[bool]()
_numbers = itertools.count(1)
