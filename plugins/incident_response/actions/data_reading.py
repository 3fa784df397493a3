"""Asking a database of the user's: SELECTs in transactions that only read, all of it within one time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from incident_response.clients.giving_up import Patience
from incident_response.clients.sql_engine import engine
from incident_response.clients.sql_reading import Broken, Question, Reading, Rows
from incident_response.domain.errors import BadInput, SourceUnavailable

from .kit import Kit

_SLOW = re.compile(r"timeout|no answer within|canceling statement|lock", re.I)


def read(
    kit: Kit, action: str, conn_id: str, questions: Sequence[Question], seconds: float
) -> Mapping[str, Rows]:
    """Every answer, by the name of its question. Raises SourceUnavailable, NotConfigured, BadInput."""
    connection = kit.connection(conn_id)
    place = f"{action} ({conn_id})"
    reading = Reading(
        engine(connection, seconds, place), questions, seconds, seconds, place, connection.password
    )
    try:
        Patience(place).wait(reading, seconds)
    except TimeoutError as error:
        raise SourceUnavailable(f"{place}: {error}; check whether the database answers") from None
    return {one.name: _rows(reading.answers.get(one.name), one.name, place) for one in questions}


def _rows(answer: Rows | Broken | None, name: str, place: str) -> Rows:
    if answer is None:
        raise SourceUnavailable(f"{place}: no time was left for the SQL of `{name}`; give the step more time")
    if isinstance(answer, Broken):
        told = f"{place}: the SQL of `{name}` cannot be run: {answer.why}"
        if _SLOW.search(answer.why):
            raise SourceUnavailable(f"{told}; it is asked again, or make it faster with a narrower time")
        raise BadInput(f"{told}; correct it in the runbook")
    return answer
