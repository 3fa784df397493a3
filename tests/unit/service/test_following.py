"""What of a plan has to wait for the rest of it is done when its time has come, and once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from incident_response.domain.actions import Done, Finding, Planned, Scene
from incident_response.domain.automation import KILL_SWITCH, Switch
from incident_response.domain.errors import Refused
from incident_response.domain.records import Role, Sighting
from incident_response.domain.runbooks import RemediationState, StepState
from tests.unit.service.test_running import Look, Site


@dataclass
class Chain:
    """Each thing can be done when the one before it is well."""

    well: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    lost: bool = False
    extra: str = ""  # one more, which waits for the child

    def plan(self, scene: Scene) -> Sequence[Planned]:
        pairs = zip(("child", "parent", "grand"), ("", "child", "parent"), strict=True)
        known = [*pairs, *([(self.extra, "child")] if self.extra else [])]
        return [Planned(target, f"Mend {target}", {"after": before}) for target, before in known]

    def ready(self, scene: Scene, planned: Planned) -> Finding:
        if self.lost and planned.data["after"]:
            raise Refused("what it waits for was deleted")
        before = planned.data["after"]
        return Finding(
            f"{planned.target} waits for {before}", proven=not before or before in self.well or None
        )

    def apply(self, scene: Scene, planned: Planned) -> Done:
        self.done.append(planned.target)
        return Done(f"Mended {planned.target}")

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        return planned.target in self.done

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        return None


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def site(chain: Chain) -> Site:
    site = Site()
    everything = {"child", "parent", "grand"}
    site.house.actions["restart"] = chain
    site.house.actions["healthy"] = Look(lambda: Finding("well", proven=everything <= chain.well or None))
    for name in ("see", "plan", "guard", "restart"):
        site.step(name)
    return site


def verify(site: Site) -> bool | None:
    found: bool | None = site.step("verify_restart")[0]
    return found


def test_each_is_done_when_the_one_before_is_well(site: Site, chain: Chain) -> None:
    """As deep as it goes, and each once, however often it is asked."""
    assert chain.done == ["child"]
    assert "parent waits for child" in site.job.results["restart"].text
    assert (verify(site), chain.done) == (None, ["child"])
    for count, name in enumerate(("child", "parent"), 2):
        chain.well.add(name)
        assert (verify(site), verify(site)) == (None, None)
        assert chain.done == ["child", "parent", "grand"][:count]
    chain.well.add("grand")
    assert verify(site) is True
    assert site.house.running.conclude(site.job, None, site.house.now).state is RemediationState.SUCCEEDED


def test_who_may_only_ask_changes_nothing(site: Site, chain: Chain) -> None:
    """A triggerer sees that something is due, and a worker does it."""
    running, rung = site.house.running, site.job.runbook.step("restart")
    assert not running.due(site.job, rung)
    chain.well.add("child")
    assert running.due(site.job, rung)
    assert running.check(site.job, rung, site.house.now, acts=False)[0] is None
    assert chain.done == ["child"]


def test_what_can_never_be_done_ends_it_at_once(site: Site, chain: Chain) -> None:
    """Nobody waits for hours; the reason is told."""
    chain.lost = True
    assert site.house.running.due(site.job, site.job.runbook.step("restart"))
    assert verify(site) is False
    result = site.job.results["verify_restart"]
    assert (result.state, result.text) == (StepState.FAILED, "what it waits for was deleted")


def test_the_kill_switch_holds_what_had_to_wait(site: Site, chain: Chain) -> None:
    """It is looked at again at the moment of the change."""
    chain.well.add("child")
    with site.house.store.transaction() as tx:
        tx.put_switch(Switch(KILL_SWITCH, False, "deployment", "ada", site.house.now))
    assert verify(site) is False
    assert chain.done == ["child"]


def test_a_parent_that_fails_after_the_look_is_taken_in(site: Site, chain: Chain) -> None:
    """It asks its child's state only once a minute: the plan grows, once, and the proof is of it, too."""
    house, running = site.house, site.house.running
    child, parent = ({"dag_id": dag, "run_id": "r1", "task_id": "t"} for dag in ("child", "late"))
    looked = [{"dag_id": "child", "run_id": "r1"}]
    with house.store.transaction() as tx:
        see = site.job.results["see"]
        tx.put_step(replace(see, data={"runs": looked}))
        said = {"waits_for": {"dag_id": "child", "run_id": "r1"}}
        tx.record(
            [
                Sighting(site.number, "listener", "f1", child, "", True, house.now, house.now),
                Sighting(
                    site.number, "listener", "f2", parent, "", True, house.now, house.now,
                    details=said, role=Role.CONSEQUENCE,
                ),
            ]
        )  # fmt: skip
    house.actions["look"] = Look(lambda: Finding("", {"runs": [{"dag_id": "late", "run_id": "r1"}]}))
    chain.extra = "late"
    assert running.due(site.job, site.job.runbook.step("restart"))
    assert verify(site) is None
    assert [run["dag_id"] for run in site.job.results["see"].data["runs"]] == ["child", "late"]
    assert [e["target"] for e in site.job.results["restart"].data["plan"]] == [
        "child", "parent", "grand", "late",
    ]  # fmt: skip
    assert not running.due(site.job, site.job.runbook.step("restart")), "it is considered once"
    chain.well |= {"child", "parent", "grand"}
    assert verify(site) is True
    assert chain.done == ["child", "parent", "grand", "late"]
    running.conclude(site.job, None, house.now)
    with house.store.read() as tx:
        assert [s.firing for s in tx.sightings(site.number) if s.fingerprint == "f2"] == [False]
