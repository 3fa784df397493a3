"""data.rows: what a database says about the trouble, for whoever reads the incident."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from incident_response.clients.sql_reading import Question
from incident_response.clients.sql_showing import sample
from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.data_steps import DataRows

from .airflow_records import listed
from .data_reading import read
from .kit import Kit

_IN_DATA = 20  # rows that the page and later steps see; the exhibit has all that were asked for


class ShowRows:
    """One SELECT; its rows are evidence, whatever they say."""

    parameters: ClassVar[type[Parameters]] = DataRows

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """The rows. Raises SourceUnavailable, NotConfigured, BadInput."""
        asked: DataRows = scene.parameters
        question = Question("sql", asked.sql, asked.parameters, asked.most)
        answer = read(self._kit, DataRows.action, asked.conn_id, [question], scene.seconds)["sql"]
        rows = sample(answer, asked.most)
        beyond = len(answer.rows) > len(rows) or answer.more
        data = {"rows": rows[:_IN_DATA], "count": len(answer.rows), "more": answer.more}
        if not rows:
            return Finding(one_line(f"{asked.title}: no rows", 200), data)
        text = f"{asked.title}: {_counted(len(answer.rows), answer.more)}: {listed(map(_told, rows), 3)}"
        kept = (Exhibit(f"{asked.name}.csv", _table(rows, beyond), "text/csv"),)
        return Finding(one_line(text, 200), data, kept, (asked.finds,) if asked.finds else ())


def _counted(rows: int, more: bool) -> str:
    return f"{'more than ' if more else ''}{rows} row{'' if rows == 1 else 's'}"


def _told(row: Mapping[str, Any]) -> str:
    return " ".join("-" if value is None else str(value) for value in row.values())


def _table(rows: Sequence[Mapping[str, Any]], beyond: bool) -> str:
    written = io.StringIO()
    table = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return written.getvalue() + ("…\n" if beyond else "")
