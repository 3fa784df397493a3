"""The steps of a remediation: each once, in order, whatever is interrupted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from incident_response.domain.actions import Done, Exhibit, Finding, Planned, Scene
from incident_response.domain.errors import Refused, SourceUnavailable, Unknown
from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import Mode, Phase, RemediationState, Runbook, Step, StepState
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal
from incident_response.service.job import Job
from tests.support.house import House


class Crash(BaseException):
    """The worker dies here."""


@dataclass
class World:
    """One thing that is broken, and everything that was done to it."""

    works: bool = False
    heals_with: str = "restart"
    done: list[str] = field(default_factory=list)
    crash: str = ""  # `before` or `after` the effect
    tells: bool = True  # whether one can see what happened


@dataclass
class Change:
    """Changes the world by its name."""

    name: str
    world: World
    targets: Sequence[str] = ("container:a",)
    refuses: str = ""

    def plan(self, scene: Scene) -> Sequence[Planned]:
        if self.refuses:
            raise Refused(self.refuses)
        return [Planned(target, f"{self.name} {target}", {"was": "down"}) for target in self.targets]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        if self.world.crash == "before":
            self.world.crash = ""
            raise Crash
        self.world.done.append(f"{self.name} {planned.target}")
        self.world.works = self.world.works or self.world.heals_with == self.name
        if self.world.crash == "after":
            self.world.crash = ""
            raise Crash
        return Done(f"Did {self.name} on {planned.target}")

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        return f"{self.name} {planned.target}" in self.world.done if self.world.tells else None

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        self.world.done.append(f"undo {self.name} {planned.target} to {planned.data['was']}")
        return Done(f"Took back {planned.target}")


@dataclass
class Look:
    """Says what it is told to say."""

    finding: Callable[[], Finding]

    def look(self, scene: Scene) -> Finding:
        return self.finding()


class Site:
    """A house with a runbook whose actions change a small world."""

    def __init__(self, **fields: Any) -> None:
        self.house, self.world = House(), World()
        self.causes: tuple[str, ...] = ("down",)
        self.proven: Callable[[], bool | None] = lambda: self.world.works or None
        exhibit = Exhibit("service.log", "password=hunter2\nlast line")
        self.house.actions |= {
            "look": Look(lambda: Finding("It is down", {"n": 1}, (exhibit,), self.causes)),
            "pause": Change("pause", self.world, ["dag:reader"]),
            "restart": Change("restart", self.world),
            "replace": Change("replace", self.world),
            "healthy": Look(lambda: Finding("It answers", proven=self.proven())),
        }
        steps = (
            Step("see", Phase.DIAGNOSE, "look"),
            Step("pause", Phase.CONTAIN, "pause", changes=True, when=("spreads",)),
            Step("restart", Phase.REPAIR, "restart", changes=True),
            Step("replace", Phase.REPAIR, "replace", changes=True),
            Step("healthy", Phase.VERIFY, "healthy", within=timedelta(minutes=3)),
            Step("resume", Phase.RESTORE, undoes="pause", changes=True),
        )
        book = Runbook("mend", 1, "Mend it", "By hand.", steps, escalate_to=3, escalate_by_cause={"code": 2})
        self.house.books["mend"] = Runbook(**{**vars(book), **fields})
        self.open("ContainerDown")
        self.ask()

    def open(self, alertname: str, service: str = "a") -> None:
        """An incident about a service."""
        labels = {"alertname": alertname, "service": service, "severity": "P2"}
        signal = Signal("docker", labels, f"{service} is down", self.house.now)
        (receipt,) = self.house.intake.receive([signal], self.house.now)
        assert receipt.incident
        self.number = receipt.incident

    def ask(self, by: str = "system:triage") -> None:
        asked = self.house.remediations.request(self.number, by, self.house.now, "mend")
        self.run_id = asked.run_id

    @property
    def job(self) -> Job:
        found = self.house.running.job(self.number, self.run_id)
        assert found
        return found

    def step(self, name: str) -> Any:
        """One task of the DAG."""
        running, job, now = self.house.running, self.job, self.house.now
        if name in ("plan", "guard"):
            return getattr(running, name)(job, now)
        if name.startswith("verify_"):
            return running.check(job, job.runbook.step(name.removeprefix("verify_")), now)
        step = job.runbook.step(name)
        assert step
        if step.undoes:
            return running.restore(job, step, lambda: self.house.now)
        return (
            running.act(job, step, lambda: self.house.now) if step.changes else running.look(job, step, now)
        )

    def all(self) -> RemediationState:
        """The whole DAG, as it runs when nothing breaks off."""
        for name in ("see", "plan"):
            self.step(name)
        if self.step("guard")[0]:
            for name in ("pause", "restart", "verify_restart", "replace", "verify_replace", "resume"):
                while self.step(name) in ((None, "It answers"),):
                    self.house.now += timedelta(minutes=1)
        return self.conclude()

    def conclude(self) -> RemediationState:
        if self.job.remediation.state.ended:
            return self.job.remediation.state
        return self.house.running.conclude(self.job, None, self.house.now).state

    @property
    def text(self) -> str:
        return "\n".join(self.house.texts(self.number))


def test_it_looks_plans_acts_proves_and_mitigates() -> None:
    """The gentlest attempt works: the next one is not made, and the report can name all of it."""
    site = Site()
    assert site.all() is RemediationState.SUCCEEDED
    assert site.world.done == ["restart container:a"]
    assert site.house.incident(site.number).status is Status.MITIGATED
    assert "Plan: restart: restart container:a; replace: replace container:a" in site.text
    assert "Guard allowed it" in site.text
    assert "Proven: It answers" in site.text
    results = site.job.results
    assert {name: results[name].state for name in ("pause", "replace", "resume")} == dict.fromkeys(
        ("pause", "replace", "resume"), StepState.SKIPPED
    )


def test_evidence_is_kept_before_anything_is_changed_and_without_secrets() -> None:
    """Outside of the store, which knows where."""
    site = Site()
    site.step("see")
    assert not site.world.done
    (kept,) = site.house.shelf.files.values()
    assert b"hunter2" not in kept
    assert b"last line" in kept
    with site.house.store.read() as tx:
        (exhibit,) = tx.exhibits(site.number)
    assert (exhibit.step, exhibit.name, exhibit.size) == ("see", "service.log", len(kept))


def test_evidence_that_cannot_be_kept_stops_no_repair() -> None:
    """And is told."""
    site = Site()
    site.house.shelf.broken = True
    assert site.all() is RemediationState.SUCCEEDED
    assert "evidence was not kept: the disk is full" in site.text


def test_the_next_attempt_is_made_when_the_one_before_proved_nothing() -> None:
    """After the time that a proof may take, and in the order of the file."""
    site = Site()
    site.world.heals_with = "replace"
    assert site.all() is RemediationState.SUCCEEDED
    assert site.world.done == ["restart container:a", "replace container:a"]
    assert "not proven within 3 min" in site.text


def test_a_repair_without_effect_escalates() -> None:
    """It "succeeded", and nothing is better: the level of the runbook is paged."""
    site = Site()
    site.world.heals_with = ""
    assert site.all() is RemediationState.FAILED
    incident = site.house.incident(site.number)
    assert (incident.level, incident.pages > 0) == (3, True)


def test_the_cause_that_was_found_says_who_is_paged() -> None:
    """Code goes to Development, although the runbook as a whole goes to Infrastructure."""
    site = Site()
    site.world.heals_with, site.causes = "", ("code",)
    assert site.all() is RemediationState.FAILED
    assert site.house.incident(site.number).level == 2


def test_what_contained_it_is_taken_back_only_when_it_is_proven() -> None:
    """A reader of wrong data stays paused while the data is wrong."""
    site = Site()
    site.causes = ("spreads",)
    assert site.all() is RemediationState.SUCCEEDED
    assert site.world.done == ["pause dag:reader", "restart container:a", "undo pause dag:reader to down"]

    other = Site()
    other.causes, other.world.heals_with = ("spreads",), ""
    assert other.all() is RemediationState.FAILED
    assert "undo pause dag:reader to down" not in other.world.done


@pytest.mark.parametrize("crash", ["before", "after"])
@pytest.mark.parametrize("step", ["pause", "restart"])
def test_a_worker_killed_in_the_middle_of_a_step_does_nothing_twice(step: str, crash: str) -> None:
    """The step is tried again: it looks whether it has happened."""
    site = Site()
    site.causes = ("spreads",)
    for name in ("see", "plan", "guard"):
        site.step(name)
    if step == "restart":
        site.step("pause")
    site.world.crash = crash
    with pytest.raises(Crash):
        site.step(step)
    site.step(step)
    assert sorted(set(site.world.done)) == sorted(site.world.done)
    assert site.all() is RemediationState.SUCCEEDED
    assert ("found done after an interruption" in site.text) == (crash == "after")


def test_nobody_can_tell_what_an_interrupted_step_did() -> None:
    """Then it is not repeated: a person is paged with the words."""
    site = Site()
    for name in ("see", "plan", "guard"):
        site.step(name)
    site.world.crash, site.world.tells = "after", False
    with pytest.raises(Crash):
        site.step("restart")
    with pytest.raises(Unknown, match="nobody can tell"):
        site.step("restart")
    assert site.conclude() is RemediationState.UNKNOWN
    assert site.world.done == ["restart container:a"]
    assert site.house.incident(site.number).pages > 0


@pytest.mark.parametrize("name", ["see", "plan", "guard", "restart", "verify_restart", "resume"])
def test_each_step_may_be_called_again(name: str) -> None:
    """As after a worker was killed behind the step's last word."""
    site = Site()
    for step in ("see", "plan", "guard", "pause", "restart", "verify_restart", "resume"):
        site.step(step)
        if step == name:
            site.step(step)
    assert site.world.done == ["restart container:a"]
    assert len([text for text in site.house.texts(site.number) if text.startswith("Plan: ")]) == 1


