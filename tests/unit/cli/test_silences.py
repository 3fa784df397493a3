"""`python -m incident_response silence …`: add, list, end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from incident_response import bootstrap

from .conftest import Fire, Run


def test_a_silence_holds_what_matches_until_it_ends(
    run: Run, fire: Fire, services: bootstrap.Services
) -> None:
    """Made, seen to hold a signal, ended; then the signal opens its incident."""
    code, out, _ = run(
        "silence", "add", "service=keycloak", "--for", "2h", "--reason", "upgrade", "--by", "op"
    )
    assert code == 0
    silence = out.split()[0]
    assert "service=keycloak" in out
    assert fire("ContainerDown", "Container keycloak exited", container="keycloak") is None

    code, out, _ = run("silence", "list")
    assert code == 0
    assert f"{silence}  until " in out
    assert "— upgrade (op)" in out
    assert "1 signals muted now" in out
    assert "Container keycloak exited" in out
    assert f"by silence {silence} of op: upgrade" in out

    assert run("silence", "end", silence)[0] == 0
    assert services.intake.look_again(bootstrap.now() + timedelta(seconds=1)) == 1
    assert run("silence", "list")[1] == ("0 silences, 0 open maintenance windows\n0 signals muted now\n")
    assert "keycloak is down" in run("list")[1]


def test_an_open_maintenance_window_is_listed(run: Run, include: Path) -> None:
    """People ask why nothing comes; a plan is an answer, too."""
    began = bootstrap.now() - timedelta(minutes=5)
    (include / "policy" / "maintenance.yaml").write_text(
        "version: 1\nwindows:\n"
        f"- {{title: Renewal, match: {{service: nginx-proxy}}, cron: '{began:%M %H} * * *', length: 1 h}}\n"
    )
    out = run("silence", "list")[1]
    assert "window    until " in out
    assert "service=nginx-proxy  — Renewal" in out
    assert "0 silences, 1 open maintenance windows" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "keycloak", "--for", "2h", "--reason", "x"), "'keycloak' is no matcher; write label=value"),
        (("add", "service=(", "--for", "2h", "--reason", "x"), "'(' is no regular expression"),
        (("add", "service=a", "--for", "soon", "--reason", "x"), "'soon' is not a span of time"),
        (("add", "service=a", "--for", "2 business days", "--reason", "x"), "is business time"),
        (("add", "service=a", "--for", "0 s", "--reason", "x"), "between a second and 90 days"),
        (("add", "service=a", "--for", "91 days", "--reason", "x"), "between a second and 90 days"),
        (("add", "service=a", "--for", "9" * 30 + "h", "--reason", "x"), "longer than a century"),
        (("add", "service=a", "--for", "2h", "--reason", " "), "reason: is empty"),
        (("end", "nonesuch"), "there is no silence 'nonesuch' that lasts"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], says: str) -> None:
    """In a line with its remedy; nothing is kept."""
    code, out, err = run("silence", *arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert "0 silences" in run("silence", "list")[1]


@pytest.mark.parametrize("arguments", [("add", "service=a", "--reason", "x"), ("add", "--for", "2h"), ()])
def test_wrong_usage_is_two(run: Run, arguments: tuple[str, ...]) -> None:
    """As everywhere on the command line."""
    with pytest.raises(SystemExit) as exit_:
        run("silence", *arguments)
    assert exit_.value.code == 2
