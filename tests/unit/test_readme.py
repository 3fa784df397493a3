"""The README says what is: every setting, every command."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from incident_response.__main__ import main
from incident_response.library.runbook_file import RunbookFile, runbook
from incident_response.settings import documentation

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


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


def test_every_command_of_ours_exists() -> None:
    """`python -m incident_response X` in the README is a command that answers to --help."""
    named = set(re.findall(r"python -m incident_response (\w+)", README))
    assert {"migrate", "doctor", "tick", "check", "report", "list"} <= named
    for command in named:
        with pytest.raises(SystemExit) as exit_:
            main([command, "--help"])
        assert exit_.value.code == 0


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
