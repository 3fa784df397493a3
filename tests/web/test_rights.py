"""Readers look, operators act; Airflow's auth manager decides."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.api_fastapi.core_api.security import get_user

from incident_response.web import auth
from tests.web.conftest import OPERATOR, VIEWER, House

COMMANDS = (
    "acknowledge",
    "investigate",
    "assign",
    "escalate",
    "severity",
    "resolve",
    "reopen",
    "close",
    "say",
    "remediate",
    "review",
    "merge",
    "split",
)


def test_the_auth_manager_is_asked_for_runs_of_the_response_dag(house: House, monkeypatch) -> None:
    """GET for looking, PUT for acting, on runs of exactly that DAG."""
    asked = []

    def is_authorized_dag(**question):
        asked.append(
            (
                question["method"],
                question["access_entity"].value,
                question["details"].id,
                question["user"].name,
            )
        )
        return question["method"] == "GET"

    manager = SimpleNamespace(is_authorized_dag=is_authorized_dag)
    monkeypatch.setattr(auth, "get_auth_manager", lambda: manager)
    user = SimpleNamespace(name="somebody", get_id=lambda: 5, get_name=lambda: "somebody")
    client = house.client(None)
    house.app.dependency_overrides[get_user] = lambda: user

    answer = client.get("")

    assert answer.status_code == 200
    assert asked == [
        ("GET", "RUN", "incident_response", "somebody"),
        ("PUT", "RUN", "incident_response", "somebody"),
    ]
    assert auth.NO_WRITE in answer.text


def test_who_may_not_look_is_told_what_is_missing(house: House) -> None:
    """403, with the right that has to be given."""
    answer = house.client(auth.Visitor("9", "stranger", False, False)).get("")

    assert answer.status_code == 403
    assert auth.NO_READ in answer.text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_viewer_cannot_act(house: House, command: str) -> None:
    """Not even with a valid form."""
    number = house.open()
    before = house.get(number)

    answer = house.press(f"{number}/{command}", VIEWER, text="x", severity="P1")

    assert answer.status_code == 403
    assert house.get(number) == before


def test_a_viewer_cannot_report(house: House) -> None:
    """Reporting pages people."""
    assert house.press("report", VIEWER, title="x", severity="P1").status_code == 403
    assert "No open incidents." in house.client(VIEWER).get("").text


def test_a_viewer_sees_every_button_disabled_with_the_reason(house: House) -> None:
    """On the board and on the incident's page."""
    number = house.open()
    for page in ("", f"{number}", "report", "silences"):
        text = house.client(VIEWER).get(page).text
        main = text[text.index("<main") : text.index("</main>")]
        assert "<button" in main
        assert all("disabled" in tag for tag in _tags(main, "button")), page
        assert auth.NO_WRITE in main


def test_an_operator_sees_them_enabled(house: House) -> None:
    """The counterpart: the test above is about rights."""
    main = house.client(OPERATOR).get(str(house.open())).text.split("<main")[1].split("</main>")[0]

    enabled = [tag for tag in _tags(main, "button") if "disabled" not in tag]
    assert len(enabled) > 15


def _tags(text: str, name: str) -> list[str]:
    return [piece.split(">")[0] for piece in text.split(f"<{name}")[1:]]
