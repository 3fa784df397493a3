"""data.missing: which dates or partitions ought to be in a table and are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from incident_response.clients.sql_reading import Question, Rows
from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.errors import BadInput
from incident_response.domain.redaction import one_line, redact
from incident_response.parameters.base import Parameters
from incident_response.parameters.calendars import MOST_KEYS, Calendar, following, key_of
from incident_response.parameters.data_steps import OWN_VALUES, DataMissing
from incident_response.sql_text import bind_names

from .airflow_records import listed
from .data_keys import calendar_key, plain_key
from .data_reading import read
from .kit import Kit

MISSING = "data_missing"
GAP = "data_gap"  # what is missing lies where the ingestion never looks again
_MOST_TEXT = 60_000  # characters of the exhibit


class FindMissing:
    """Two SELECTs at most, in a transaction that only reads; all the rest is arithmetic."""

    parameters: ClassVar[type[Parameters]] = DataMissing

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """The missing keys. Raises SourceUnavailable, NotConfigured, BadInput."""
        asked: DataMissing = scene.parameters
        starts = _starts(asked.expected, self._kit.now()) if isinstance(asked.expected, Calendar) else []
        answers = self._read(asked, starts, scene.seconds)
        if isinstance(asked.expected, Calendar):
            every, zone = asked.expected.every, asked.expected.zone
            expected = [key_of(start, every) for start in starts]
            present = {calendar_key(value, every, zone) for value in _column(answers["present"], "present")}
        else:
            every, zone = None, "UTC"
            expected = [plain_key(value) for value in _column(answers["expected"], "expected")]
            present = {plain_key(value) for value in _column(answers["present"], "present")}
        wanted = list(dict.fromkeys(expected))
        if not wanted:
            raise BadInput("the SQL of `expected` returns no key, so nothing could be missing; correct it")
        missing = [key for key in wanted if key not in present]
        unreachable = _unreachable(asked, answers, missing)
        data = {
            "missing": missing[: asked.most],
            "unreachable": unreachable[: asked.most],
            "count": len(missing),
            "expected": len(wanted),
            "table": one_line(asked.table, 200),
            "conn_id": asked.conn_id,
            "every": every,
            "zone": zone,
        }
        if not missing:
            return Finding(one_line(f"{asked.table}: none of {len(wanted)} keys is missing", 200), data)
        text = f"{asked.table}: {len(missing)} of {len(wanted)} keys are missing: {listed(missing)}"
        if unreachable:
            text += f"; {len(unreachable)} of them lie before the checkpoint, so no run ingests them again"
        causes = (MISSING, GAP) if unreachable else (MISSING,)
        shown = redact("\n".join(missing))[-_MOST_TEXT:]
        return Finding(one_line(text, 200), data, (Exhibit("missing-keys.txt", shown),), causes)

    def _read(self, asked: DataMissing, starts: Sequence[datetime], seconds: float) -> Mapping[str, Rows]:
        given = {**asked.parameters, **_own(asked, starts)}
        sqls = {"present": asked.present}
        if not isinstance(asked.expected, Calendar):
            sqls["expected"] = asked.expected.sql
        if asked.checkpoint:
            sqls["checkpoint"] = asked.checkpoint
        questions = [
            Question(name, sql, {key: given[key] for key in bind_names(sql)}, MOST_KEYS)
            for name, sql in sqls.items()
        ]
        return read(self._kit, DataMissing.action, asked.conn_id, questions, seconds)


def _unreachable(asked: DataMissing, answers: Mapping[str, Rows], missing: Sequence[str]) -> list[str]:
    """The missing keys of periods that ended before the checkpoint. Without one none is known to be so."""
    if not asked.checkpoint or not isinstance(asked.expected, Calendar):
        return []
    found = _column(answers["checkpoint"], "checkpoint")
    if not found:
        return []  # nothing was ever ingested: it begins at the beginning
    first = calendar_key(min(found), asked.expected.every, asked.expected.zone)
    return [key for key in missing if key < first]


def _starts(calendar: Calendar, now: datetime) -> list[datetime]:
    try:
        return calendar.starts(now)
    except ValueError as error:
        raise BadInput(f"data.missing: {error}") from None


def _own(asked: DataMissing, starts: Sequence[datetime]) -> Mapping[str, Any]:
    """`:since` and `:until` of a calendar; dates where the keys are dates, so that no zone comes in."""
    if not isinstance(asked.expected, Calendar) or frozenset(asked.parameters) >= OWN_VALUES:
        return {}
    ends = {
        "since": starts[0],
        "until": following(starts[-1], asked.expected.every, asked.expected.zone),
    }
    values = ends if asked.expected.every == "hour" else {name: end.date() for name, end in ends.items()}
    return {name: value for name, value in values.items() if name not in asked.parameters}


def _column(answer: Rows, name: str) -> list[Any]:
    """The values of its one column but NULL."""
    if len(answer.columns) != 1:
        raise BadInput(f"the SQL of `{name}` returns {len(answer.columns)} columns; it must return the key")
    if answer.more or len(answer.rows) > MOST_KEYS:
        raise BadInput(
            f"the SQL of `{name}` returns more than {MOST_KEYS} rows; write SELECT DISTINCT, and keep to the "
            "calendar with :since and :until"
        )
    return [row[0] for row in answer.rows if row[0] is not None]
