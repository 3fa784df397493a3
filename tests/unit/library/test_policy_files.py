"""services.yaml, maintenance.yaml, detectors.yaml: a mistake is named where it is, and harms nothing."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_response.domain.errors import PolicyError
from incident_response.domain.services import Container
from incident_response.library.detectors_file import DetectorsFile
from incident_response.library.folder import Library
from incident_response.library.maintenance_file import MaintenanceFile
from incident_response.library.services_file import ServicesFile
from incident_response.library.yaml_file import Model, read
from tests.support.shipped import INCLUDE

SERVICES = """\
version: 1
wait: 30 s
services:
  - name: db
    aliases: [postgres]
  - name: api
    depends_on: [db]
    container:
      name: the-api
      automation: true
      start_grace: 2 min
      precheck: [nginx, -t]
      memory_ceiling: 2 GB
together:
  - name: many
    scenario: dag_failure
    services: 3
    within: 15 min
    severity: P2
    title: "{count} fail"
"""
MAINTENANCE = """\
version: 1
windows:
  - title: upgrade
    match:
      service: db
    cron: 0 2 * * 0
    length: 1 h
    zone: Europe/Stockholm
"""
DETECTORS = """\
version: 1
sources:
  - name: one
    kind: prometheus
  - name: two
    kind: http_health
    interval: 30 s
    targets:
      - service: api
        url: http://api:3000/health
      - service: web
        expect_status: [200, 204]
        url: http://web/
  - name: three
    kind: docker
    restarts:
      count: 3
      within: 10 min
