"""The documented contract of the webhooks, tried out by a tool that reads it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode

from incident_response.domain.records import IntegrationKind
from tests.support import REPOSITORY
from tests.web.conftest import House
from tests.web.hooking import PATHS, Senders

_QUIET = settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def documented(house: House, caplog: pytest.LogCaptureFixture) -> Iterator[schemathesis.BaseSchema]:
    """The document, served by the app it describes; afterwards no token is in any line of the log."""
    caplog.set_level(logging.DEBUG)
    content = yaml.safe_load((REPOSITORY / "docs" / "webhooks.openapi.yaml").read_text())
    house.outer.add_api_route("/contract.json", lambda: content)
    house.outer.state.senders = senders = Senders(house)
    yield schemathesis.openapi.from_asgi("/contract.json", house.outer)
    for token in senders.tokens.values():
        assert token not in caplog.text
        assert token.split("_")[-1] not in caplog.text


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("kind", list(IntegrationKind), ids=lambda kind: kind.value)
def test_whatever_the_contract_allows_or_forbids_is_answered(
    documented: schemathesis.BaseSchema, house: House, kind: IntegrationKind, mode: GenerationMode
) -> None:
    """Bodies that follow it and bodies that break it: never a 5xx, only answers that it names."""
    operation = documented[f"/{PATHS[kind]}"]["POST"]
    token = house.outer.state.senders.tokens[kind]
    named = {int(status) for status in operation.definition.raw["responses"]}
    answers: set[int] = set()

    @_QUIET
    @given(operation.as_strategy(generation_mode=mode))
    def attempt(case: Case) -> None:
        headers = {"authorization": f"Bearer {token}"}
        if kind is IntegrationKind.PAGERDUTY and isinstance(case.body, dict):
            case.body = {**case.body, "routing_key": token}
            headers = {}
        answer = case.call(headers=headers)
        answers.add(answer.status_code)
        assert answer.status_code in named, (answer.status_code, answer.text)
        assert "Traceback" not in answer.text

    attempt()
    assert max(answers) < 500
    if mode is GenerationMode.POSITIVE:
        assert answers & {200, 202}
