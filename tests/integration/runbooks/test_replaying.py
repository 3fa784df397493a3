"""A past incident is played again on a real engine: what would be different today, and nothing is touched."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from incident_response import bootstrap
from incident_response.cli.program import main
from incident_response.domain.errors import EvidenceUnavailable
from incident_response.domain.runbooks import RemediationState
from tests.support.walking_runbook import Ground, Site

from .conftest import Containers
from .test_crashing import durable
from .test_refusing import SERVICE, fail_again, untouched

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]  # nothing in it knows Airflow


class Past:
    """An incident that was mended, whose trouble is there again; and what the command line says of it."""

    def __init__(self, site: Site, number: int, capsys: pytest.CaptureFixture[str]) -> None:
        self.site, self.number, self._capsys = site, number, capsys

    def replay(self) -> tuple[int, str]:
        """Exit code, and all that is printed."""
        code = main(["replay", f"INC-{self.number}"])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def kept(self) -> Any:
        """All that the store knows, and the files of evidence."""
        with self.site.services.store.read() as tx:
            known = (
                list(tx.board(100)), list(tx.timeline(self.number)), list(tx.parcels(self.number)),
                list(tx.steps(self.number)), list(tx.remediations(self.number)),
                list(tx.sightings(self.number)), list(tx.exhibits(self.number)),
            )  # fmt: skip
        folder = self.site.ground.folder / "evidence"
        return known, sorted(f"{file}" for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def past(
    containers: Containers,
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Past:
    """It logged something before it was killed."""
    site = durable(ground)
    monkeypatch.setattr(bootstrap, "services", lambda: site.services)
    monkeypatch.setattr(bootstrap.configuration, "connection", ground.connections.get)
    script = "echo started; echo ok > /www/health; exec httpd -f -p 8080 -h /www"
    check = {"test": ["CMD", "cat", "/www/health"], "interval": 300_000_000, "retries": 2}
    containers.engine.run("other", script, healthcheck=check).kill()
    containers.engine.wait_state("other", "exited")
    number = site.container("ContainerDown", "other")
    assert site.walk(number).state is RemediationState.SUCCEEDED
    fail_again(containers, site, number)
    capsys.readouterr()
    return Past(site, number, capsys)


def test_nothing_is_different_and_nothing_is_touched(containers: Containers, past: Past) -> None:
    """It has looked and planned: at the engine, without an effect there, in the store, or in the evidence."""
    before = past.kept()
    assert before[1], "no evidence was kept"
    with untouched(containers, "other"):
        code, said = past.replay()
    assert past.kept() == before
    assert (code, "0 differences; nothing was changed" in said) == (0, True), said
    assert "  plan      restart: Restart the container other" in said
    assert "step status: done" in said
    assert "guard: allowed: " in said


def test_a_plan_that_has_changed_since(containers: Containers, past: Past) -> None:
    """The runbook stops where it restarted; then the service is taken from the allow list."""
    ground = past.site.ground
    edit(
        ground, SERVICE, "name: restart, action: docker.restart_in_order", "name: begin, action: docker.start"
    )
    with untouched(containers, "other"):
        code, said = past.replay()
    assert code == 0
    assert "* plan      then: restart: Restart the container other" in said, said
    assert "             now: begin: Start the container other" in said, said
    assert "1 difference; nothing was changed" in said

    known = "name: other, container: {automation: "
    edit(ground, "policy/services.yaml", f"{known}true", f"{known}false")
    with untouched(containers, "other"):
        said = past.replay()[1]
    assert "             now: begin is refused: the container other may not be changed" in said, said


def test_a_runbook_that_is_broken_today(containers: Containers, past: Past) -> None:
    edit(past.site.ground, SERVICE, "docker.restart_in_order", "docker.explode")
    with untouched(containers, "other"):
        code, said = past.replay()
    assert code == 0
    assert "the runbook could not look or plan: There is no valid runbook 'service-restart'" in said, said
    assert "             now: none" in said


def test_evidence_that_is_deleted_is_not_needed_and_its_absence_is_said(past: Past) -> None:
    """What was found is in the store; the files may be gone."""
    with past.site.services.store.read() as tx:
        (exhibit, *_) = tx.exhibits(past.number)
    assert past.site.services.evidence.read(past.number, exhibit.place)[1]
    shutil.rmtree(past.site.ground.folder / "evidence")

    code, said = past.replay()

    assert (code, "0 differences; nothing was changed" in said) == (0, True), said
    assert not (past.site.ground.folder / "evidence").exists()
    with pytest.raises(EvidenceUnavailable, match="check `evidence_url`"):
        past.site.services.evidence.read(past.number, exhibit.place)


def test_an_incident_that_is_kept_no_more(past: Past) -> None:
    """Neither it nor its evidence: it says so and ends with 1."""
    services, now = past.site.services, bootstrap.now()
    services.lifecycle.resolve(past.number, "ann", now, resolution="mended")
    services.lifecycle.close(past.number, "ann", now)
    assert services.evidence.prune(bootstrap.now())["exhibits"] > 0
    code, said = past.replay()
    assert (code, f"There is no incident INC-{past.number}" in said) == (1, True), said
    assert list((past.site.ground.folder / "evidence").iterdir()) == []


def edit(ground: Ground, name: str, old: str, new: str) -> None:
    path = ground.folder / "include" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
