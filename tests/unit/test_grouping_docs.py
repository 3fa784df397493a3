"""docs/grouping.md says what is: the files it shows are valid, and do what it says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from incident_response.domain.services import NAMING
from incident_response.library.folder import Library
from incident_response.library.maintenance_file import MaintenanceFile
from incident_response.library.services_file import ServicesFile, grouping
from incident_response.library.yaml_file import read
from tests.support import REPOSITORY
from tests.support.shipped import policy

TEXT = (REPOSITORY / "docs" / "grouping.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.M | re.S)


def test_the_page_shows_services_umbrellas_and_windows() -> None:
    """One block each."""
    assert [set(yaml.safe_load(block)) & {"services", "together", "windows"} for block in BLOCKS] == [
        {"services"},
        {"together"},
        {"windows"},
    ]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_file_that_is_shown_is_valid(block: str, tmp_path: Path) -> None:
    """As a newcomer would paste it."""
    (tmp_path / "file.yaml").write_text(block)
    assert read(tmp_path / "file.yaml", MaintenanceFile if "windows:" in block else ServicesFile)


def test_the_services_that_are_shown_depend_as_it_is_told() -> None:
    """The table depends on the database by the pipeline; an alias is found without its port."""
    services = grouping(ServicesFile.model_validate(yaml.safe_load(BLOCKS[0]))).services
    assert services.upstreams("fact_electricity_timeseries") == {"entsoe_ingestion", "energy_db"}
    assert services.name({"instance": "db.example.com:5432"}) == "energy_db"
    assert services.name({"instance": "nobody:1"}) == "nobody"


def test_the_umbrellas_that_are_shown_are_the_shipped_ones() -> None:
    """A change of the shipped file is a change of what people read."""
    shown = grouping(ServicesFile.model_validate(yaml.safe_load(BLOCKS[1])))
    shipped = Library(REPOSITORY / "include").grouping()
    assert shown.umbrellas == shipped.umbrellas
    assert (shown.wait, shown.window) == (shipped.wait, shipped.window)


def test_labels_and_times_are_those_of_the_code() -> None:
    """In the order in which they are tried."""
    sentence = re.sub(r"\s+", " ", TEXT)
    assert f"The labels {', '.join(f'`{n}`' for n in NAMING[:-1])} and `{NAMING[-1]}` are tried" in sentence
    assert policy().hold_down.total_seconds() == 300
    assert policy().reopen_window.total_seconds() == 3600
