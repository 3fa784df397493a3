"""What a route asks for: the services and the time, both from whoever made the app."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from incident_response import bootstrap
from incident_response.domain.errors import PolicyError

from .auth import Visitor, reader
from .rendering import Page, Pages


def _services(request: Request, _: Annotated[Visitor, Depends(reader)]) -> bootstrap.Services:
    # After the reader: whoever is not logged in does not learn what is broken.
    found: bootstrap.Services = request.app.state.services()
    return found


def _now(request: Request) -> datetime:
    moment: datetime = request.app.state.now()
    return moment


def _page(
    request: Request,
    who: Annotated[Visitor, Depends(reader)],
    services: Annotated[bootstrap.Services, Depends(_services)],
    now: Annotated[datetime, Depends(_now)],
) -> Page:
    pages: Pages = request.app.state.pages
    return Page(pages, request, who, now, _zone(services))


def _zone(services: bootstrap.Services) -> str:
    try:
        return services.library.current().hours.zone
    except PolicyError:
        return "UTC"  # the banner names the broken file


Services = Annotated[bootstrap.Services, Depends(_services)]
Now = Annotated[datetime, Depends(_now)]
ThePage = Annotated[Page, Depends(_page)]