"""
FILES: dict[str, tuple[str, type[Model]]] = {
    "services": (SERVICES, ServicesFile),
    "maintenance": (MAINTENANCE, MaintenanceFile),
    "detectors": (DETECTORS, DetectorsFile),
}

CONTAINERS = (
    "nginx-proxy", "keycloak", "lianel-profile-service", "lianel-comp-ai-service",
    "lianel-stock-service", "lianel-frontend", "dc-redis-1", "dc-airflow-apiserver-1",
    "dc-airflow-scheduler-1", "dc-airflow-dag-processor-1", "dc-airflow-worker-1", "dc-airflow-triggerer-1",
)  # fmt: skip
BROKEN = [
    # file, what stands there, what somebody writes, line, field, what the message says
    ("services", "name: api", "name: db", 6, "services.1.name", "rename or remove"),
    ("services", "[postgres]", "[api]", 6, "services.1.name", "one service"),
    ("services", "depends_on: [db]", "aliases: [db]", 7, "services.1.aliases", "'db' names db already"),
    ("services", "[db]", "[database]", 7, "services.1.depends_on", "not in the list; add it"),
    ("services", "depends_on: [db]", "depend_on: [db]", 7, "services.1.depend_on", "correct its name"),
    ("services", "- name: db", "- nam: db", 4, "services.0.name", "is missing; add it"),
    ("services", "services: 3", "services: 1", 17, "together.0.services", "greater than or equal to 2"),
    ("services", "15 min", "soon", 18, "together.0.within", "write for example"),
    ("services", "15 min", "1 business day", 18, "together.0.within", "must be elapsed time"),
    ("services", "15 min", "99999999999999 h", 18, "together.0.within", "longer than a century"),
    ("services", "P2", "P5", 19, "together.0.severity", "'P1', 'P2', 'P3' or 'P4'"),
    ("services", "dag_failure", "luck", 16, "together.0.scenario", "'dag_failure'"),
    ("services", "name: the-api", "name: the/api", 9, "services.1.container.name", "pattern"),
    ("services", "automation: true", "automation: perhaps", 10, "services.1.container.automation", "boolean"),
    ("services", "automation: true", "automaton: true", 10, "services.1.container.automaton", "correct its"),
    ("services", "2 min", "2 days", 11, "services.1.container.start_grace", "less than or equal to"),
    ("services", "[nginx, -t]", "nginx -t", 12, "services.1.container.precheck", "a list of words"),
    ("services", "2 GB", "plenty", 13, "services.1.container.memory_ceiling", "write for example 200 GB"),
    ("services", "[postgres]", "[postgres]\n    container: {name: the-api}", 9, "services.1.container",
     "is that of db already"),
    ("services", "wait: 30 s", "wait: []", 2, "wait", "write for example"),
    ("services", "version: 1", "version: 2", 1, "version", "1"),
    ("services", "[postgres]", "[postgres", 6, "", "no valid YAML"),
    ("services", SERVICES, "", 1, "", "must be a mapping"),
    ("services", SERVICES, "- 1", 1, "", "must be a mapping"),
    ("maintenance", "title: upgrade", "titel: upgrade", 3, "windows.0.title", "is missing"),
    ("maintenance", "0 2 * * 0", "0 2 * *", 6, "windows.0.cron", "write for example 0 2 * * 0"),
    ("maintenance", "0 2 * * 0", "0 25 * * 0", 6, "windows.0.cron", "no cron expression"),
    ("maintenance", "0 2 * * 0", "0 2 31 2 *", 6, "windows.0.cron", "never comes"),
    ("maintenance", "0 2 * * 0", "R 2 * * 0", 6, "windows.0.cron", "no cron expression"),
    ("maintenance", "0 2 * * 0", "\"@daily\"", 6, "windows.0.cron", "no cron expression"),
    ("maintenance", "length: 1 h", "length: 1 hr", 7, "windows.0.length", "write for example"),
    ("maintenance", "length: 1 h", "length: 999999999 weeks", 7, "windows.0.length", "longer than a century"),
    ("maintenance", "Europe/Stockholm", "Europe", 8, "windows.0.zone", "no IANA zone"),
    ("maintenance", "Europe/Stockholm", "../Stockholm", 8, "windows.0.zone", "no IANA zone"),
    ("maintenance", "service: db", "service: (", 4, "windows.0.match", "no regular expression"),
    ("maintenance", "service: db", "service: a{9999999999999}", 4, "windows.0.match", "no regular"),
    ("maintenance", "match:\n      service: db", "match: {}", 4, "windows.0.match", "at least one matcher"),
    ("detectors", "kind: docker", "kind: dockre", 14, "sources.2", "'docker'"),
    ("detectors", "    kind: docker\n", "", 14, "sources.2", "kind"),
    ("detectors", "interval: 30 s", "interval: 1 s", 7, "sources.1.interval", "greater than or equal to"),
    ("detectors", "interval: 30 s", "intervall: 30 s", 7, "sources.1.intervall", "correct its name"),
    ("detectors", "http://api:3000/health", "ftp://api", 10, "sources.1.targets.0.url", "write http://"),
    ("detectors", "http://api:3000/health", "http://a:b@api", 10, "sources.1.targets.0.url", "conn_id"),
    ("detectors", "        url: http://web/\n", "", 11, "sources.1.targets.1.url", "is missing; add it"),
    ("detectors", "[200, 204]", "[200, 999]", 12, "sources.1.targets.1.expect_status", ""),
    ("detectors", "service: web", "service: \"\"", 11, "sources.1.targets.1.service", "at least 1 character"),
    ("detectors", "count: 3", "count: many", 17, "sources.2.restarts.count", "integer"),
    ("detectors", "name: two", "name: one", 5, "sources.1.name", "two sources are named 'one'"),
    ("detectors", "name: three", "name: airflow_runs", 14, "sources.2.name", "always there; write another"),
    ("detectors", "name: three", "name: \"3\"", 14, "sources.2.name", "pattern"),
    ("detectors", "sources:", "source:", 2, "source", "correct its name"),
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_examples_are_valid(name: str, tmp_path: Path) -> None:
    """What the other tests break is sound."""
    path = tmp_path / f"{name}.yaml"
    path.write_text(FILES[name][0])
    assert read(path, FILES[name][1])


@pytest.mark.parametrize(("name", "before", "after", "line", "field", "words"), BROKEN)
def test_a_mistake_is_named_with_file_line_field_and_remedy(
    name: str, before: str, after: str, line: int, field: str, words: str, tmp_path: Path
) -> None:
    """To the line, however deep, and whichever kind of source it is in."""
    content, model = FILES[name]
    assert content.count(before) >= 1
    path = tmp_path / f"{name}.yaml"
    path.write_text(content.replace(before, after, 1))
    with pytest.raises(PolicyError) as caught:
        read(path, model)
    problem = caught.value
    assert (problem.file, problem.line, problem.field) == (str(path), line, field), str(problem)
    assert words in str(problem)


@pytest.mark.parametrize("name", FILES)
@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_file_the_answer_is_a_policy_error(name: str, tmp_path: Path, data) -> None:
    """Lines lost, doubled, cut off: it is valid still, or it is named."""
    content, model = FILES[name]
    lines = content.splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    worse = ["", f"{line}\n{line}", line[: len(line) // 2], line.strip(), f"{line}: x", f"  {line}"]
    lines[place] = data.draw(st.sampled_from(worse) | st.text(max_size=20))
    path = tmp_path / f"{name}.yaml"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    with suppress(PolicyError):
        read(path, model)


# ------------------------------------------------------------------------------------------ in a library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A copy of the shipped files that a test may break."""
    shutil.copytree(INCLUDE, tmp_path / "include")
    return Library(tmp_path / "include")


