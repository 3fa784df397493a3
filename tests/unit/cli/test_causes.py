"""`python -m incident_response merge …` and `split …`."""

from __future__ import annotations

import re

import pytest

from .conftest import Fire, Run


def test_two_incidents_become_one(run: Run, fire: Fire) -> None:
    """The first one named becomes part of the second one; the timeline names who said so."""
    one, two = fire("ContainerDown", container="a"), fire("ContainerDown", container="b")
    code, out, _ = run("merge", f"INC-{two}", str(one), "--by", "op")
    assert code == 0
    assert f"INC-{two} is part of INC-{one} now" in out
    assert run("list")[1].splitlines()[-1] == "1 open"
    assert fire("ContainerDown", container="b") == one, "what follows goes there, too"


def test_an_incident_is_split_by_the_signals_it_lists(run: Run, fire: Fire) -> None:
    """Without any signal it lists them in the form in which they are given."""
    one = fire("ServiceUnhealthy", "a does not answer", service="a", target="x")
    assert fire("ServiceUnhealthy", "a is confused", service="a", target="y") == one
    code, out, _ = run("split", f"INC-{one}")
    assert code == 0
    assert "2 signals; name those that are other trouble with --signal" in out
    assert "a is confused" in out
    signals = re.findall(r"--signal (\S+)  firing, seen 1 times", out)
    assert len(signals) == 2

    code, out, _ = run("split", f"inc-{one}", "--signal", signals[1], "--by", "op")
    assert code == 0
    assert re.match(r"INC-\d+ P2 a is down", out)
    assert run("list")[1].splitlines()[-1] == "2 open"
    assert "1 signals" in run("split", f"INC-{one}")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("merge", "INC-1", "INC-1"), "cannot be merged into itself"),
        (("merge", "INC-1", "INC-99"), "99"),
        (("merge", "INC-1", "that one"), "'that one' is no incident; write INC-42"),
        (("merge", "INC-1", "0"), "'0' is no incident"),
        (("split", "INC-99"), "99"),
        (("split", "INC-1", "--signal", "abc"), "'abc' is no signal; write SOURCE:FINGERPRINT"),
        (("split", "INC-1", "--signal", "test:0123456789abcdef"), "has none of these signals"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, fire: Fire, arguments: tuple[str, ...], says: str) -> None:
    """In a line; nothing is changed."""
    assert fire("ContainerDown", container="a") == 1
    before = run("list")[1]
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert run("list")[1] == before


def test_the_last_signal_is_not_split_off(run: Run, fire: Fire) -> None:
    """An incident without a signal would be about nothing."""
    fire("ContainerDown", container="a")
    signal = re.findall(r"--signal (\S+)", run("split", "1")[1])[0]
    code, _, err = run("split", "1", "--signal", signal)
    assert code == 1
    assert "would be left without a signal" in err
