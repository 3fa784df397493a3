"""Files of include/: what is shipped is valid; what is broken is named with file, line, field and remedy."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from incident_response.domain.errors import PolicyError
from incident_response.library.classification_file import FALLBACK
from incident_response.library.folder import Library, find_folder
from incident_response.library.runbook_schema import schema
from tests.support import REPOSITORY
from tests.support.shipped import INCLUDE


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A copy of the shipped files that a test may break."""
    shutil.copytree(INCLUDE, tmp_path / "include")
    return Library(tmp_path / "include")


def edit(library: Library, name: str, before: str, after: str) -> None:
    """Change a file; its time moves on even on a coarse clock."""
    path = library.folder / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def test_the_shipped_files_are_valid(library: Library) -> None:
    """Nothing to mend in a fresh installation."""
    assert library.problems() == []
    assert "dag-failure-recovery" in library.runbooks()


def test_a_policy_reads_back_from_what_is_kept_with_an_incident(library: Library) -> None:
    """The copy is the policy, also for an incident that opened under an older file."""
    policy = library.current()
    assert library.parse(policy.source) == policy


BROKEN = [
    (
        "policy/escalation.yaml",
        "acknowledge: 15 min ",
        "acknowledge: soon ",
        "severities.P1.acknowledge",
        "write",
    ),
    ("policy/escalation.yaml", "zone: Europe/Stockholm", "zone: Europe/Atlantis", "zone", "IANA"),
    (
        "policy/escalation.yaml",
        "page_after: 0 s",
        "page_aftr: 0 s",
        "severities.P1.page_aftr",
        "correct its name",
    ),
    ("policy/escalation.yaml", "levels:\n  1: {", "levels:\n  5: {", "levels", "exactly 1, 2, 3 and 4"),
    ("policy/escalation.yaml", "  - easter-2 ", "  - someday ", "holidays", "easter+39"),
    ("policy/escalation.yaml", "  P2:\n", "  P5:\n", "severities.P5", "'P1', 'P2', 'P3' or 'P4'"),
    (
        "policy/classification.yaml",
        "scenario: dag_failure",
        "scenario: luck",
        "rules.1.scenario",
        "dag_failure",
    ),
    ("policy/classification.yaml", "dag_id: .+", "dag_id: '*'", "rules.2.match", "no regular expression"),
    (
        "runbooks/dag-failure-recovery.yaml",
        "action: airflow.clear_failed",
        "action: rm",
        "repair.0.action",
        "there are",
    ),
    ("runbooks/dag-failure-recovery.yaml", "mode: auto", "mode: [auto", "", "no valid YAML"),
    (
        "runbooks/dag-failure-recovery.yaml",
        "name: dag-failure",
        "name: other-failure",
        "name",
        "the same name",
    ),
    (
        "runbooks/dag-failure-recovery.yaml",
        "diagnose:\n",
        "diagnose:\n  - {name: x, action: airflow.clear_failed}\n",
        "diagnose.0.action",
        "airflow.clear_failed changes; a step of `diagnose` looks or checks",
    ),
    (
        "runbooks/dag-failure-recovery.yaml",
        "log_lines: $log_lines",
        "log_lines: $lines",
        "diagnose.1.with",
        "$lines is no parameter of this runbook",
    ),
    (
        "runbooks/dag-failure-recovery.yaml",
        "log_lines: $log_lines",
        "lines: 5",
        "diagnose.1.with.lines",
        "is no parameter of this action; airflow.look_at_runs takes",
    ),
    (
        "runbooks/dag-failure-recovery.yaml",
        "verify:\n  - {name: green, action: airflow.runs_green, within: 2 h}",
        "verify: []",
        "repair",
        "nothing proves that it works",
    ),
    (
        "runbooks/dag-failure-recovery.yaml",
        "action: airflow.runs_green, within: 2 h}",
        "action: check.wait, within: 2 h}",
        "verify",
        "check.wait looks at nothing",
    ),
    (
        "runbooks/dag-failure-recovery.yaml",
        "name: ended",
        "name: guard",
        "diagnose.0.name",
        "is the name of a task of every runbook",
    ),
]


@pytest.mark.parametrize(("name", "before", "after", "field", "remedy"), BROKEN)
def test_a_broken_file_is_named_with_line_field_and_remedy(
    library: Library, name: str, before: str, after: str, field: str, remedy: str
) -> None:
    """One glance tells where to look and what to write."""
    edit(library, name, before, after)
    problem = library.problems()[0]
    text = (library.folder / name).read_text()
    line = text[: text.index(after)].count("\n") + 1
    assert problem.file.endswith(name)
    assert field == problem.field
    assert remedy in str(problem)
    assert line - 7 <= problem.line <= line + 1, problem


