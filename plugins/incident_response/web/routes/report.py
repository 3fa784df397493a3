"""The incident report: to read, and to take along as Markdown."""

from __future__ import annotations

from fastapi import APIRouter, Response

from incident_response.web.context import Services, ThePage
from incident_response.web.routes.incident import numbered

router = APIRouter()


@router.get("/{key}/report")
def report(key: str, services: Services, page: ThePage) -> Response:
    """As it can be written now."""
    number = numbered(key)
    text = services.review.report(number)
    return page.show("report.html", number=number, text=text)


@router.get("/{key}/report.md")
def download(key: str, services: Services) -> Response:
    """The same, as a file."""
    number = numbered(key)
    headers = {"Content-Disposition": f'attachment; filename="INC-{number}.md"', "Cache-Control": "no-store"}
    return Response(
        services.review.report(number), media_type="text/markdown; charset=utf-8", headers=headers
    )