def test_a_check_that_was_not_needed_may_be_asked_again() -> None:
    """Its trigger died behind its last word: that is no failure of what was proven before."""
    site = Site()
    for name in ("see", "plan", "guard", "pause", "restart", "verify_restart", "replace"):
        site.step(name)
    asked = [site.step("verify_replace") for _ in range(2)]
    assert asked == [(True, "not needed: it is proven")] * 2


def test_a_later_attempt_keeps_to_what_was_planned_first() -> None:
    """The world has changed meanwhile: what nobody has approved is not touched."""
    site = Site()
    for name in ("see", "plan", "guard", "pause", "restart"):
        site.step(name)
    site.world.works = False
    site.house.actions["replace"].targets = ["container:a", "container:b"]
    site.house.now += timedelta(minutes=4)
    site.proven = lambda: False
    site.step("verify_restart")
    site.step("replace")
    assert site.world.done == ["restart container:a", "replace container:a"]


def test_what_is_refused_in_the_plan_is_not_done_and_the_rest_is() -> None:
    """A container that is not on the allow list; the other attempt goes on."""
    site = Site()
    site.world.heals_with = "replace"
    site.house.actions["restart"].refuses = "a is not on the allow list"
    assert site.all() is RemediationState.SUCCEEDED
    assert site.world.done == ["replace container:a"]
    assert "restart is refused: a is not on the allow list" in site.text


