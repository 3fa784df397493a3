"""A program: imports DAG files as the DAG processor does, without database and network; prints JSON."""

from __future__ import annotations

import importlib.util
import json
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any, NoReturn

import psycopg2
import sqlalchemy.engine
from airflow.sdk import DAG, Asset
from airflow.sdk.definitions._internal.contextmanager import DagContext


def refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError("top-level code of a DAG file reached for a database or the network")


def facts(file: Path, dag: DAG) -> dict[str, Any]:
    condition = getattr(dag.timetable, "asset_condition", None)
    assets = list(condition.objects) if condition else []
    return {
        "file": file.name,
        "tags": sorted(dag.tags),
        "doc": dag.doc_md or "",
        "owners": sorted({task.owner for task in dag.tasks}),
        "paused": dag.is_paused_upon_creation,
        "params": list(dag.params),
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "starts_in_triggerer": [task.task_id for task in dag.tasks if task.start_from_trigger],
        "watchers": [
            type(w.trigger).__name__ for asset in assets if isinstance(asset, Asset) for w in asset.watchers
        ],
    }


def main(folder: Path) -> None:
    sqlalchemy.engine.Engine.connect = refuse  # type: ignore[method-assign]
    sqlite3.connect = psycopg2.connect = refuse
    socket.socket.connect = socket.socket.connect_ex = refuse  # type: ignore[method-assign]
    sys.path.append(str(folder))  # as Airflow does, after the plugins
    found = {}
    for file in sorted(folder.glob("*.py")):
        name = f"unusual_prefix_{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec
        assert spec.loader
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        DagContext.current_autoregister_module_name = name
        DagContext.autoregistered_dags.clear()
        spec.loader.exec_module(module)
        found |= {dag.dag_id: facts(file, dag) for dag, _ in DagContext.autoregistered_dags}
    print("FACTS " + json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