def test_a_broken_runbook_is_disabled_and_hurts_nothing_else(library: Library) -> None:
    """It is absent even though it was good a moment ago; policy and the other runbook stay."""
    good = library.folder / "runbooks" / "dag-failure-recovery.yaml"
    other = library.folder / "runbooks" / "second.yaml"
    other.write_text(good.read_text().replace("name: dag-failure-recovery", "name: second"))
    assert {"dag-failure-recovery", "second"} <= set(library.runbooks())
    edit(library, "runbooks/second.yaml", "version: 3", "version: none")
    assert "second" not in library.runbooks()
    assert "dag-failure-recovery" in library.runbooks()
    assert library.current().level(1).name == "Operations"


def test_a_rule_that_names_a_missing_runbook_is_a_problem(library: Library) -> None:
    """The incident would go to people at once; the page says why."""
    (library.folder / "runbooks" / "dag-failure-recovery.yaml").unlink()
    assert "missing or broken" in str(library.problems()[0])


def test_a_rule_that_names_a_runbook_for_exercises_is_a_problem(library: Library) -> None:
    """Its pause would be called a repair of real trouble."""
    drill = (library.folder / "runbooks" / "drill.yaml").read_text()
    (library.folder / "runbooks" / "nap.yaml").write_text(drill.replace("name: drill", "name: nap"))
    file = "policy/classification.yaml"
    edit(library, file, "runbook: database-maintenance", "runbook: nap")
    assert "'nap', which is for exercises only" in str(library.problems()[0])


def test_a_policy_broken_while_running_leaves_the_last_good_one(library: Library) -> None:
    """Nobody is paged late because somebody saves half a file."""
    before = library.current()
    edit(library, "policy/escalation.yaml", "version: 1", "version: 2")
    assert library.current() == before
    assert library.problems()


def test_rules_broken_from_the_start_still_group_pipelines(library: Library) -> None:
    """A sane minimum takes their place."""
    edit(library, "policy/classification.yaml", "version: 1", "version: 2")
    assert library.rules() == FALLBACK


def test_a_corrected_file_is_taken_in_without_a_restart(library: Library) -> None:
    """Mend the file, and the problem is gone."""
    edit(library, "policy/escalation.yaml", "name: Operations", "nam: Operations")
    assert library.problems()
    edit(library, "policy/escalation.yaml", "nam: Operations", "name: Night watch")
    assert library.problems() == []
    assert library.current().level(1).name == "Night watch"


def test_include_is_found_or_its_absence_explained(tmp_path: Path) -> None:
    """Beside plugins/, inside it, where the setting says — or an error that names the setting."""
    package = tmp_path / "plugins" / "incident_response"
    package.mkdir(parents=True)
    with pytest.raises(PolicyError, match="AIRFLOW__INCIDENT_RESPONSE__INCLUDE_FOLDER"):
        find_folder("", package)
    (tmp_path / "plugins" / "include").mkdir()
    assert find_folder("", package) == tmp_path / "plugins" / "include"
    (tmp_path / "include").mkdir()
    assert find_folder("", package) == tmp_path / "include"
    assert find_folder(str(tmp_path), package) == tmp_path


def test_two_steps_of_one_name_are_told_where_the_second_stands(library: Library) -> None:
    """They would be one task."""
    edit(library, "runbooks/dag-failure-recovery.yaml", "name: resources", "name: diagnose")
    problem = next(p for p in library.problems() if "dag-failure-recovery.yaml" in p.file)
    assert (problem.field, problem.problem) == ("diagnose.2.name", "two steps are named 'diagnose'")


def test_the_schema_in_the_docs_is_that_of_this_version() -> None:
    """An editor that uses it completes what this version accepts: `python -m incident_response schema`."""
    text = (REPOSITORY / "docs" / "runbook.schema.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(schema()))


@pytest.mark.parametrize("path", sorted((INCLUDE / "runbooks").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_runbooks_fit_the_schema(path: Path) -> None:
    """With the validator that editors use."""
    Draft202012Validator(schema()).validate(yaml.safe_load(path.read_text()))


def test_a_runbook_that_tells_a_date_to_a_pipeline_that_reads_none_is_refused(library: Library) -> None:
    """It would promise what the pipeline cannot do: named with file, line, field and remedy, and absent."""
    before = "dags: [entsoe_ingestion], f"
    edit(library, "runbooks/data-quality-issues.yaml", "action: data.run", "action: data.ingest")
    edit(library, "runbooks/data-quality-issues.yaml", before, "dag_id: entsoe_ingestion, f")
    assert "data-quality-issues" not in library.runbooks()
    assert library.runbook("data-quality-issues") is None
    problem = next(one for one in library.problems() if one.file.endswith("data-quality-issues.yaml"))
    assert problem.field == "repair.0.with"
    text = (library.folder / "runbooks" / "data-quality-issues.yaml").read_text()
    assert "entsoe_ingestion" in text.splitlines()[problem.line - 1]
    assert "cannot be told a date" in problem.problem
    assert "use data.run" in library.why_not("data-quality-issues")

    before = "name: entsoe_ingestion, depends_on: [lianel_energy], reads_conf: false"
    edit(library, "policy/services.yaml", before, "name: entsoe_ingestion")
    assert library.runbook("data-quality-issues") is not None
    assert library.problems() == []
