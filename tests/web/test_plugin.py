"""What Airflow's plugin loader gets."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

from fastapi import FastAPI
from starlette.testclient import TestClient

from incident_response.web import app as web_app
from incident_response.web import auth, plugin
from tests.support import REPOSITORY
from tests.web.conftest import OPERATOR


def test_importing_it_costs_next_to_nothing() -> None:
    """Every worker and every triggerer loads plugins, and none of them needs the page."""
    code = (
        "import sys; import incident_response.web.plugin as p; "
        "print([m for m in ('fastapi', 'jinja2', 'sqlalchemy', 'airflow', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(REPOSITORY / "plugins")},
    )
    assert done.stdout.strip() == "[]"


def test_addresses_are_relative() -> None:
    """An absolute one breaks where Airflow is served under a path."""
    view = plugin.EXTERNAL_VIEWS[0]
    assert not [view[name] for name in ("href", "icon", "icon_dark_mode") if view[name].startswith("/")]
    assert plugin.FASTAPI_APPS[0]["url_prefix"] == "/incidents"


def test_the_app_is_made_once_at_the_first_request(monkeypatch) -> None:
    """And answers under Airflow's mount."""
    made = []

    def create() -> FastAPI:
        made.append(web_app.create_app(lambda: SimpleNamespace()))
        made[-1].dependency_overrides[auth.visitor] = lambda: OPERATOR
        return made[-1]

    monkeypatch.setattr(plugin, "_make", create)
    outer = FastAPI()
    outer.mount("/incidents", plugin.Incidents())
    assert made == []

    with TestClient(outer) as client:
        assert client.get("/incidents/static/page.css").status_code == 200
        assert client.get("/incidents/static/icon.svg").status_code == 200

    assert len(made) == 1
