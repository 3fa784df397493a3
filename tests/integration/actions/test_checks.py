"""check.prometheus and check.http on a real Prometheus that scrapes a real exporter."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from incident_response.actions.check_http import HttpAnswers
from incident_response.actions.check_prometheus import MetricHolds
from incident_response.actions.kit import Kit
from incident_response.domain.actions import Finding
from incident_response.domain.connections import Connection
from incident_response.domain.errors import BadInput
from incident_response.domain.services import ServiceMap
from incident_response.parameters.registry import MODELS
from tests.support.exporter import Exporter
from tests.support.prometheus import Prometheus
from tests.support.scenes import incident, scene
from tests.support.waiting import wait_for

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    with Exporter() as exporter:
        yield exporter


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, exporter: Exporter) -> Iterator[Prometheus]:
    with Prometheus(tmp_path_factory.mktemp("prometheus"), exporter=exporter) as server:
        yield server


def now() -> datetime:
    return datetime.now(timezone.utc)


def look(server: Prometheus, action: str, began: datetime | None = None, **fields: Any) -> Finding:
    """One look, for an incident whose remediation began to act then."""
    connections = {"incident_response_prometheus": Connection(server.url)}
    kit = Kit(connections.get, None, ServiceMap, None, now)  # type: ignore[arg-type]
    asked = MODELS[action].model_validate(fields)
    made: Any = {"check.prometheus": MetricHolds, "check.http": HttpAnswers}[action](kit)
    found: Finding = made.look(scene(incident("api"), asked, started_at=began))
    return found


def test_a_metric_that_falls_below_its_limit_is_proven_after_its_time(
    server: Prometheus, exporter: Exporter
) -> None:
    """Not at once, not while one of two series is above it, and not again when it rises in between."""
    slow = {"query": "http_latency_seconds", "below": 0.5, "for": "3 s"}
    exporter.set("http_latency_seconds", 2.0, service="energy")
    exporter.set("http_latency_seconds", 0.1, service="profile")
    wait_for(lambda: look(server, "check.prometheus", **slow).data["series"] == 2, "both are scraped")
    bad = look(server, "check.prometheus", **slow)
    assert bad.proven is None
    assert "is not below 0.5: http_latency_seconds{" in bad.text
    assert "service=energy" in bad.text

    exporter.set("http_latency_seconds", 0.2, service="energy")
    began = now()
    wait_for(lambda: "has not yet been" in look(server, "check.prometheus", **slow).text, "it falls", 5)
    started = time.monotonic()
    wait_for(lambda: look(server, "check.prometheus", began, **slow).proven, "it has held", 12)
    assert time.monotonic() - started > 1
    proof = look(server, "check.prometheus", began, **slow)
    assert proof.text == "http_latency_seconds is below 0.5 in 2 series for 0:00:03"
    assert proof.exhibits[0].content.count("0.2 ") >= 2
    late = look(server, "check.prometheus", now(), **slow)
    assert (late.proven, "proven in 3 s" in late.text) == (None, True)


def test_a_number_now_is_enough_and_a_query_that_cannot_be_read_is_said(server: Prometheus) -> None:
    """`for: 0`; `up` is 1."""
    assert look(server, "check.prometheus", query="sum(up)", above=0, **{"for": 0}).proven is True
    assert look(server, "check.prometheus", query="sum(up)", above=1, **{"for": 0}).proven is None
    nothing = look(server, "check.prometheus", query="no_such_metric", above=1, **{"for": 0})
    assert (nothing.proven, "gives no series at all" in nothing.text) == (None, True)
    for length in (0, "3 s"):
        with pytest.raises(BadInput, match="cannot read the query"):
            look(server, "check.prometheus", query="sum(", above=1, **{"for": length})


def test_prometheus_itself_is_healthy(server: Prometheus) -> None:
    """By its own health page, three times in a row."""
    found = look(
        server, "check.http", conn_id="incident_response_prometheus", path="/-/healthy", body="Healthy",
        times=3, pause="0.1 s",
    )  # fmt: skip
    assert found.proven is True
    assert found.data["successes"] == 3
