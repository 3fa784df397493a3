"""No way in without a login."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from tests.web.conftest import House
from tests.web.walking import addresses, open_doors


def test_every_route_refuses_somebody_who_is_not_logged_in(house: House) -> None:
    """Pages, fragments, forms, static files, downloads, and addresses that lead nowhere."""
    assert len(list(addresses(house.app))) > 20
    assert open_doors(house.app, house.client(None)) == []


def test_a_route_added_later_is_behind_the_login_by_itself(house: House) -> None:
    """The dependency belongs to the app, so nobody has to remember it."""
    router = APIRouter()
    router.add_api_route("/later/on", lambda: "secret")
    house.app.include_router(router)
    house.app.router.routes.insert(0, house.app.router.routes.pop())

    assert open_doors(house.app, house.client(None)) == []
    assert house.client().get("later/on").text == '"secret"'


def test_a_mount_that_escapes_the_login_is_found(house: House, tmp_path) -> None:
    """This proves the walk: a folder of files knows nothing of dependencies."""
    house.app.mount("/files", StaticFiles(directory=tmp_path))
    house.app.router.routes.insert(0, house.app.router.routes.pop())

    assert open_doors(house.app, house.client(None)) == ["GET /files/anything: 404"]


def test_a_bare_route_that_escapes_the_login_is_found(house: House) -> None:
    """So does a route of the framework below."""
    house.app.router.routes.insert(0, Route("/bare", lambda request: PlainTextResponse("secret")))

    assert open_doors(house.app, house.client(None)) == ["GET /bare: 200", "HEAD /bare: 200"]


def test_a_browser_is_shown_the_way_to_the_login(house: House) -> None:
    """A friendly page, and still a 401."""
    answer = house.client(None).get("42")

    assert answer.status_code == 401
    assert 'href="../api/v2/auth/login?next=%2Fincidents%2F42"' in answer.text


def test_a_program_is_refused_in_json(house: House) -> None:
    """With the scheme that it has to use."""
    answer = house.client(None).get("", headers={"accept": "application/json"})

    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
    assert answer.headers["www-authenticate"] == "Bearer"


def test_documentation_of_the_api_is_off(house: House) -> None:
    """It would be open to everybody."""
    for path in ("docs", "redoc", "openapi.json"):
        assert house.client().get(path).status_code == 404
