"""`python -m incident_response integrations …`: add, list, revoke."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from incident_response import bootstrap
from incident_response.__main__ import main
from incident_response.settings import Settings
from tests.support.shipped import INCLUDE

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bootstrap.Services:
    settings = Settings(
        store_url=f"sqlite:///{tmp_path}/store.db",
        spool_folder=str(tmp_path / "spool"),
        include_folder=str(INCLUDE),
        page_url="https://airflow.example.com/incidents",
    )
    services = bootstrap.build(settings, lambda conn_id: None)
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    return services


@pytest.fixture
def run(services: bootstrap.Services, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["integrations", *arguments])
        return code, *capsys.readouterr()

    return run


def test_a_token_is_alone_on_standard_output(run: Run, services: bootstrap.Services) -> None:
    """So that it can be piped into a file; the address to send to is told beside it."""
    code, out, err = run("add", "prometheus", "--kind", "alertmanager", "--label", "site=a=b", "--by", "op")
    assert code == 0
    one = services.integrations.recognise(out.strip(), bootstrap.now())
    assert one is not None
    assert (one.name, one.labels, one.created_by) == ("prometheus", {"site": "a=b"}, "op")
    assert "https://airflow.example.com/incidents/hooks/alertmanager" in err
    assert out.strip() not in err


def test_a_sender_of_events_is_told_its_whole_address(run: Run) -> None:
    """Clients of PagerDuty replace theirs by it."""
    assert "hooks/pagerduty/v2/enqueue" in run("add", "checks", "--kind", "pagerduty")[2]


def test_the_list_shows_all_but_the_token(run: Run, services: bootstrap.Services) -> None:
    """Revoked ones too; neither token nor hash."""
    token = run("add", "prometheus", "--kind", "alertmanager", "--label", "site=north")[1].strip()
    run("add", "desk", "--kind", "signal")
    assert run("revoke", "desk")[:2] == (0, "desk is revoked; its token stops within 5 seconds\n")
    code, out, _ = run("list")
    first, second = out.splitlines()
    assert code == 0
    assert first.split()[:4] == ["prometheus", "alertmanager", "in", "use"]
    assert "never" in first
    assert first.endswith("by command line  site=north")
    assert second.split()[:3] == ["desk", "signal", "revoked"]
    assert token.split("_", 2)[2] not in out
    assert services.integrations.all()[0].token_hash not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "a b", "--kind", "signal"), "name: 'a b' cannot be used"),
        (("add", "a", "--kind", "signal", "--label", "x"), "label: 'x' is no k=v"),
        (("add", "a", "--kind", "signal", "--label", "1=x"), "label: '1' is no label name"),
        (("revoke", "a"), "there is no integration 'a'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], says: str) -> None:
    """In a line with its remedy; nothing is written."""
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert run("list")[1] == ""
