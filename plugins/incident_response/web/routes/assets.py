"""Style, scripts and icons: nothing secret, yet behind the login, so that the rule has no hole."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

router = APIRouter()


@router.get("/static/{name}")
def asset(name: str, request: Request) -> Response:
    """One file. With the current version in the address it may be kept for ever."""
    assets = request.app.state.pages.assets
    found = assets.get(name)
    if found is None:
        raise HTTPException(404, f"There is no file {name!r}.")
    current = request.query_params.get("v") == assets.digest
    headers = {"Cache-Control": "private, max-age=31536000, immutable" if current else "private, max-age=300"}
    return Response(found.content, media_type=found.kind, headers=headers)
