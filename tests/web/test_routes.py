"""No way in without a login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from incident_response.web import auth
from incident_response.web.hooks import door
from tests.web.conftest import House
from tests.web.walking import addresses, open_doors


def test_every_route_refuses_somebody_who_is_not_logged_in(house: House) -> None:
    """Pages, fragments, forms, static files, downloads, and addresses that lead nowhere."""
    assert len(list(addresses(house.app))) > 20
    assert open_doors(house.app, house.client(None)) == []


def test_every_route_has_an_authorisation_dependency(house: House) -> None:
    """Pages ask Airflow who is looking, hooks ask for a token; a route that asks neither is found here."""
    doors = {auth.reader: [], door.by_header: [], door.by_routing_key: []}
    for path, route in _routes(house.app):
        asked = _asked(route.dependant) & set(doors)
        assert len(asked) == 1, f"{path} asks {asked or 'nobody'}"
        doors[asked.pop()].append(path)
    assert all(path.startswith("/hooks/pagerduty/") for path in doors[door.by_routing_key])
    assert set(doors[door.by_header]) == {
        "/hooks/alertmanager", "/hooks/grafana", "/hooks/signal", "/hooks/{path:path}",
    }  # fmt: skip
    assert len(doors[auth.reader]) > 15


def test_a_hook_added_later_is_behind_the_token_by_itself(house: House) -> None:
    """The dependency belongs to the hooks' app, too."""
    (hooks,) = (route.app for route in house.app.routes if route.path == "/hooks")
    hooks.add_api_route("/later", lambda: "secret", methods=["POST"])
    hooks.router.routes.insert(0, hooks.router.routes.pop())

    assert house.client(None).post("hooks/later").status_code == 401
    assert open_doors(house.app, house.client(None)) == []


def _routes(app: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for route in app.routes:
        if isinstance(route, Mount):
            yield from _routes(route.app, prefix + route.path)
        else:
            yield prefix + route.path, route


def _asked(dependant: Any) -> set[Any]:
    """Everything that a route depends on, however deep."""
    return {dependant.call}.union(*(_asked(inner) for inner in dependant.dependencies))


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