def test_when_every_attempt_is_refused_a_person_is_paged() -> None:
    """And nothing was touched."""
    site = Site()
    for name in ("restart", "replace"):
        site.house.actions[name].refuses = "a is not on the allow list"
    assert site.all() is RemediationState.REFUSED
    assert not site.world.done
    assert site.house.incident(site.number).pages > 0
    assert "not on the allow list" in site.text


def test_when_one_attempt_is_refused_and_the_others_have_nothing_to_do_a_person_is_paged() -> None:
    """That nothing is left to change proves nothing: what was refused is still in the way."""
    site = Site()
    site.house.actions["restart"].targets = []
    site.house.actions["replace"].refuses = "a has written"
    site.proven = lambda: True
    assert site.all() is RemediationState.REFUSED
    assert not site.world.done
    assert site.job.remediation.reason == "a has written"
    assert site.house.incident(site.number).pages > 0


def test_nothing_fits_what_was_found() -> None:
    """Then nothing is tried, and nobody waits for a proof that cannot come."""
    site = Site()
    book = site.house.books["mend"]
    fitting = tuple(
        Step(**{**vars(step), "when": ("something",)}) if step.phase is Phase.REPAIR else step
        for step in book.steps
        if step.phase not in (Phase.CONTAIN, Phase.RESTORE)
    )
    site.house.books["mend"] = Runbook(**{**vars(book), "steps": fitting})
    for name in ("see", "plan"):
        site.step(name)
    allowed, why = site.step("guard")
    assert (allowed, site.world.done) == (False, [])
    assert "nothing in mend fits what was found (down)" in why
    assert site.house.incident(site.number).pages > 0


