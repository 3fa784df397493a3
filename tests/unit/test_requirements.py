"""requirements.txt says what is: a line for each third-party package that the code imports, and no other."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.support import REPOSITORY

# Loaded by others on our behalf: zoneinfo's data, the driver of the store's URL, `@task` of Airflow's SDK.
BY_NAME = {"tzdata", "psycopg2-binary", "apache-airflow-providers-standard"}
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==\S+$", re.M)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(file: str) -> set[str]:
    lines = (REPOSITORY / file).read_text().splitlines()
    return {canonical(re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0]) for line in lines if line[:1].isalpha()}


def imported() -> Iterator[tuple[str, str]]:
    """(file, module) of every import, also of those inside functions; relative ones are ours."""
    for folder in ("plugins", "dags"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                yield from ((path.name, name) for name in names)


def needed() -> dict[str, str]:
    """Distribution → a file that imports it."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for file, module in imported():
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top.startswith("incident_response"):
            continue
        if top == "airflow":
            part = re.match(r"airflow\.providers\.(\w+)", module)
            name = f"apache-airflow-providers-{part.group(1)}" if part else "apache-airflow"
        else:
            name = owners[top][0]
        found[canonical(name)] = file
    return found


def test_what_is_imported_is_listed() -> None:
    """Also inside functions: what is imported late is missed late."""
    missing = {name: file for name, file in needed().items() if name not in listed("requirements.txt")}
    assert not missing, f"imported, but not in requirements.txt: {missing}"


def test_what_is_listed_is_imported() -> None:
    """A line that nobody needs any more is an update that breaks for nothing."""
    idle = listed("requirements.txt") - needed().keys() - BY_NAME
    assert not idle, f"in requirements.txt, but imported nowhere: {idle}"


@pytest.mark.parametrize("version", ["3.1.3", "3.3.2"])
def test_everything_listed_is_pinned(version: str) -> None:
    """Exactly, so that what was tested is what is installed."""
    pinned = {
        canonical(name) for name in _PIN.findall((REPOSITORY / f"constraints-{version}.txt").read_text())
    }
    assert listed("requirements.txt") | listed("requirements-dev.txt") <= pinned
