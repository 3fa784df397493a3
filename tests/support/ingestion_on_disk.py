"""As much of an Airflow as the data actions ask for, on the disk: it outlives the processes that ask it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg2

from incident_response.domain.errors import AirflowRefused

_FOLDER = "ingestion"


class IngestionOnDisk:
    """One DAG; implements ports.AirflowRest. A run writes the row of its day, and has ended well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._facts: dict[str, str] = json.loads((self._folder / "facts.json").read_text())

    @classmethod
    def set_up(cls, folder: Path, dag_id: str, dsn: str, statement: str) -> IngestionOnDisk:
        """`statement` takes the day."""
        (folder / _FOLDER / "runs").mkdir(parents=True)
        facts = {"dag_id": dag_id, "dsn": dsn, "statement": statement}
        (folder / _FOLDER / "facts.json").write_text(json.dumps(facts))
        return cls(folder)

    @staticmethod
    def is_in(folder: Path) -> bool:
        return (folder / _FOLDER).is_dir()

    def runs(self) -> dict[str, Any]:
        """By id."""
        return {file.name: json.loads(file.read_text()) for file in self._runs.iterdir()}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The DAG, its runs, or one of them."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] != ["dags", self._facts["dag_id"]]:
            raise AirflowRefused(f"GET {path}: HTTP 404", status=404)
        if parts[2:] == ["dagRuns"]:
            return {"dag_runs": list(self.runs().values()), "total_entries": len(self.runs())}
        found = self.runs().get(parts[3]) if parts[2:] else {"dag_id": parts[1]}
        if found is None:
            raise AirflowRefused(f"GET {path}: HTTP 404", status=404)
        return found

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        """A run; an id is taken only once, and nothing is ingested for a run that is refused."""
        try:
            with (self._runs / json["dag_run_id"]).open("x") as file:
                file.write(_as_text({**json, "state": "success"}))
        except FileExistsError:
            raise AirflowRefused("HTTP 409: exists", status=409) from None
        with (
            closing(psycopg2.connect(self._facts["dsn"])) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(self._facts["statement"], (json["conf"]["date"],))
        return {}

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        """Nothing that ingests changes anything."""
        raise NotImplementedError

    @property
    def _runs(self) -> Path:
        return self._folder / "runs"


def _as_text(run: Mapping[str, Any]) -> str:
    return json.dumps(run)