def test_a_system_that_is_away_while_it_is_checked_may_come_back() -> None:
    """No answer is neither a proof nor its opposite."""
    site = Site()
    for name in ("see", "plan", "guard", "pause", "restart"):
        site.step(name)
    answers = iter([SourceUnavailable("away"), Finding("It answers", proven=True)])

    def look(_: Scene) -> Finding:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    site.house.actions["healthy"].look = look
    assert site.step("verify_restart") == (None, "healthy: away")
    assert site.step("verify_restart") == (True, "It answers")


# --- the guard's refusals, each with its name, and nothing touched


def refused(site: Site, reason: str) -> None:
    """By the guard, in these words; a person was paged."""
    for name in ("see", "plan"):
        site.step(name)
    allowed, why = site.step("guard")
    assert not allowed
    assert why.startswith(f"{reason}: "), why
    assert site.job.remediation.state is RemediationState.REFUSED
    assert f"Guard refused ({reason})" in site.text
    assert site.house.incident(site.number).pages > 0
    assert not site.world.done


def again(site: Site, service: str = "a", **later: float) -> None:
    """One remediation has succeeded; there is trouble of another kind, and another one is asked for."""
    assert site.all() is RemediationState.SUCCEEDED
    site.world.done.clear()
    site.house.now += timedelta(**later)
    site.open("ContainerOOMKilled", service)
    site.ask()


def test_cooldown() -> None:
    site = Site(cooldown=timedelta(minutes=5))
    again(site, minutes=1)
    refused(site, "cooldown")


def test_attempts() -> None:
    site = Site(attempts=1, cooldown=timedelta())
    again(site, minutes=30)
    refused(site, "attempts")


def test_flapping() -> None:
    site = Site(cooldown=timedelta())
    assert site.all() is RemediationState.SUCCEEDED
    site.world.done.clear()
    labels = {"alertname": "ContainerDown", "service": "a", "severity": "P2"}
    site.house.now += timedelta(seconds=30)
    site.house.intake.receive([Signal("docker", labels, "a is down", site.house.now)], site.house.now)
    site.ask()
    refused(site, "flapping")


def test_maintenance_and_silences() -> None:
    site = Site()
    site.house.intake.muting.add(["service=a"], "we move it", "ann", timedelta(hours=1), site.house.now)
    refused(site, "maintenance window")


def test_blast_radius() -> None:
    site = Site(max_targets=2)
    site.house.actions["restart"].targets = ["container:a", "container:b", "container:c"]
    refused(site, "blast radius")


def test_severity_ceiling() -> None:
    refused(Site(most_severe=Severity.P3), "severity ceiling")


@pytest.mark.parametrize(("mode", "reason"), [(Mode.MANUAL, "manual"), (Mode.DRY_RUN, "dry run")])
def test_modes(mode: Mode, reason: str) -> None:
    refused(Site(modes={Severity.P2: mode}), reason)


def test_approval() -> None:
    refused(Site(mode=Mode.APPROVE), "approval")


def test_an_approval_by_a_person_lets_it_act() -> None:
    """Who it was is in the timeline."""
    site = Site(mode=Mode.APPROVE)
    for name in ("see", "plan"):
        site.step(name)
    site.house.running.ask(site.job, site.house.now)
    assert site.house.remediations.approve(site.number, 1, "ann", site.house.now)
    assert not site.house.remediations.approve(site.number, 1, "bob", site.house.now)
    assert site.all() is RemediationState.SUCCEEDED
    assert "ann approved the plan" in site.text
    assert "approved by ann" in site.text


def test_a_declined_plan_is_not_carried_out() -> None:
    site = Site(mode=Mode.APPROVE)
    for name in ("see", "plan"):
        site.step(name)
    site.house.running.ask(site.job, site.house.now)
    site.house.remediations.approve(site.number, 1, "ann", site.house.now, yes=False)
    assert site.job.remediation.state is RemediationState.REFUSED
    assert not site.step("guard")[0]
    assert not site.world.done


def test_kill_switch_stops_people_too() -> None:
    """It says who, and why."""
    site = Site()
    site.house.automation.set("automation", False, "migration of the host", "ann", site.house.now)
    refused(site, "kill switch")
    site.ask(by="bob")
    refused(site, "kill switch")
    assert "ann has switched automation off: migration of the host" in site.text


