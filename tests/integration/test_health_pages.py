"""The function behind a repaired service, by its real health page: well, broken, away, or not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from incident_response.actions.check_service import ServiceAnswers
from incident_response.actions.kit import Kit
from incident_response.detectors.registry import Detectors
from incident_response.domain.actions import Finding
from incident_response.domain.services import Container, Service, ServiceMap
from incident_response.parameters.registry import MODELS
from incident_response.settings import Settings
from incident_response.sources.http_health import HttpHealthSource
from tests.support.scenes import incident, scene

pytestmark = pytest.mark.integration


class Page:
    """A health page that answers what it is told to."""

    status = 200

    @contextmanager
    def served(self) -> Iterator[str]:
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(page.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/health"
        finally:
            server.shutdown()
            server.server_close()


def look(url: str, about: str, done: Mapping[str, Mapping[str, Any]] | None = None) -> Finding:
    targets = [{"service": "profile", "url": url}]
    source = HttpHealthSource.model_validate({"name": "pages", "kind": "http_health", "targets": targets})
    nothing: Any = None
    services = ServiceMap([Service("profile", container=Container("profile-1")), Service("other")])
    detectors = Detectors(lambda: (source,), lambda _: None, nothing, Settings())
    pages = detectors.witnesses(lambda: services).pages
    now = datetime.now(timezone.utc)
    kit = Kit(lambda _: None, nothing, lambda: services, nothing, lambda: now, pages)
    asked = MODELS["check.service"].model_validate({})
    return ServiceAnswers(kit).look(scene(incident(about), asked, done=done or {}))


def test_a_page_that_answers_is_proof_and_one_that_does_not_is_none() -> None:
    """Also of a service whose container was restarted for another one's sake."""
    page = Page()
    with page.served() as url:
        assert look(url, "profile").proven is True
        restarted = {"restart": {"container": "profile-1"}}
        assert look(url, "other", restarted).data["pages"] == {"profile": "well"}
        page.status = 502
        found = look(url, "profile")
        assert (found.proven, "502" in found.text) == (None, True)
    assert look(url, "profile").proven is None, "nobody listens any more"


def test_a_service_without_a_page_proves_nothing() -> None:
    """And the remedy is told."""
    with Page().served() as url:
        found = look(url, "other")
    assert (found.proven, found.empty) == (True, True)
    assert "No health page of other is known; add it as a target to detectors.yaml" in found.text
