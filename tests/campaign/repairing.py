"""Our own actions on one run, in the order in which the runbook `dag-failure-recovery` takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from incident_response.domain.actions import Planned
from incident_response.domain.errors import Refused
from incident_response.domain.ports import AirflowRest
from tests.support import acting, scenes
from tests.support.acting import Step

ATTEMPTS = 2  # the runbook's own number
Place = tuple[str, int]


@dataclass(frozen=True)
class Attempt:
    """What one attempt at a repair planned, did and said."""

    planned: frozenset[Place] = frozenset()  # what a person would be shown
    text: str = ""  # of the proof
    proven: bool | None = None  # None: nothing was changed, because it must not be
    refused: str = ""
    asks: str = ""  # why a person has to approve


@dataclass
class Story:
    """All attempts at one run."""

    attempts: list[Attempt] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].proven is True

    @property
    def asked(self) -> str:
        """Why a person had to approve; "" when nobody had to."""
        return next((one.asks for one in self.attempts if one.asks), "")

    @property
    def refused(self) -> str:
        """Why nothing was done; "" when something was."""
        return next((one.refused for one in self.attempts if one.refused), "")


def repair(
    api: AirflowRest,
    dag_id: str,
    run_id: str,
    execute: Callable[[], None],
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> Story:
    """Look, plan, clear, let it run, prove: until it is proven or the attempts are used up.

    `execute` returns when the run has ended again. What asks for approval is approved.
    """
    story, started_at = Story(), now()
    signal = scenes.sighting("airflow_runs", alertname="AirflowDAGRunFailed", dag_id=dag_id, run_id=run_id)
    for number in range(1, ATTEMPTS + 1):
        about = {"attempt": number, "started_at": started_at}
        kit = acting.kit(api, now=now())
        found: Mapping[str, Any] = Step(kit, "airflow.look_at_runs", [signal]).look(**about).data
        clear = Step(kit, "airflow.clear_failed", [signal], stuck=True).after(diagnose=found)
        try:
            planned = clear.plan()
            done = {one.target: {"text": clear.apply(one).text} for one in planned}
        except Refused as refused:
            story.attempts.append(Attempt(refused=str(refused)))
            return story
        if planned:
            execute()
        plan = [{"target": one.target, "text": one.text, "data": one.data} for one in planned]
        proof = Step(acting.kit(api, now=now()), "airflow.runs_green", [signal])
        shown = proof.after(diagnose=found, clear={"plan": plan, "done": done}).look(**about)
        story.attempts.append(Attempt(places(planned), shown.text, shown.proven, asks=asking(planned)))
        if shown.proven:
            break
    return story


def places(planned: Sequence[Planned]) -> frozenset[Place]:
    """The task instances of a plan."""
    return frozenset(
        (row["task_id"], row["map_index"]) for one in planned for row in one.data.get("instances", ())
    )


def asking(planned: Sequence[Planned]) -> str:
    """Why one of them needs a person's approval."""
    return next((one.asks for one in planned if one.asks), "")
