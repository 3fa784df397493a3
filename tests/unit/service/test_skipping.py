"""What is known not to be needed is told by the step before it, with the same words as its own task has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from incident_response.domain.runbooks import Mode, RemediationState, StepState
from incident_response.domain.severities import Severity
from incident_response.service.skipping import order
from tests.unit.service.test_running import Site


class Driven(Site):
    """Tasks that were skipped ahead do not start, as in Airflow."""

    def drive(self, *names: str) -> None:
        """Run these tasks, one after the other."""
        for name in names:
            self.step(name)

    def ahead(self, behind: str) -> list[str]:
        """What is skipped behind this task."""
        return list(self.house.running.skip_ahead(self.job, behind, self.house.now))

    def whole(self) -> tuple[list[str], RemediationState]:
        """All tasks that start, and how it ended."""
        started, unneeded = [], set[str]()
        for name in order(self.job.runbook):
            if name not in unneeded:
                started.append(name)
                if name == "guard":
                    self.step("plan")
                while self.step(name) == (None, "It answers"):
                    self.house.now += timedelta(minutes=1)
                unneeded |= set(self.ahead(name))
        return started, self.conclude()


def test_what_does_not_fit_and_what_is_proven_never_starts() -> None:
    """One cause was found, the first attempt heals."""
    site = Driven()
    assert site.whole() == (["see", "guard", "restart", "verify_restart"], RemediationState.SUCCEEDED)
    skipped = {name: step.text for name, step in site.job.results.items() if step.state is StepState.SKIPPED}
    assert skipped == {
        "pause": "not needed: none of spreads was found",
        "replace": "not needed: it is proven",
        "verify_replace": "not needed: it is proven",
        "resume": "there is nothing to take back",
    }


def test_the_words_are_those_of_the_tasks_themselves() -> None:
    """Whether a step is skipped ahead or starts and finds out, its row is the same."""
    ahead, itself = Driven(), Driven()
    ahead.whole()
    itself.all()
    rows = [{name: (step.state, step.text) for name, step in site.job.results.items() if name != "plan"}
            for site in (ahead, itself)]  # fmt: skip
    assert rows[0] == rows[1]


def test_nothing_is_skipped_beyond_the_first_task_that_is_needed() -> None:
    """Airflow starts what follows a skipped task at once: it must not overtake the one that is at work."""
    site = Driven()
    site.causes = ("spreads",)
    site.drive("see", "plan", "guard")
    assert site.ahead("guard") == []
    site.drive("pause", "restart", "verify_restart")
    assert site.ahead("verify_restart") == [
        "replace",
        "verify_replace",
    ]  # `resume` has something to take back


def test_an_attempt_that_does_not_fit_waits_behind_one_that_does() -> None:
    """Its check would start beside the first attempt, see that nothing is proven, and end the remediation."""
    site = Driven()
    book = site.job.runbook
    steps = tuple(replace(step, when=("other",)) if step.name == "replace" else step for step in book.steps)
    site.house.books["mend"] = replace(book, steps=steps)
    site.drive("see", "plan", "guard")
    assert site.ahead("guard") == ["pause"]
    assert "replace" not in site.job.results
    site.proven = lambda: False
    site.drive("restart", "verify_restart")
    assert site.ahead("verify_restart") == ["replace"]  # the last check says how it ended


def test_a_severity_that_is_raised_behind_the_plan_still_needs_an_approval() -> None:
    """Nobody was to be asked for P2, and the question was skipped; as P1 it does not act."""
    site = Driven(modes={Severity.P1: Mode.APPROVE})
    site.drive("see", "plan")
    assert site.ahead("plan") == ["approve"]
    site.house.lifecycle.set_severity(site.number, Severity.P1, "op", site.house.now)
    allowed, why = site.step("guard")
    assert (allowed, why.split(":")[0]) == (False, "approval")
    assert not site.world.done


def test_what_was_told_is_told_again_to_the_next_try() -> None:
    """The worker died before Airflow heard of it."""
    site = Driven()
    site.drive("see", "plan", "guard")
    assert site.ahead("guard") == site.ahead("guard") == ["pause"]
    (row,) = [step for step in site.job.results.values() if step.step == "pause"]
    assert row.ended_at is not None


def test_an_attempt_without_a_plan_is_skipped_with_its_check() -> None:
    """The next one is what the guard has let pass."""
    site = Driven()
    site.world.heals_with = "replace"
    site.house.actions["restart"].targets = []
    site.drive("see", "plan", "guard")
    assert site.ahead("guard") == ["pause", "restart", "verify_restart"]
    assert site.job.results["restart"].text == "there is nothing to change"
    assert site.job.results["verify_restart"].text == "nothing was tried"


def test_with_nothing_to_change_only_the_last_check_starts() -> None:
    """The guard has let it pass without an attempt."""
    site = Driven()
    site.world.works = True
    for name in ("restart", "replace"):
        site.house.actions[name].targets = []
    started, state = site.whole()
    assert started == ["see", "guard", "verify_replace"]
    assert state is RemediationState.SUCCEEDED


@pytest.mark.parametrize("behind", ["see", "guard"])
def test_one_that_has_ended_needs_nothing_more(behind: str) -> None:
    """Refused, or taken over by another one: only its conclusion starts."""
    site = Driven()
    site.drive("see")
    site.house.remediations.end(site.number, 1, RemediationState.REFUSED, "cooldown", site.house.now)
    names = list(order(site.job.runbook))
    assert site.ahead(behind) == names[names.index(behind) + 1 :]
    assert site.job.results.keys() == {"see"}


def test_before_the_guard_no_change_is_skipped() -> None:
    """Whether it may act at all is not known yet, although its cause was not found."""
    site = Driven()
    site.drive("see")
    assert site.ahead("see") == []


@pytest.mark.parametrize(("mode", "skipped"), [(Mode.APPROVE, []), (Mode.AUTO, ["approve"])])
def test_nobody_is_asked_who_need_not_be(mode: Mode, skipped: list[str]) -> None:
    """By the mode for the incident's severity, which is P2."""
    site = Driven(modes={Severity.P1: Mode.APPROVE, Severity.P2: mode})
    site.drive("see", "plan")
    assert site.ahead("plan") == skipped
