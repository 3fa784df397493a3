"""Action: what a step of a runbook does — look, plan, act, check — as its callers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from .incidents import Incident
from .records import Sighting


class Kind(str, Enum):
    """What an action may do to the world."""

    LOOKS = "looks"  # reads; what it finds is evidence
    CHANGES = "changes"  # acts on what it has planned; a guard comes before it
    CHECKS = "checks"  # reads, and says whether the trouble is over


@dataclass(frozen=True)
class Scene:
    """What an action is given: the trouble, its own parameters, what earlier steps of this attempt found."""

    incident: Incident
    sightings: Sequence[Sighting]  # all signals of the incident, oldest first
    parameters: Any  # the action's own model (incident_response.parameters), validated
    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by step: `data` of its Finding
    done: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by effect key: `data` of its Done
    seconds: float = 60.0  # the call has to return within this time
    attempt: int = 1  # of the remediation
    started_at: datetime | None = None  # when the remediation began to act; None: before that


@dataclass(frozen=True)
class Exhibit:
    """A piece of evidence: a log tail, an inspect output, a snapshot. Redacted before it is kept."""

    name: str  # `lianel-energy-service.log`
    content: str
    media: str = "text/plain"


@dataclass(frozen=True)
class Finding:
    """What a look or a check found."""

    text: str  # one line for the timeline
    data: Mapping[str, Any] = field(default_factory=dict)  # small JSON, for later steps and for the page
    exhibits: tuple[Exhibit, ...] = ()
    causes: tuple[str, ...] = ()  # named, for `when` and `escalate_to`: `oom_killed`, `dependency_down`
    proven: bool | None = None  # of a check: True it is over, False it cannot be any more, None not yet


@dataclass(frozen=True)
class Planned:
    """One thing that will be done: a line of the list that a person approves."""

    target: str  # `container:keycloak`, `run:dag/run_id`, `backend:4711`: unique within the plan of a step
    text: str  # imperative, exact: `Restart the container keycloak`
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON: all that apply, happened and undo need
    parts: tuple[str, ...] = ()  # all that it touches, for people, where the text has no room for it
    asks: str = ""  # why a person has to approve it although the runbook acts by itself; empty: nobody has to


@dataclass(frozen=True)
class Done:
    """One thing that was done."""

    text: str  # one line for the timeline
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON, for later steps and for the page


class Looking(Protocol):
    """An action that reads. It raises SourceUnavailable, NotConfigured, AirflowUnavailable, AirflowRefused,
    BadInput.
    """

    def look(self, scene: Scene) -> Finding:
        """Look once. What is missing is said in the finding: only an absent system is an error."""


class Checking(Protocol):
    """An action that says whether the trouble is over. Asked again until it knows, or its time is over.

    It runs in the triggerer, too: in a thread, without any call of Airflow's SDK. Raises like Looking.
    """

    def look(self, scene: Scene) -> Finding:
        """Look once; `proven` says what it means."""


class Changing(Protocol):
    """An action that acts. Each thing it does has a key in the store that is written before it is tried."""

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """Exactly what would be done now; reads only. Empty: there is nothing to do.

        Raises Refused when it must not be done at all (not on the allow list, a superuser's session), and
        what Looking raises.
        """

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Do one thing of the plan. Harmless when it turns out to be done already.

        Raises Refused when it must not be done any more (the world has changed since the plan), and what
        Looking raises when it was certainly not done.
        """

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """After an interruption: was it done? None: nobody can tell, and a person has to look."""

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Put back what was before, as a `restore` step does; None when this cannot be undone.

        The state before is in `planned.data`: `done.data` is empty when a crash came between the effect and
        its record. May be called again after an interruption.
        """
