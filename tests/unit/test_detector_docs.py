"""docs/detectors.md says what is: every field of every kind, every alert; what it shows is accepted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from incident_response.domain.signals import Signal
from incident_response.library.detectors_file import DetectorsFile
from tests.support import REPOSITORY
from tests.support.detector_fields import DOCUMENT, EVERY, kinds, renewed, undescribed
from tests.support.shipped import START, library

TEXT = DOCUMENT.read_text()
DETECTORS = REPOSITORY / "plugins" / "incident_response" / "detectors"
SOURCES = REPOSITORY / "plugins" / "incident_response" / "sources"
# `ContainerDown`, `AirflowDAGRunFailed`: how alerts are named, and little else that is a text in the code.
_ALERT = re.compile(
    r"^(Airflow|Container|Database|Data|Service|TLS|High|Missing|Log|Detector)([A-Z]+[a-z]+)+$"
)
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)


def emitted() -> Iterator[str]:
    """Alert names in the code of detectors and sources."""
    paths = [
        *DETECTORS.glob("*.py"),
        *SOURCES.glob("*.py"),
        DETECTORS.parent / "domain" / "pipeline_signals.py",
    ]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ALERT.match(node.value):
                yield node.value


def told() -> set[str]:
    """Alert names in the first columns of the tables."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+)(?:, or [^|]*)? \|", TEXT, re.M)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row) if _ALERT.match(name)}


def examples(kind: str) -> list[Any]:
    """The YAML that is shown for a kind."""
    section = TEXT.split(f"\n## {kind}\n", 1)[1].split("\n## ", 1)[0]
    blocks = [yaml.safe_load(block) for block in _BLOCK.findall(section)]
    return [block for block in blocks if isinstance(block, list)]


def test_every_field_is_described() -> None:
    """In its record, from which the document is made."""
    assert not list(undescribed())


def test_the_tables_are_those_of_the_records() -> None:
    """Names, defaults and meanings."""
    assert renewed(TEXT) == TEXT, "run: PYTHONPATH=plugins python -m tests.support.detector_fields"
    marks = re.findall(r"<!-- fields: (\w+) -->", TEXT)
    assert sorted(marks) == sorted([EVERY, *kinds()]), "each kind has its tables once"


def test_every_alert_is_told_and_every_told_alert_exists() -> None:
    """A rule can be written for what is known only."""
    known = set(emitted())
    assert len(known) > 30
    assert told() == known - {"DetectorFailing"}
    assert "`DetectorFailing`" in TEXT


@pytest.mark.parametrize("alertname", sorted(set(emitted())))
def test_every_alert_has_a_rule(alertname: str) -> None:
    """What our own detectors find is never left to the last resort."""
    labels = {"alertname": alertname, "service": "a", "dag_id": "a", "detector": "a", "filename": "a.py"}
    assert library().rules().classify(Signal("test", labels, "x", START)).rule != "default"


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_each_kind_has_an_example_that_is_accepted(kind: str) -> None:
    """As it would stand in the file."""
    shown = examples(kind)
    assert shown
    for sources in shown:
        content = DetectorsFile.model_validate({"version": 1, "sources": sources})
        assert {source.kind for source in content.sources} == {kind}


def test_every_block_of_yaml_is_an_example() -> None:
    """But for one that belongs to another program, and says so in its first line."""
    others = [block for block in _BLOCK.findall(TEXT) if block.startswith("# docker-compose.yml")]
    assert len(_BLOCK.findall(TEXT)) == len(others) + sum(len(examples(kind)) for kind in kinds())
    assert yaml.safe_load(others[0])["services"]["docker-socket-proxy"]["environment"]["POST"] == 0
