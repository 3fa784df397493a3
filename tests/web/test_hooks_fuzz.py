"""Thousands of bodies and headers that no honest sender sends: never a 5xx, nothing half written, no word."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_response.domain.records import IntegrationKind
from tests.web.conftest import House
from tests.web.hooking import PATHS, Senders, Wire, body

KINDS = list(IntegrationKind)
VALID: dict[IntegrationKind, list[Any]] = {
    IntegrationKind.ALERTMANAGER: [body("alertmanager_firing"), body("alertmanager_resolved")],
    IntegrationKind.GRAFANA: [body("grafana")],
    IntegrationKind.PAGERDUTY: [
        body("pagerduty_trigger"),
        body("pagerduty_resolve_of_alertmanager"),
        {"event_action": "acknowledge", "dedup_key": "billing/disk"},
    ],
    IntegrationKind.SIGNAL: [
        {"title": "a", "severity": "P1", "service": "b", "key": "k", "labels": {"alertname": "DiskSpaceLow"}},
        {"key": "k", "status": "resolved", "occurred_at": "2026-01-15T01:00:00Z"},
        {"summary": "a", "description": "b", "reporter": "c", "occurred_at": "2026-01-15T01:00:00+02:00"},
    ],
}

patient = settings(
    deadline=None, max_examples=250, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)

odd = st.sampled_from(
    [
        "", " ", "\x00", "\ud800", "\udfff\ud800", "‮", "𝔘" * 50, "x" * 5000, "0001-01-01T00:00:00Z", "firing",
        "9999-12-31T23:59:59-23:59", "0000-00-00", "{alertname}", "%s%n", "'; DROP TABLE incidents; --", "P1",
        "<script>", "../../etc/passwd", "password=hunter2", "postgresql://u:p@h/d", "NaN", "null", "\r\nX: y",
    ]
)  # fmt: skip
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**4000), 2**63, 1e308, -0.0, 5e-324])
    | st.floats(allow_nan=True)
    | st.text(st.characters(codec=None), max_size=20)
    | odd
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | odd, inner, max_size=4),
    max_leaves=12,
)
raw = (
    st.binary(max_size=200)
    | values.map(lambda value: _text(value).encode("utf-16", "surrogatepass"))
    | values.map(lambda value: _text(value).encode("latin-1", "replace"))
    | st.tuples(values, st.integers(0, 60)).map(lambda cut: _text(cut[0]).encode(errors="replace")[: cut[1]])
    | values.map(lambda value: _text(value).encode(errors="surrogatepass"))
)
_ALERT = b'{"status":"firing","labels":{"a":"b"}}'
MONSTERS = [
    b"", b"\xff\xfe", b"\xef\xbb\xbf", b"[" * 200_000, b'{"a":' * 100_000, b"[" * 33 + b"]" * 33,
    b'{"alerts":' + b"[" * 50 + b"]" * 50 + b"}", b'"\\ud800"', b'{"a":"\\u0000"}', b"1" * 100_000,
    b"1e999", b"-", b"tru", b"\x00" * 1000, b'{"a":1}garbage', b"x" * 1_100_000, b" " * 8_388_609,
    b'{"title":"' + b"x" * 1_040_000 + b'"}', b'["' + b"\\u0000" * 100_000 + b'"]',
    b'{"version":"4","alerts":[' + b",".join([_ALERT] * 20_001) + b"]}",
    b'{"version":"4","alerts":[' + b",".join([b"{}"] * 1000) + b"]}",
    b'{"title":"a","description":"' + b"password=" * 2000 + b'"}',
    b'{"title":"a","labels":{' + b",".join(b'"l%d":"x"' % n for n in range(20_000)) + b"}}",
]  # fmt: skip


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@st.composite
def mutated(draw: st.DrawFn, kind: IntegrationKind) -> Any:
    """A body that was valid, with one to three of its places changed, removed or added."""
    document = copy.deepcopy(draw(st.sampled_from(VALID[kind])))
    for _ in range(draw(st.integers(1, 3))):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if isinstance(place, dict) and draw(st.integers(0, 4)) == 0:
                del place[key]
            elif isinstance(place, list) and draw(st.integers(0, 4)) == 0:
                place.append(draw(values))
            else:
                place[key] = draw(values)
            break
    return document


class Fuzzed:
    """A house whose hooks are tried; each request is checked."""

    def __init__(self, house: House) -> None:
        self.house, self.senders, self.wire = house, Senders(house), Wire(house.app)
        self.answers: set[int] = set()
        self.revoked = house.services.integrations.add("old", KINDS[0], {}, "test", house.now)[1]
        house.services.integrations.revoke("old", house.now)

    def check(self, kind: IntegrationKind, content: bytes, headers: dict[str, bytes] | None = None) -> int:
        """Send it: no 5xx, JSON in any case, and what is refused has changed nothing."""
        self.house.later(seconds=1)
        if headers is None:
            headers = {"authorization": f"Bearer {self.senders.tokens[kind]}".encode()}
        before = self._kept()
        status, answer = self.wire.post(PATHS[kind], [content], headers)
        assert status < 500, answer
        assert status in (200, 202) or self._kept() == before
        assert b"Traceback" not in answer
        assert isinstance(json.loads(answer), dict)
        for token in (*self.senders.tokens.values(), self.revoked):
            assert token.encode() not in answer
        self.answers.add(status)
        return status

    def _kept(self) -> list[Any]:
        state = self.house.services.store._committed  # type: ignore[attr-defined]
        return [state.incidents, state.signals, state.events, state.outbox]


@pytest.fixture
def fuzzed(house: House, caplog: pytest.LogCaptureFixture) -> Iterator[Fuzzed]:
    caplog.set_level(logging.DEBUG)
    one = Fuzzed(house)
    yield one
    one.wire.close()
    for token in (*one.senders.tokens.values(), one.revoked):
        assert token not in caplog.text
        assert token.split("_", 2)[2] not in caplog.text
    assert "Traceback" not in caplog.text
    assert "hunter2" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("kind", KINDS)
def test_monsters_are_answered(fuzzed: Fuzzed, kind: IntegrationKind) -> None:
    """Huge, deep, endless, empty."""
    for monster in MONSTERS:
        fuzzed.check(kind, monster)
    assert 413 in fuzzed.answers


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_any_kind_are_answered(fuzzed: Fuzzed, kind: IntegrationKind) -> None:
    """Broken, cut off, wrongly encoded, or JSON of any shape."""

    @patient
    @given(raw)
    def attempt(content: bytes) -> None:
        fuzzed.check(kind, content)

    attempt()
    assert 400 in fuzzed.answers


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_that_were_valid_are_answered(fuzzed: Fuzzed, kind: IntegrationKind) -> None:
    """With anything in any place: taken as a whole or refused as a whole."""

    @patient
    @given(mutated(kind))
    def attempt(document: Any) -> None:
        if kind is IntegrationKind.PAGERDUTY and isinstance(document, dict):
            document["routing_key"] = fuzzed.senders.tokens[kind]
        fuzzed.check(kind, json.dumps(document).encode())

    attempt()
    assert fuzzed.answers & {200, 202}
    assert fuzzed.answers & {400, 422}


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_of_any_kind_are_answered(fuzzed: Fuzzed, kind: IntegrationKind) -> None:
    """Only the right one opens; the others never write, whatever stands around them."""
    right = fuzzed.senders.tokens[kind]
    pieces = st.sampled_from(
        [right[:-1], right + "=", right.swapcase(), fuzzed.revoked, "ir__", "ir_" + "0" * 12, "", "\x00"]
        + [token for other, token in fuzzed.senders.tokens.items() if other is not kind]
    ) | st.text(st.characters(codec="latin-1"), max_size=70)
    schemes = st.sampled_from(
        ["Bearer ", "bearer\t", "Basic ", "BASIC  ", "", "Negotiate ", "Bearer Bearer "]
    )

    @patient
    @given(schemes, pieces, st.sampled_from(VALID[kind]))
    def attempt(scheme: str, token: str, document: Any) -> None:
        if kind is IntegrationKind.PAGERDUTY:
            document = {**document, "routing_key": token}
        headers = {"authorization": (scheme + token).encode("latin-1", "replace")}
        assert fuzzed.check(kind, json.dumps(document).encode(), headers) in (401, 403)

    attempt()
    assert fuzzed.senders.open() == []
