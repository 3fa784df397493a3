"""Silences: what is muted, by whom and until when; made and ended by operators."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from incident_response.domain.signals import Signal
from incident_response.domain.silences import MaintenanceWindow
from incident_response.web import auth, csrf
from incident_response.web.views.silences import LENGTHS
from tests.web.conftest import VIEWER, House

EVIL = "<script>alert('x')</script>"
GOOD = {"matchers": "service=keycloak", "reason": "upgrade", "length": "120"}


def page(house: House) -> str:
    return house.client().get("silences").text


def part(house: House, id: str) -> str:
    """One section of the page."""
    return page(house).split(f'id="{id}"')[1].split("</section>")[0]


def down(house: House, service: str, **labels: str) -> Signal:
    labels = {"alertname": "ServiceDown", "service": service, **labels}
    return Signal("prometheus", labels, f"{service} answers 503", house.now)


def test_without_any_it_says_so(house: House) -> None:
    """Three facts and the form."""
    text = page(house)
    assert "Nothing that fires is muted." in text
    assert "None is open, and none is planned" in text
    assert '<form method="post" action="silences"' in text


def test_a_silence_is_made_for_a_length_of_the_list(house: House) -> None:
    """In the name of the Airflow user, from now on, one matcher a line."""
    answer = house.press("silences", **GOOD | {"matchers": "service=keycloak\n\n alertname = Service.* \n"})

    assert (answer.status_code, answer.headers["location"]) == (303, "silences")
    (silence,), _ = house.services.intake.muting.lasting(house.now)
    assert silence.matchers == {"service": "keycloak", "alertname": "Service.*"}
    assert (silence.reason, silence.owner) == ("upgrade", "operator")
    assert silence.ends_at == house.now + timedelta(hours=2)
    shown = part(house, "lasting")
    assert "<code>service=keycloak, alertname=Service.*</code>" in shown
    assert "Silenced until" in page(house)
    house.later(minutes=2)
    assert "Silenced until" not in page(house)


@pytest.mark.parametrize("minutes", LENGTHS)
def test_every_length_of_the_list_can_be_taken(house: House, minutes: str) -> None:
    """From half an hour to a week."""
    assert house.press("silences", **GOOD | {"length": minutes}).status_code == 303


def test_what_it_holds_is_shown_until_it_is_ended(house: House) -> None:
    """Summary, service after the map, muted by, until; ending it looks at the signal again."""
    house.press("silences", **GOOD | {"matchers": "service=lianel_energy"})
    house.services.intake.receive([down(house, "postgres")], house.now)

    held = part(house, "held")
    assert re.search(r'postgres answers 503 <span class="quiet">lianel_energy</span>', held)
    assert "of operator: upgrade" in held
    assert "2 h 00 min" in held
    assert "No open incidents." in house.client().get("").text

    action = re.findall(r'action="(silences/\w+/end)"', page(house))[0]
    answer = house.press(action)
    assert (answer.status_code, answer.headers["location"]) == (303, "../../silences")
    assert "None." in part(house, "lasting")
    house.services.intake.look_again(house.now)
    assert "Nothing that fires is muted." in page(house)
    assert "postgres answers 503" in house.client().get("").text


def test_ending_it_twice_says_why_not(house: House) -> None:
    """Somebody was faster."""
    assert house.press("silences/abcd/end").status_code == 422
    assert "there is no silence" in house.press("silences/abcd/end").text


def test_an_open_maintenance_window_is_shown_with_its_end(house: House, monkeypatch) -> None:
    """Of the file; it is not ended here."""
    window = MaintenanceWindow(
        f"Backup {EVIL}", {"service": "db"}, "0 3 * * *", timedelta(hours=1), "Europe/Stockholm"
    )
    monkeypatch.setattr(house.services.library, "windows", lambda: [window])
    monkeypatch.setattr(house.services.intake.muting, "_windows", lambda: [window])
    shown = part(house, "windows")
    assert "Backup &lt;script&gt;" in shown
    assert "<code>service=db</code>" in shown
    assert ">04:00:00</time>" in shown

    house.later(hours=2)
    assert "None is open. 1 is planned" in part(house, "windows")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"matchers": ""}, "at least one matcher"),
        ({"matchers": "keycloak"}, "is no matcher"),
        ({"matchers": "service=("}, "is no regular expression"),
        ({"matchers": "=x"}, "is no matcher"),
        ({"matchers": "service=.*"}, "matches everything"),
        ({"matchers": "service=(?!prod).*"}, "looking ahead or behind"),
        ({"matchers": "service=postgres"}, "postgres is called lianel_energy here"),
        ({"matchers": "service=a, env=b"}, "one a line"),
        ({"matchers": "a=b\n" * 21}, "are the most"),
        ({"matchers": "a=" + "b" * 400}, "are the most"),
        ({"reason": "  "}, "reason: is empty"),
        ({"length": "5"}, "length: choose one"),
        ({"length": "1e9"}, "length: choose one"),
        ({"length": ""}, "length: choose one"),
    ],
)
def test_what_cannot_be_used_comes_back_as_it_was_typed(
    house: House, wrong: dict[str, str], reason: str
) -> None:
    """With the reason; nothing is silenced."""
    typed = GOOD | {"matchers": "service=key<b>", "reason": 'an "upgrade"', "length": "480"} | wrong
    answer = house.press("silences", **typed)

    assert answer.status_code == 422
    assert f"data-problem>{''}" in answer.text
    assert reason in answer.text
    if "matchers" not in wrong:
        assert ">service=key&lt;b&gt;</textarea>" in answer.text
    if "reason" not in wrong:
        assert 'value="an &#34;upgrade&#34;"' in answer.text
    if "length" not in wrong:
        assert '<option value="480" selected>' in answer.text
    assert house.services.intake.muting.lasting(house.now)[0] == []


def test_what_it_would_mute_is_said_before_and_after_it_is_made(house: House) -> None:
    """Open incidents and what fires in them; looking makes nothing."""
    house.services.intake.receive([down(house, f"s{n}") for n in range(3)], house.now)
    typed = GOOD | {"matchers": "service=s[01]"}
    looked = house.press("silences", **typed, look="yes")
    assert looked.status_code == 200
    assert "2 signals that fire now match, of INC-1, INC-2, which go on." in looked.text
    assert ">service=s[01]</textarea>" in looked.text
    assert house.services.intake.muting.lasting(house.now)[0] == []

    house.press("silences", **typed)
    assert "2 signals that fire now match, of INC-1, INC-2, which go on." in part(house, "make")
    none = house.press("silences", **GOOD | {"matchers": "service=nothing"}, look="yes")
    assert "Nothing that fires now matches." in none.text


def test_a_link_fills_in_the_service(house: House) -> None:
    """From the incident's page; hostile links change nothing but the text."""
    assert ">service=keycloak</textarea>" in house.client().get("silences?service=keycloak").text
    text = house.client().get("silences", params={"service": f"</textarea>{EVIL}"}).text
    assert "<script>" not in text
    assert ">service=&lt;/textarea&gt;" in text


