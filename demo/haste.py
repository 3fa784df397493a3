"""The include/ folder of the demo: the shipped one, with seconds where it says hours."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from . import HERE, REPOSITORY


def include_in(folder: Path) -> Path:
    """Copy include/ below `folder` and change the values that `seconds.yaml` names.

    Raises KeyError for a value that the shipped file does not have: the demo would then show something else.
    """
    target = folder / "include"
    shutil.copytree(REPOSITORY / "include", target)
    for name, changes in yaml.safe_load((HERE / "seconds.yaml").read_text()).items():
        path = target / name
        content = yaml.safe_load(path.read_text())
        _change(content, changes, name)
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return target


def _change(content: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    for key, value in changes.items():
        if key not in content:
            raise KeyError(f"demo/seconds.yaml changes {where}: {key}, which include/ does not have")
        if isinstance(value, Mapping) and key != "ladder":
            _change(content[key], value, f"{where}: {key}")
        else:
            content[key] = dict(value) if isinstance(value, Mapping) else value
