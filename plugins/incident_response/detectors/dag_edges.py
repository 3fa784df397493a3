"""Which DAG hangs on which: assets, ExternalTaskSensor.

A trigger is no such edge. What it started has started, so its failure is not made by who started it; and who
started it hangs on it only while it waits for it, which the graph does not tell: there the failure itself
names what it waited for (domain.waiting).

Airflow's public API tells the operators' names and nothing of their targets; the graph of its own page
("Dependencies") knows all. That address is not promised to stay: where it is gone or refused, the
public list of assets gives a part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from incident_response.domain.errors import AirflowRefused
from incident_response.domain.logs import logger
from incident_response.domain.ports import AirflowRest

log = logger(__name__)

Edge = tuple[str, str]

_GRAPH, _ASSETS = "/ui/dependencies", "/assets"
_PAGE, _MOST_ASSETS = 100, 1000
_MOST_EDGES = 50_000  # of Airflow's graph; an edge is one arrow on its page
_DAG, _TRIGGER = "dag:", "trigger:"


def edges(airflow: AirflowRest) -> frozenset[Edge]:
    """Pairs (upstream DAG, downstream DAG), direct ones only; a DAG that hangs on itself is left out.

    One request. Keep the answer: Airflow reads every DAG for it. DAGs that the API's user may not read are
    missing. A target that is known only when the task runs (a template) is missing, too.
    Raises AirflowUnavailable; AirflowRefused when assets may not be read either.
    """
    try:
        graph = airflow.get(_GRAPH)
    except AirflowRefused as refused:
        log.info("%s; only assets tell which DAG hangs on which", refused)
        return asset_edges(airflow)
    return _without_loops(_direct(_arrows(graph)))


def _arrows(graph: Any) -> dict[str, set[str]]:
    """From node to node. Nodes are `dag:x`, `asset:7`, `sensor:…`, and others of that kind; no triggers."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for edge in (graph.get("edges") or [])[:_MOST_EDGES]:
        if not edge["target_id"].startswith(_TRIGGER):
            arrows[edge["source_id"]].add(edge["target_id"])
    return arrows


def _direct(arrows: Mapping[str, Iterable[str]]) -> Iterator[Edge]:
    """From each DAG to the next DAGs, over whatever lies in between."""
    for start in arrows:
        if not start.startswith(_DAG):
            continue
        waiting, seen = list(arrows[start]), set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if node.startswith(_DAG):
                yield start.removeprefix(_DAG), node.removeprefix(_DAG)
            else:
                waiting += arrows.get(node, ())


def asset_edges(airflow: AirflowRest) -> frozenset[Edge]:
    """Those that go over an asset, by the public API; the first thousand assets are read.

    Raises AirflowUnavailable, AirflowRefused.
    """
    rows: list[Mapping[str, Any]] = []
    while True:
        answer = airflow.get(_ASSETS, {"limit": _PAGE, "offset": len(rows), "order_by": "id"})
        rows += answer["assets"]
        if not answer["assets"] or len(rows) >= min(answer["total_entries"], _MOST_ASSETS):
            break
    return _without_loops(
        (producer["dag_id"], consumer["dag_id"])
        for row in rows
        for producer in row.get("producing_tasks") or ()
        for consumer in row.get("scheduled_dags") or ()
    )


def _without_loops(found: Iterable[Edge]) -> frozenset[Edge]:
    return frozenset(edge for edge in found if edge[0] != edge[1])
