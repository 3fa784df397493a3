"""Families: things named `family.name`; the module of a family is loaded when one of its things is asked for.

A task of a runbook needs one or two families, and starts the sooner for every module that it does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import TypeVar

Kind = TypeVar("Kind")

NAMES = ("airflow", "check", "data", "docker", "postgres")


class Families(Mapping[str, Kind]):
    """Everything by its name. Going through all of them loads all modules, `<package>.<family>_steps`."""

    def __init__(self, package: str, members: Callable[[ModuleType], Mapping[str, Kind]]) -> None:
        """`members`: what a module holds, by name."""
        self._package, self._members = package, members
        self._loaded: dict[str, Mapping[str, Kind]] = {}

    def __getitem__(self, name: str) -> Kind:
        return self._family(name.partition(".")[0])[name]

    def __iter__(self) -> Iterator[str]:
        for family in NAMES:
            yield from self._family(family)

    def __len__(self) -> int:
        return sum(len(self._family(family)) for family in NAMES)

    def _family(self, family: str) -> Mapping[str, Kind]:
        if family not in NAMES:
            raise KeyError(family)
        if family not in self._loaded:
            self._loaded[family] = self._members(import_module(f"{self._package}.{family}_steps"))
        return self._loaded[family]
