"""Library: the files of include/, read again when they change; a broken one hurts only itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_response.domain.automation import Limits
from incident_response.domain.classification import Rules
from incident_response.domain.errors import BadInput, PolicyError
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.exercises import is_exercise
from incident_response.domain.grouping import Grouping
from incident_response.domain.logs import logger
from incident_response.domain.runbooks import Phase, Runbook
from incident_response.domain.silences import MaintenanceWindow

from . import (
    automation_file,
    classification_file,
    escalation_file,
    maintenance_file,
    runbook_file,
    services_file,
)
from .promises import broken_promises
from .yaml_file import located, read

if TYPE_CHECKING:
    from incident_response.sources.base import Source

log = logger(__name__)

_ALONE = Grouping()


@dataclass(frozen=True)
class _Entry:
    """What a file last gave: its stamp, its last good value, and what is wrong with it now."""

    stamp: tuple[int, int]
    value: Any
    problem: PolicyError | None


def find_folder(setting: str, package: Path) -> Path:
    """include/: where the setting says, else beside the plugins folder, else inside it.

    Raises PolicyError.
    """
    plugins = package.parent
    places = [Path(setting)] if setting else [plugins.parent / "include", plugins / "include"]
    for place in places:
        if place.is_dir():
            return place
    raise PolicyError(
        f"the folder include/ was not found at {' or '.join(map(str, places))}; copy it there, "
        "or name its place in AIRFLOW__INCIDENT_RESPONSE__INCLUDE_FOLDER"
    )


class Library:
    """The files of one include/ folder. Thread-safe; a changed file is seen after `fresh_for` seconds."""

    def __init__(self, folder: Path, fresh_for: float = 0.0) -> None:
        """`fresh_for` 0 looks at the file at every question, which each signal would pay for."""
        self.folder = folder
        self._escalation = folder / "policy" / "escalation.yaml"
        self._classification = folder / "policy" / "classification.yaml"
        self._policies: dict[str, Path] = {}  # by name: a path takes longer to make than to look up
        self._fresh_for = fresh_for
        self._looked: dict[Path, float] = {}
        self._entries: dict[Path, _Entry] = {}
        self._lock = threading.Lock()

    def current(self) -> EscalationPolicy:
        """The escalation policy; while the file is broken the last good one.

        Raises PolicyError without any.
        """
        path = self._escalation
        entry = self._entry(path, lambda: escalation_file.policy(read(path, escalation_file.EscalationFile)))
        if entry.value is None:
            assert entry.problem is not None
            raise entry.problem
        return entry.value  # type: ignore[no-any-return]  # an entry holds what its reader made

    def parse(self, source: str) -> EscalationPolicy:
        """A policy from the text that was kept with an incident."""
        return escalation_file.parse(source)

    def rules(self) -> Rules:
        """The classification rules; while the file is broken the last good ones, else a sane minimum."""
        path = self._classification
        model = classification_file.ClassificationFile
        entry = self._entry(path, lambda: classification_file.rules(read(path, model)))
        return entry.value or classification_file.FALLBACK

    def grouping(self) -> Grouping:
        """What depends on what; while the file is broken or missing the last good one, else nothing."""
        return self._optional("services.yaml", services_file.ServicesFile, services_file.grouping) or _ALONE

    def windows(self) -> Sequence[MaintenanceWindow]:
        """The maintenance windows, likewise."""
        file = maintenance_file.MaintenanceFile
        return self._optional("maintenance.yaml", file, maintenance_file.windows) or ()

    def limits(self) -> Limits:
        """What bounds all runbooks together, likewise; without the file the defaults."""
        file = automation_file.AutomationFile
        return self._optional("automation.yaml", file, automation_file.limits) or Limits()

    def sources(self) -> Sequence[Source]:
        """The outside systems that are looked at, likewise."""
        # Loaded here: all kinds of sources take a tenth of a second, which a failing task does not have.
        from . import detectors_file

        file = detectors_file.DetectorsFile
        found = self._optional("detectors.yaml", file, lambda content: content.sources) or ()
        return tuple(source for source in found if source.enabled)

    def _optional(self, name: str, model: Any, make: Callable[[Any], Any]) -> Any:
        """The value of a policy file that an installation may do without, None when there is none."""
        path = self._policies.get(name) or self._policies.setdefault(name, self.folder / "policy" / name)
        if path not in self._entries and not path.exists():
            return None
        return self._entry(path, lambda: make(read(path, model))).value

    def runbooks(self) -> dict[str, Runbook]:
        """The valid runbooks by name. A broken one is absent, even if it was good before: it must not act."""
        found: dict[str, Runbook] = {}
        for path in self._runbook_files():
            entry = self._runbook(path)
            if entry.problem is None and not self._promises(path, entry.value):
                found[entry.value.name] = entry.value
        return found

    def runbook(self, name: str) -> Runbook | None:
        """A valid runbook by name, None when there is none. Reads its file only."""
        for path in self._runbook_files():
            if path.stem == name and (entry := self._runbook(path)).problem is None:
                return None if self._promises(path, entry.value) else entry.value
        return None

    def why_not(self, name: str) -> str:
        """What is wrong with the file of this runbook; empty when nothing is, or when there is no file."""
        for path in self._runbook_files():
            if path.stem != name:
                continue
            entry = self._runbook(path)
            for problem in [entry.problem] if entry.problem else self._promises(path, entry.value):
                return f"{path.name}:{problem.line}: {problem.field}: {problem.problem}"
        return ""

    def problems(self) -> list[PolicyError]:
        """Everything that is wrong with the files now, each with file, line, field and remedy."""
        promises = []
        for path in self._runbook_files():
            entry = self._runbook(path)
            promises += [] if entry.problem else self._promises(path, entry.value)
        self.rules()
        self.grouping()
        self.windows()
        self.limits()
        self.sources()
        with suppress(PolicyError):  # it is in the entries, too
            self.current()
        with self._lock:
            problems = [entry.problem for entry in self._entries.values() if entry.problem]
        return problems + promises + self._rule_problems()

    def _rule_problems(self) -> list[PolicyError]:
        """Rules that name a runbook that does not exist, or one for exercises where the trouble is real."""
        known = self.runbooks()
        services = self.folder / "policy" / "services.yaml"
        named = [
            *((self._classification, f"rules.{n}", r.name, r.runbook) for n, r in enumerate(self.rules())),
            *(
                (services, f"together.{n}", u.name, u.runbook)
                for n, u in enumerate(self.grouping().umbrellas)
            ),
        ]
        missing = [
            located(
                path,
                f"{place}.runbook",
                BadInput(
                    f"rule {name!r} names the runbook {runbook!r}, which is missing or broken; "
                    "its incidents go to people at once"
                ),
            )
            for path, place, name, runbook in named
            if runbook and runbook not in known
        ]
        practising = {name for name, book in known.items() if book.practises}
        real = [
            located(
                self._classification,
                f"rules.{n}.runbook",
                BadInput(
                    f"rule {r.name!r} names the runbook {r.runbook!r}, which is for exercises only; "
                    "its incidents go to people at once"
                ),
            )
            for n, r in enumerate(self.rules())
            if r.runbook in practising and not is_exercise(r.service)
        ]
        return [*missing, *real]

    def _promises(self, path: Path, runbook: Runbook) -> list[PolicyError]:
        """What it promises and the pipelines of services.yaml cannot do: then it must not act."""
        places = {
            step.name: f"{phase.value}.{number}"
            for phase in Phase
            for number, step in enumerate(runbook.of(phase))
        }
        return [
            located(path, f"{places[step.name]}.with", BadInput(why))
            for step, why in broken_promises(runbook, self.grouping().services)
        ]

    def _runbook_files(self) -> list[Path]:
        folder = self.folder / "runbooks"
        files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]) if folder.is_dir() else []
        with self._lock:
            for gone in [p for p in self._entries if p.parent == folder and p not in files]:
                del self._entries[gone]
        return files

    def _runbook(self, path: Path) -> _Entry:
        def load() -> Runbook:
            content = read(path, runbook_file.RunbookFile)
            if content.name != path.stem:
                raise PolicyError(
                    f"is {content.name!r}, the file is {path.name}; give both the same name",
                    file=str(path),
                    line=1,
                    field="name",
                )
            return runbook_file.runbook(content)

        return self._entry(path, load)

    def _entry(self, path: Path, load: Callable[[], Any]) -> _Entry:
        before, now = self._entries.get(path), time.monotonic()
        if before is not None and now - self._looked[path] < self._fresh_for:
            return before
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            stamp = (0, -1)
        with self._lock:
            self._looked[path] = now
            before = self._entries.get(path)
            if before is not None and before.stamp == stamp:
                return before
            try:
                entry = _Entry(stamp, load(), None)
            except PolicyError as problem:
                log.error("%s", problem)
                entry = _Entry(stamp, before.value if before else None, problem)
            self._entries[path] = entry
            return entry
