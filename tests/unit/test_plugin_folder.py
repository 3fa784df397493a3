"""Airflow runs every file under plugins/ that is not hidden, as a module named by its stem: hide ours."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
_PLACES = ("airflow._shared.module_loading.file_discovery", "airflow.utils.file")  # 3.3, 3.1


def finder() -> Callable[[Path, str, str], Iterator[str]]:
    """Airflow's own search for plugin files, wherever this version keeps it."""
    for place in _PLACES:
        try:
            return importlib.import_module(place).find_path_from_directory
        except (ImportError, AttributeError):
            continue
    raise AssertionError(f"Airflow's find_path_from_directory is in none of {_PLACES}")


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_airflow_finds_the_plugin_and_nothing_of_the_package(syntax: str) -> None:
    """One file, in both syntaxes that Airflow can be set to."""
    found = {Path(path) for path in finder()(PLUGINS, ".airflowignore", syntax)}
    python = {path.relative_to(PLUGINS).as_posix() for path in found if path.suffix == ".py"}
    assert python == {"incident_response_plugin.py"}


def test_no_file_is_named_like_the_standard_library() -> None:
    """Were it ever run under its bare stem, it would replace `signal` or `calendar` for the whole process."""
    names = {path.stem for path in PLUGINS.rglob("*.py")} - {"__init__", "__main__"}
    assert not names & sys.stdlib_module_names
