"""The README says what is: every setting, every command, every link; the pages of docs/ likewise."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from incident_response import bootstrap
from incident_response.cli.program import parser
from incident_response.library.runbook_file import RunbookFile, runbook
from incident_response.settings import documentation
from tests.unit.cli.conftest import Fire, Run, fire, include, known, run, services

__all__ = ["fire", "include", "known", "run", "services"]  # fixtures

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md"))]


def test_every_setting_is_listed_as_it_is() -> None:
    """The table has a row for each option, with its default and its explanation."""
    table = README.split("<!-- settings", 1)[1].split("<!-- /settings -->", 1)[0]
    for option, default, explanation in documentation():
        row = (
            f"| `{option}` | `{default}` | {explanation} |"
            if default
            else f"| `{option}` | | {explanation} |"
        )
        assert row in table, f"the README lacks or misstates {option}; its row should be\n{row}"
    assert table.count("\n| `") == len(documentation()), "the README lists a setting that does not exist"


def commands(text: str) -> list[list[str]]:
    """The arguments of each `python -m incident_response …`, in a line of its own or in a sentence."""
    lines = re.findall(r"^ {4,}.*?python -m incident_response (.+)$", text, flags=re.MULTILINE)
    inline = re.findall(r"`python -m incident_response ([^`…]+)`", text)
    return [shlex.split(line, comments=True) for line in lines + inline]


ALL_COMMANDS = [(page.name, arguments) for page in PAGES for arguments in commands(page.read_text())]


@pytest.mark.parametrize(("page", "arguments"), ALL_COMMANDS, ids=lambda value: " ".join(value)[:60])
def test_every_command_that_is_shown_is_understood(page: str, arguments: list[str]) -> None:
    """With all its arguments."""
    assert callable(parser().parse_args(arguments).run)


def test_every_command_there_is_is_shown() -> None:
    """In the README; what belongs to a group at least on one of the pages."""
    groups = {command for _, (command, *_) in ALL_COMMANDS}
    assert groups == set(_names(parser()))
    named = {command for command, *_ in commands(README)}
    assert groups == named, "the README lacks them"
    for group in ("silence", "integrations"):
        inner = _names(_subparsers(parser())[group])
        assert {a[1] for _, a in ALL_COMMANDS if a[0] == group} == set(inner)


# What needs an Airflow or does not end by itself, and the test that runs it.
ELSEWHERE = {
    "migrate": "tests/integration/test_command_line.py",
    "doctor": "tests/integration/test_command_line.py",
    "tick": "tests/integration/test_command_line.py",
}


def test_every_command_of_the_readme_works(services: bootstrap.Services, run: Run, fire: Fire) -> None:
    """In the order in which they are shown, on an empty store with six incidents."""
    for container in "abcdef":
        fire("ContainerDown", container=container)
    ran = 0
    for arguments in commands(README):
        if arguments[0] in ELSEWHERE:
            assert f'"{arguments[0]}"' in (ROOT / ELSEWHERE[arguments[0]]).read_text()
            continue
        code, out, err = run(*arguments)
        alone = arguments == ["check", "--live"]  # without any connection: what always looks, fails
        assert (code, "Traceback" in out + err) == (int(alone), False), (arguments, out, err)
        assert out
        ran += 1
    assert ran >= 10


def _subparsers(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next(action.choices for action in of._actions if isinstance(action, argparse._SubParsersAction))


def _names(of: argparse.ArgumentParser) -> list[str]:
    return list(_subparsers(of))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading in it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name} links to {link}"


def test_every_make_target_exists() -> None:
    """`make X` in the README is a target that make can plan."""
    targets = set(re.findall(r"make (demo|test|check|bench|lint)\b", README))
    assert {"demo", "test", "check", "bench"} <= targets
    for target in targets:
        plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert plan.returncode == 0, plan.stderr


def test_the_runbook_in_the_readme_is_valid() -> None:
    """What a newcomer copies works."""
    text = README.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert runbook(RunbookFile.model_validate(yaml.safe_load(text))).name == "gentle-recovery"


def test_the_imports_in_the_readme_work() -> None:
    """Every `from incident_response… import …` line can be executed."""
    lines = re.findall(r"^ +(from incident_response\S* import .+)$", README, flags=re.MULTILINE)
    assert len(lines) >= 2
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT / "plugins", check=True)
