"""Errors as pages: what happened, what was kept, what to do next. Programs get the same words as JSON."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from incident_response.domain.errors import (
    BadInput,
    IllegalTransition,
    IncidentNotFound,
    IncidentResponseError,
    PolicyError,
    RunbookNotFound,
    SchemaOutdated,
    SettingsError,
    StoreUnavailable,
)
from incident_response.domain.logs import logger

from .headers import secure
from .rendering import Pages, root, wants_html

log = logger(__name__)

# The most special class first; what to say above the error's own message, and what to do.
_ERRORS: tuple[tuple[type[IncidentResponseError], int, str, str], ...] = (
    (
        IncidentNotFound,
        404,
        "No such incident",
        "Look for it on the board; old incidents are deleted after the retention time.",
    ),
    (
        RunbookNotFound,
        409,
        "The runbook cannot be run",
        "Mend or add its file in include/runbooks. The incident is unchanged.",
    ),
    (
        IllegalTransition,
        409,
        "Not possible any more",
        "Somebody or something was faster. Look at the incident as it is now.",
    ),
    (
        SchemaOutdated,
        503,
        "The store has to be migrated",
        "Run `python -m incident_response migrate`, then load this page again.",
    ),
    (StoreUnavailable, 503, "The store is away", ""),
    (
        SettingsError,
        503,
        "A setting is not valid",
        "Correct it and restart Airflow's API server. Incidents in the store are untouched.",
    ),
    (
        PolicyError,
        503,
        "A file in include/ is not valid",
        "Correct the file; it is read again by itself. Incidents in the store are untouched.",
    ),
    (BadInput, 422, "That cannot be used", "Go back and correct it."),
    (
        IncidentResponseError,
        500,
        "That did not work",
        "Load the page again; if it stays, look at the log of Airflow's API server.",
    ),
)


def install(app: FastAPI) -> None:
    """Give every error its page."""
    for error, status, title, remedy in _ERRORS:
        app.add_exception_handler(error, _handler(status, title, remedy))
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(
        RequestValidationError, _handler(422, "That cannot be used", "Go back and correct it.")
    )
    app.add_exception_handler(Exception, _unexpected)


def _handler(status: int, title: str, remedy: str) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        advice = remedy or _what_is_kept(request)
        return answer(request, status, title, str(error), advice)

    return handle


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 401:
        return _log_in(request)
    titles = {403: "Not allowed", 404: "Not found", 413: "Too large", 415: "Not a form"}
    return answer(
        request, error.status_code, titles.get(error.status_code, "That did not work"), str(error.detail), ""
    )


def _unexpected(request: Request, error: Exception) -> Response:
    # The framework logs it with its traceback after this answer; details stay in the log.
    log.error("%s on %s: %s", type(error).__name__, request.url.path, error)
    remedy = "Nothing was half done: a command is one transaction. Details: the log of Airflow's API server."
    response = answer(request, 500, "Something unexpected happened", type(error).__name__, remedy)
    secure(response.headers)  # this answer is given outside of all middleware
    return response


def _log_in(request: Request) -> Response:
    """401 with a way in, and back to the page that was asked for if it can be asked for again."""
    if not wants_html(request.headers):
        return JSONResponse({"detail": "Not authenticated"}, 401, headers={"WWW-Authenticate": "Bearer"})
    here = request.scope["path"] if request.method == "GET" else request.scope.get("root_path", "") + "/"
    login = f"{root(request)}../api/v2/auth/login?next={quote(here, safe='')}"
    return HTMLResponse(_pages(request).render("anonymous.html", login=login), 401)


def answer(request: Request, status: int, title: str, message: str, remedy: str) -> Response:
    """An error for a browser or for a program, with what the person had written."""
    if not wants_html(request.headers):
        return JSONResponse({"detail": message, "remedy": remedy}, status)
    form = getattr(request.state, "form", {})
    written = {name: text for name, text in form.items() if name in _TYPED and text.strip()}
    text = _pages(request).render(
        "problem.html",
        frame="layout.html",
        root=root(request),
        title=title,
        message=message,
        remedy=remedy,
        written=written,
        status=status,
    )
    return HTMLResponse(text, status)


_TYPED = ("title", "description", "service", "text", "resolution", "reason", "into")


def _what_is_kept(request: Request) -> str:
    """Said when the store is away: what waits in files meanwhile, and what to do."""
    try:
        count = request.app.state.services().spool.waiting()
        waiting = f"{count} signal file{' waits' if count == 1 else 's wait'} in the spool folder."
    except (IncidentResponseError, OSError) as error:
        waiting = f"How many signals wait in files could not be counted ({error})."
    return (
        f"{waiting} Failing pipelines keep writing their signals to files, and the clock takes them in when "
        "the store is back: nothing is lost, but nobody is paged until then. Start the database, or correct "
        "[incident_response] store_url. This page tries again by itself."
    )


def _pages(request: Request) -> Pages:
    found: Pages = request.app.state.pages
    return found
