"""One pipeline of a campaign: it fails, it is repaired, it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .dice import Dice
from .drawing import draw
from .judge import faults
from .pipeline import Pipeline
from .repairing import Place, Story, repair
from .rest import ModelAirflow
from .scheduler import Run


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    pipeline: Pipeline
    before: Mapping[Place, str | None]  # when the first attempt began
    after: Mapping[Place, str | None]
    run_before: str  # its state
    run_after: str
    story: Story
    faults: list[str]

    @property
    def hurt(self) -> bool:
        """True when there was something to repair."""
        return any(state in ("failed", "upstream_failed") for state in self.before.values())


def attempt(pipeline: Pipeline, dice: Dice) -> Outcome:
    """In memory."""
    run = Run(pipeline, dice).execute()
    before, run_before = run.states(), run.state
    airflow = ModelAirflow(run)

    def execute() -> None:
        run.round += 1
        run.execute()

    story = repair(airflow, run.dag_id, run.run_id, execute, airflow.now)
    return Outcome(
        pipeline,
        before,
        run.states(),
        run_before,
        run.state,
        story,
        faults(run, story, airflow.cleared, before),
    )


def numbered(seed: int, number: int) -> Outcome:
    """The pipeline of this number, and the same dice each time."""
    return attempt(draw(seed, number), Dice(f"{seed}/{number}/order"))
