"""The demo, from the outside: what a person who types `make demo DEMO_EXIT=1` gets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import AirflowPool
from tests.support import REPOSITORY

pytestmark = pytest.mark.whole_airflow


@pytest.fixture
def alone(airflow_pool: AirflowPool) -> None:
    """No Airflow of another test runs beside the demo's."""
    airflow_pool.stop()


@pytest.mark.airflow
@pytest.mark.acceptance
@pytest.mark.timeout(540)
@pytest.mark.usefixtures("alone")
def test_the_demo_ends_as_it_should(tmp_path: Path) -> None:
    """Exit code 0, a row for each pipeline, the ratio, and nothing is left running."""
    done = subprocess.run(
        demo("--folder", tmp_path / "demo"),
        cwd=REPOSITORY,
        env=environment(DEMO_EXIT="1"),
        capture_output=True,
        text=True,
        timeout=520,
        check=False,
    )

    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    assert row(done.stdout, "demo_entsoe_ingestion", "listener|callback", "healed"), told
    assert row(done.stdout, "demo_eurostat_harmonization", "callback|listener", "tried, failed"), told
    assert row(done.stdout, "demo_osm_feature_extraction", "airflow_runs", "healed", "nobody"), told
    assert row(done.stdout, "demo_eurostat_ingestion_nrg_bal_s", "listener|callback", "healed"), told
    assert re.search(r"ratio \d+\.\d", done.stdout), told
    assert not processes_in(tmp_path / "demo")


@pytest.mark.integration
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the start."""
    folder = tmp_path / "demo"
    with subprocess.Popen(
        demo("--folder", folder), cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True
    ) as run:
        while not processes_in(folder):
            assert run.poll() is None
            time.sleep(0.1)

        run.send_signal(signal.SIGINT)

        assert run.wait(60) == 130
    assert not processes_in(folder)


@pytest.mark.integration
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """It is refused with a word, and its files stay."""
    (tmp_path / "thesis.txt").write_text("years of work")

    done = subprocess.run(
        demo("--folder", tmp_path),
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "--folder" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def demo(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "demo", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """As `make demo` gives it."""
    unset = ("DEMO_EXIT", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in unset} | more


def row(output: str, dag_id: str, *cells: str) -> bool:
    """Whether the table's first line of this pipeline has all these words."""
    lines = [line for line in output.splitlines() if line.startswith(f"{dag_id} ")]
    return len(lines) == 1 and all(re.search(cell, lines[0]) for cell in cells)


def processes_in(folder: Path) -> list[str]:
    found = psutil.process_iter(["cwd", "name", "status"])
    return [
        process.info["name"]
        for process in found
        if process.info["cwd"] == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
