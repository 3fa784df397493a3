"""The factory of the page's application."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import Depends, FastAPI

from incident_response import bootstrap

from . import auth, headers, problems
from .hooks import app as hooks
from .rendering import pages
from .routes import (
    assets,
    automation,
    board,
    commands,
    detectors,
    grouping,
    incident,
    lost,
    person_report,
    report,
    rules,
    silences,
)


def create_app(
    services: Callable[[], bootstrap.Services] = bootstrap.services,
    now: Callable[[], datetime] = bootstrap.now,
) -> FastAPI:
    """The page. `services` is called in each request, after the login: it may fail, the app does not."""
    # The app's own dependency stands before every route, also before later ones. A mount escapes it, so there
    # are only those of the hooks, which bring their own; so would the generated documentation, which is off.
    app = FastAPI(
        title="Incidents",
        dependencies=[Depends(auth.reader)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services, app.state.now, app.state.pages = services, now, pages()
    app.add_middleware(headers.SecurityHeaders)
    problems.install(app)
    hooks.install(app, lambda: app.state.services(), lambda: app.state.now())
    for routes in (
        board,
        person_report,
        silences,
        rules,
        detectors,
        automation,
        assets,
        report,
        commands,
        grouping,
        incident,
        lost,
    ):  # `lost` takes what is left
        app.include_router(routes.router)
    return app
