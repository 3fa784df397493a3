"""Whatever no other route answers: still behind the login, so that nobody can tell what exists."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

router = APIRouter()


@router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def lost(path: str) -> None:
    """Always 404."""
    raise HTTPException(404, f"There is no page {path!r} here.")
