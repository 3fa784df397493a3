"""What all docker actions share: their engine, and how much of the time they may take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from incident_response.clients.docker_api import Engine
from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.actions import Finding, Scene
from incident_response.domain.redaction import redact

from .docker_targets import FILE
from .kit import Kit

_SHARE = 0.9  # of the time, for the engine; the rest is for what comes after
MOST = 50  # entries in what a finding keeps
EXHIBIT = 64_000  # characters of an exhibit
_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,20}[ -/]{0,4}[@-~]")
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # refused by databases, no use to people


class Reader(Engine):
    """An engine for steps of runbooks, which run in a worker, and for checks, in the triggerer."""

    where = "where Airflow's workers and the triggerer run"


@contextmanager
def reading(kit: Kit, scene: Scene) -> Iterator[Engine]:
    """The engine, for looks and checks."""
    parameters = scene.parameters
    engine = Reader(parameters.action, kit.connection(parameters.conn_id), scene.seconds * _SHARE)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def writing(kit: Kit, scene: Scene) -> Iterator[WritingEngine]:
    """The engine, for changes."""
    parameters = scene.parameters
    engine = WritingEngine(parameters.action, kit.connection(parameters.conn_id), scene.seconds * _SHARE)
    try:
        yield engine
    finally:
        engine.close()


def nothing_known(scene: Scene) -> Finding:
    """When it is not known which container is meant."""
    service = scene.incident.service
    return Finding(f"No container is known for the service {service!r}; name one in the step, or in {FILE}")


def presentable(text: str) -> str:
    """The end of a text as evidence: without secrets, colours and what no database takes."""
    plain = _UNSTORABLE.sub(" ", _COLOURS.sub("", text[-2 * EXHIBIT :].replace("\r\n", "\n")))
    return redact(plain)[-EXHIBIT:]


def joined(texts: list[str], most: int = 200) -> str:
    """One sentence of several, cut."""
    text = "; ".join(texts)
    return text if len(text) <= most else f"{text[: most - 1]}…"