def test_the_breaker_opens_and_stays_open_until_a_person_resets_it() -> None:
    """One remediation too many within an hour, of whatever runbook."""
    site = Site(cooldown=timedelta(), attempts=20)
    for number in range(10):
        again(site, f"service-{number}", minutes=1)
    refused(site, "breaker")
    assert [switch.name for switch in site.house.automation.off()] == ["breaker"]
    site.house.now += timedelta(hours=3)
    site.ask()
    refused(site, "breaker")
    site.house.automation.set("breaker", True, "", "ann", site.house.now)
    site.ask()
    assert site.all() is RemediationState.SUCCEEDED


def test_a_person_passes_the_breaker() -> None:
    """Somebody looks."""
    site = Site(cooldown=timedelta(), attempts=20)
    site.house.automation.set("breaker", False, "too many", "system:guard", site.house.now)
    site.ask(by="bob")
    assert site.all() is RemediationState.SUCCEEDED


def test_only_one_works_on_a_target() -> None:
    site = Site()
    for name in ("see", "plan", "guard"):
        site.step(name)
    site.ask()
    refused(site, "target busy")


def test_a_lease_that_runs_out_is_unknown_and_goes_to_a_person() -> None:
    """The worker died and nobody goes on: the target is free again, and what is left does nothing."""
    site = Site()
    for name in ("see", "plan", "guard"):
        site.step(name)
    late = site.job
    site.house.later(minutes=16)
    assert site.job.remediation.state is RemediationState.UNKNOWN
    assert site.house.incident(site.number).level == 2
    assert not site.house.automation.leases()
    site.house.running.conclude(site.job, None, site.house.now)
    assert site.job.remediation.state is RemediationState.UNKNOWN
    assert late.remediation.state is RemediationState.RUNNING


def test_a_target_whose_lease_ran_out_is_left_alone_until_a_person_knows() -> None:
    """The clock has not ticked yet."""
    site = Site()
    for name in ("see", "plan", "guard"):
        site.step(name)
    site.house.now += timedelta(minutes=16)
    site.ask()
    refused(site, "expired lease")
    assert "attempt 1 of INC-1 gave no sign of life until" in site.text


def test_signs_of_life_keep_the_lease() -> None:
    """A check that takes long is one."""
    site = Site()
    book = site.house.books["mend"]
    slow = [
        Step(**{**vars(s), "within": timedelta(hours=1)}) if s.name == "healthy" else s for s in book.steps
    ]
    site.house.books["mend"] = Runbook(**{**vars(book), "steps": tuple(slow)})
    for name in ("see", "plan", "guard", "pause", "restart"):
        site.step(name)
    site.proven = lambda: None
    for _ in range(20):
        site.house.later(minutes=1)
        assert site.step("verify_restart") == (None, "It answers")
    (lease,) = site.house.automation.leases()
    assert lease.expires_at > site.house.now + timedelta(minutes=13)
    assert site.job.remediation.state is RemediationState.RUNNING


def test_a_runbook_that_only_contains_leaves_the_rest_to_people() -> None:
    """Frozen is not mended: the incident stays open, and the level of the runbook is paged."""
    site = Site()
    book = site.house.books["mend"]
    steps = (book.steps[0], Step("freeze", Phase.CONTAIN, "pause", changes=True))
    site.house.books["mend"] = replace(book, steps=steps, escalate_to=4)
    for name in ("see", "plan"):
        site.step(name)
    assert site.step("guard")[0]
    site.step("freeze")
    assert site.conclude() is RemediationState.CONTAINED
    incident = site.house.incident(site.number)
    assert (incident.status.is_open, incident.level) == (True, 4)
    assert site.world.done == ["pause dag:reader"]


def test_who_is_asked_is_paged_and_silence_goes_one_level_up() -> None:
    """At night nobody looks at a page; and no answer is no yes."""
    site = Site(mode=Mode.APPROVE)
    for name in ("see", "plan"):
        site.step(name)
    site.house.running.ask(site.job, site.house.now)
    site.house.running.ask(site.job, site.house.now)
    incident = site.house.incident(site.number)
    assert (incident.pages, incident.level) == (1, 1)
    assert "mend waits for an approval until" in site.text
    with site.house.store.read() as tx:
        assert [row.asks for row in tx.board(10)] == [True]

    refused = RemediationState.REFUSED
    site.house.remediations.end(
        site.number, 1, refused, "approval: nobody said anything", site.house.now, unanswered=True
    )
    assert site.house.incident(site.number).level == 2
    assert not site.step("guard")[0]
    assert not site.world.done


