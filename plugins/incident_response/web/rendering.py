"""Templates to answers: always escaped, relative addresses, and 304 for what has not changed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from incident_response.domain.safe_text import lines

from . import csrf, markdown
from .assets import Assets
from .auth import NO_WRITE, Visitor, secret
from .clockface import Clockface, lateness, length

_FOLDER = Path(__file__).parent
# What the reader's own clock renews (static/clock.js) is no change: relative times, and how full bars are.
_TICKING = re.compile(r'(<time data-(?:age|due)[^>]*>)[^<]*|( value="[0-9.]+")(?=[^>]*></progress>)')


class Pages:
    """The templates and static files of the page, read once."""

    def __init__(self) -> None:
        self.assets = Assets(_FOLDER / "static")
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=_seen,
        )
        self._templates.filters |= {
            "lasting": length,
            "lateness": lateness,
            "markdown": markdown.render,
            "matching": matching,
            "part": lambda text: quote(text, safe=""),
            "pretty": pretty,
        }

    def render(self, template: str, **context: Any) -> str:
        """The text of one template."""
        return self._templates.get_template(template).render(version=self.assets.digest, **context)


@cache
def pages() -> Pages:
    """One for the whole process: compiled templates are shared."""
    return Pages()


@dataclass(frozen=True)
class Page:
    """One answer to one person at one time."""

    pages: Pages
    request: Request
    who: Visitor
    now: datetime
    zone: str

    def show(self, template: str, status: int = 200, **context: Any) -> Response:
        """The whole page; or, with `?live`, only what changes by itself, and 304 while it has not changed."""
        live = "live" in self.request.query_params
        text = self.pages.render(
            template,
            frame="live.html" if live else "layout.html",
            root=root(self.request),
            who=self.who,
            why_not="" if self.who.may_write else NO_WRITE,
            csrf=csrf.token(secret(), self.who.id),
            t=Clockface(self.now, self.zone),
            **context,
        )
        if not live:
            return HTMLResponse(text, status)
        tag = etag(text)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Now": self.now.isoformat()}
        if self.request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(text, headers=headers)


def etag(text: str) -> str:
    """Names what a page says, apart from what ticks by itself."""
    lasting = _TICKING.sub(lambda found: found.group(1) or "", text)
    return f'"{hashlib.sha256(lasting.encode()).hexdigest()[:20]}"'


def root(request: Request) -> str:
    """The way from the requested page up to the board: "", or "../" once per folder, under any prefix."""
    path, prefix = str(request.scope["path"]), str(request.scope.get("root_path", ""))
    inside = path[len(prefix) :] if path.startswith(prefix) else path
    return "../" * max(inside.count("/") - 1, 0)


def _seen(value: Any) -> Any:
    """What is said, without signs that nobody sees; the markup is escaped behind this."""
    return lines(value) if type(value) is str else value


def pretty(value: Any) -> str:
    """Evidence as text: texts as they are, the rest as JSON, on one line where it fits."""
    if isinstance(value, str):
        return value
    short = json.dumps(value, ensure_ascii=False, default=str)
    return short if len(short) <= 100 else json.dumps(value, indent=1, ensure_ascii=False, default=str)


def matching(text: str) -> str:
    """A regular expression for exactly this text, as people would write it."""
    return re.sub(r"[\\^$.|?*+()\[\]{},]", lambda found: "\\" + found.group(), text)


def wants_html(headers: Mapping[str, str]) -> bool:
    """True for a browser, False for a program."""
    return "text/html" in headers.get("accept", "")