def test_hostile_signals_reasons_and_matchers_are_escaped(house: House) -> None:
    """Everything on the page comes from outside."""
    house.press("silences", **GOOD | {"matchers": f"alertname=.+\nx{EVIL}=.*", "reason": EVIL})
    house.services.intake.receive(
        [Signal(EVIL, {"alertname": EVIL, "service": EVIL}, EVIL, house.now)], house.now
    )
    text = page(house)
    assert "<script>" not in text
    assert text.count("&lt;script&gt;") >= 4
    assert "of operator" in part(house, "held")


def test_a_viewer_looks_and_cannot_act(house: House) -> None:
    """Neither make nor end; buttons and fields say why."""
    house.press("silences", **GOOD)
    before = house.services.intake.muting.lasting(house.now)
    text = house.client(VIEWER).get("silences").text
    main = text[text.index("<main") : text.index("</main>")]

    assert auth.NO_WRITE in main
    for tag in re.findall(r"<(?:button|textarea|select)[^>]*>", main):
        assert "disabled" in tag
    assert house.press("silences", VIEWER, **GOOD).status_code == 403
    assert house.press(f"silences/{before[0][0].id}/end", VIEWER).status_code == 403
    assert house.services.intake.muting.lasting(house.now) == before


def test_a_form_from_elsewhere_is_refused(house: House) -> None:
    """Making and ending carry the token, like every other write."""
    house.press("silences", **GOOD)
    (silence,), _ = house.services.intake.muting.lasting(house.now)
    for path in ("silences", f"silences/{silence.id}/end"):
        assert house.press(path, **GOOD, **{csrf.FIELD: "guess"}).status_code == 403
    assert house.services.intake.muting.lasting(house.now)[0] == [silence]


def test_many_muted_signals_do_not_make_the_page_heavy(house: House) -> None:
    """It says that there are more."""
    house.press("silences", **GOOD | {"matchers": "alertname=.+"})
    house.services.intake.receive([down(house, f"s{n}", note="x" * 300) for n in range(120)], house.now)
    text = page(house)
    assert "More than 60" in text
    assert len(text) < 60_000