@pytest.mark.parametrize("ticks", [True, False])
def test_a_worker_that_wakes_up_after_its_lease_changes_nothing(ticks: bool) -> None:
    """It still believes that it is at work; whether the clock has told a person by then or not."""
    site = Site()
    for name in ("see", "plan", "guard"):
        site.step(name)
    frozen, step = site.job, site.job.runbook.step("restart")
    assert step
    if ticks:
        site.house.later(minutes=16)
    else:
        site.house.now += timedelta(minutes=16)
    with pytest.raises(Refused, match="nothing more is changed"):
        site.house.running.act(frozen, step, lambda: site.house.now)
    assert not site.world.done
    assert site.conclude() is RemediationState.UNKNOWN
    assert site.house.incident(site.number).level > 1


def test_a_worker_that_was_frozen_behind_its_claim_changes_nothing() -> None:
    """The time that passed since is counted."""
    site = Site()
    for name in ("see", "plan", "guard"):
        site.step(name)
    step = site.job.runbook.step("restart")
    assert step
    at = iter([site.house.now] * 3)  # of the step, the sign of life, the claim
    late = site.house.now + timedelta(minutes=16)
    with pytest.raises(Refused, match=r"expired lease: .* gave no sign of life"):
        site.house.running.act(site.job, step, lambda: next(at, late))
    assert not site.world.done
    assert site.conclude() is RemediationState.UNKNOWN


def test_what_was_contained_is_not_taken_back_after_the_lease() -> None:
    """Somebody else may rely on it by now."""
    site = Site()
    site.causes = ("down", "spreads")
    for name in ("see", "plan", "guard", "pause", "restart", "verify_restart"):
        site.step(name)
    site.house.now += timedelta(minutes=16)
    with pytest.raises(Refused, match="nothing more is changed"):
        site.step("resume")
    assert not [done for done in site.world.done if done.startswith("undo")]


def test_the_guard_asks_airflow_for_the_switch_once_and_before_its_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While Airflow thinks about it, the store must not be held."""
    site, order = Site(), list[str]()
    site.step("see")
    site.step("plan")
    store = site.house.store
    transaction = store.transaction
    monkeypatch.setattr(store, "transaction", lambda: (order.append("transaction"), transaction())[1])
    monkeypatch.setattr(site.house.remediations, "_variable", lambda: order.append("asked"))
    assert site.step("guard")[0]
    assert order == ["asked", "transaction"]


ELSEWHERE = (
    Step("see", Phase.DIAGNOSE, "look"),
    Step("pause", Phase.CONTAIN, "pause", changes=True),
    Step("restart", Phase.REPAIR, "restart", changes=True, services=("b",)),
    Step("replace", Phase.REPAIR, "replace", changes=True, services=("b", "c")),
    Step("healthy", Phase.VERIFY, "healthy", within=timedelta(minutes=3)),
    Step("resume", Phase.RESTORE, undoes="pause", changes=True),
)


def test_attempts_for_other_services_are_none_and_what_is_contained_goes_to_people() -> None:
    """Nothing is asked for a proof that no attempt could have earned."""
    site = Site(steps=ELSEWHERE)
    assert site.all() is RemediationState.CONTAINED
    assert site.world.done == ["pause dag:reader"]
    assert site.job.results["restart"].text == "not needed: it is for b"
    assert site.job.results["verify_replace"].state is StepState.SKIPPED
    assert site.house.incident(site.number).status is not Status.MITIGATED


def test_checks_that_are_all_for_other_services_prove_nothing() -> None:
    """An attempt was made, and nothing looks at what became of it."""
    book = Site().job.runbook.steps
    steps = (*book[:4], Step("healthy", Phase.VERIFY, "healthy", services=("b",)), book[-1])
    site = Site(steps=steps)
    site.world.works = True
    assert site.all() is RemediationState.FAILED
    assert "no check of mend is meant for a, so nothing is proven" in site.text