def write(library: Library, name: str, text: str) -> Path:
    """Another content; its time moves on even on a coarse clock."""
    path = library.folder / "policy" / f"{name}.yaml"
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000_000, before + 1_000_000_000))
    return path


def in_force(library: Library) -> dict[str, object]:
    return {
        "services": library.grouping(),
        "maintenance": library.windows(),
        "detectors": library.sources(),
    }


@pytest.mark.parametrize("name", FILES)
def test_the_last_good_one_stays_in_force(library: Library, name: str) -> None:
    """While the file is broken; a corrected one is taken in without a restart."""
    write(library, name, FILES[name][0])
    before = in_force(library)
    assert library.problems() == []
    path = write(library, name, FILES[name][0].replace("version: 1", "version: none"))
    assert in_force(library)[name] == before[name]
    (problem,) = library.problems()
    assert (problem.file, problem.line, problem.field) == (str(path), 1, "version")
    write(library, name, FILES[name][0].replace("version: 1", "version:  1"))
    assert library.problems() == []


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_there_is_fine(library: Library, name: str) -> None:
    """Nothing depends on anything, nothing is planned, nothing more is looked at."""
    (library.folder / "policy" / f"{name}.yaml").unlink()
    found = in_force(library)[name]
    assert found == () if name != "services" else not found.umbrellas
    assert library.problems() == []
    write(library, name, FILES[name][0])
    assert in_force(library)[name] != found


@pytest.mark.parametrize("name", FILES)
def test_a_file_broken_from_the_start_is_as_if_it_were_not_there(library: Library, name: str) -> None:
    """And named."""
    path = write(library, name, "version: [")
    found = in_force(library)[name]
    assert found == () if name != "services" else not found.umbrellas
    assert [problem.file for problem in library.problems()] == [str(path)]


def test_one_broken_file_harms_no_other(library: Library) -> None:
    """Each is on its own."""
    write(library, "services", "version: 7")
    assert library.sources()
    assert library.rules()
    assert library.current()


def test_what_is_written_is_what_is_in_force(library: Library) -> None:
    """Every field arrives where it is used."""
    for name, (content, _) in FILES.items():
        write(library, name, content)
    grouping = library.grouping()
    assert grouping.wait == timedelta(seconds=30)
    assert grouping.services.name({"service": "postgres"}) == "db"
    assert grouping.services.upstreams("api") == {"db"}
    container = Container("the-api", True, timedelta(minutes=2), ("nginx", "-t"), 2 * 2**30)
    assert grouping.services.container("the-api") == container
    assert grouping.services.container("db") is None
    (umbrella,) = grouping.umbrellas
    assert (umbrella.services, umbrella.within, umbrella.severity.value) == (3, timedelta(minutes=15), "P2")
    (window,) = library.windows()
    assert (window.title, window.cron, window.length, window.zone) == (
        "upgrade",
        "0 2 * * 0",
        timedelta(hours=1),
        "Europe/Stockholm",
    )
    assert [source.name for source in library.sources()] == ["one", "two", "three"]


def test_a_source_that_is_switched_off_is_not_looked_at(library: Library) -> None:
    """It stays in the file, and is checked."""
    write(library, "detectors", DETECTORS.replace("kind: docker", "kind: docker\n    enabled: false"))
    assert [source.name for source in library.sources()] == ["one", "two"]
    write(library, "detectors", DETECTORS.replace("kind: docker", "kind: docker\n    enabled: perhaps"))
    assert [problem.field for problem in library.problems()] == ["sources.2.enabled"]


def test_rules_that_name_a_missing_runbook_are_named_with_their_line(library: Library) -> None:
    """Those of classification.yaml, and those of `together`."""
    write(library, "services", SERVICES.replace("services: 3", "services: 3\n    runbook: gone"))
    rules = "version: 1\nrules:\n  - name: one\n  - name: two\n    runbook: lost\n"
    write(library, "classification", rules)
    found = [(Path(p.file).stem, p.line, p.field) for p in library.problems()]
    assert found == [("classification", 5, "rules.1.runbook"), ("services", 18, "together.0.runbook")]


def test_the_shipped_containers_that_runbooks_may_change() -> None:
    """None of those that a runbook runs in or by, nor the broker with its queues."""
    services = Library(INCLUDE).grouping().services
    container = {name: services.container(name) for name in CONTAINERS}
    changed = {name for name, terms in container.items() if terms is not None and terms.automation}
    assert changed == {name for name in CONTAINERS if not name.startswith("dc-")} | {
        "dc-airflow-dag-processor-1"
    }
    proxy, identity = container["nginx-proxy"], container["keycloak"]
    assert proxy is not None
    assert proxy.precheck == ("nginx", "-t")
    assert identity is not None
    assert identity.start_grace == timedelta(seconds=120)
