"""A storm: what Alertmanager sends when a database breaks, and senders that repeat what was not taken."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from incident_response.domain.signals import Signal

ROOT = "lianel_energy"
# Twelve that depend on it, directly or not, as include/policy/services.yaml says.
CONTAINERS = (
    "keycloak", "lianel-energy-service", "lianel-profile-service", "lianel-comp-ai-service",
    "lianel-stock-service", "airflow",
)  # fmt: skip
PIPELINES = (
    "entsoe_ingestion", "eurostat_ingestion_nrg_bal_s", "eurostat_harmonization",
    "osm_feature_extraction_v2", "ml_dataset_forecasting", "data_quality_check",
)  # fmt: skip
_EACH = 24  # fingerprints of each of them; the root has the other twelve of the 300
_BATCH = 100
Labels = Mapping[str, str]


def things() -> tuple[list[Labels], list[Labels]]:
    """The labels of 12 alerts of the root, and of 288 of what depends on it."""
    root = [
        {"alertname": "DatabaseConnectionFailure", "service": ROOT, "instance": f"client-{n}"}
        for n in range(12)
    ]
    others: list[Labels] = []
    for service in CONTAINERS:
        names = ("ServiceUnhealthy", "APISLAViolation", "ServiceSlow")
        others += [
            {"alertname": names[n % 3], "service": service, "probe": f"probe-{n}"} for n in range(_EACH)
        ]
    for dag in PIPELINES:
        names = ("AirflowTaskFailed", "AirflowDAGRunFailed")
        others += [{"alertname": names[n % 2], "dag_id": dag, "task_id": f"task-{n}"} for n in range(_EACH)]
    return root, others


def storm(count: int, seed: int = 7) -> list[Labels]:
    """Labels of `count` signals in order: each thing at least once, and the root after a quarter of them."""
    dice = random.Random(seed)
    root, others = things()
    first = count // 4
    before = [*others, *dice.choices(others, k=first)][:first]
    after = [*root, *others[first:], *dice.choices([*root, *others], k=count)][: count - first]
    dice.shuffle(before)
    rest = after[1:]
    dice.shuffle(rest)
    return [*before, after[0], *rest]


def unrelated(count: int) -> list[Labels]:
    """As many different alerts of one host that no rule and no map knows."""
    return [
        {"alertname": f"Trouble{n:04}", "instance": "db-7:9100", "severity": "warning"} for n in range(count)
    ]


def batches(signals: Sequence[Labels], size: int, started: datetime) -> list[bytes]:
    """The bodies of Alertmanager's webhook, version 4."""
    at = started.isoformat()
    prints = {id(labels): Signal("", labels, "", started).fingerprint for labels in signals}
    return [
        json.dumps(
            {
                "version": "4",
                "status": "firing",
                "receiver": "incidents",
                "groupKey": "{}:{}",
                "groupLabels": {},
                "alerts": [
                    {
                        "status": "firing",
                        "labels": labels,
                        "annotations": {"summary": _said(labels)},
                        "startsAt": at,
                        "endsAt": "0001-01-01T00:00:00Z",
                        "generatorURL": "http://prometheus:9090/graph",
                        "fingerprint": prints[id(labels)],
                    }
                    for labels in signals[n : n + size]
                ],
            }
        ).encode()
        for n in range(0, len(signals), size)
    ]


def _said(labels: Labels) -> str:
    """A failed task says what it could not reach; a check only that it failed."""
    if "dag_id" in labels:
        return (
            f"{labels['dag_id']} failed: connection to lianel-postgres, port 5432 failed: Connection refused"
        )
    return f"{labels['alertname']} of {_whose(labels)}"


def _whose(labels: Labels) -> str:
    return labels.get("service") or labels.get("dag_id") or labels["instance"]


@dataclass
class Sent:
    """What became of the requests."""

    answers: Counter[int] = field(default_factory=Counter)  # by status; 0: none
    seconds: list[float] = field(default_factory=list)  # of the requests that were taken
    lasted: float = 0.0
    unanswered: Counter[int] = field(default_factory=Counter)  # by batch: how often it is unknown what became


def send(
    url: str,
    headers: Mapping[str, str],
    bodies: Sequence[bytes],
    *,
    connections: int = 8,
    patience: float = 40.0,
    on_taken: Callable[[int], None] = lambda taken: None,
) -> Sent:
    """Post each body until it is taken, over so many connections; a body that is not within `patience` fails.

    `on_taken` is told how many were taken so far.
    """
    sent, lock = Sent(), threading.Lock()
    waiting = iter(range(len(bodies)))
    failed: list[str] = []

    def one(sender: _Sender) -> None:
        while not failed:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            deadline = time.monotonic() + patience
            while True:
                began = time.perf_counter()
                status, after = sender.post(bodies[number])
                spent = time.perf_counter() - began
                with lock:
                    sent.answers[status] += 1
                    if 200 <= status < 300:
                        sent.seconds.append(spent)
                        break
                    sent.unanswered[number] += status == 0
                if status not in (0, 429, 503) or time.monotonic() > deadline:
                    failed.append(f"batch {number} was answered with {status}")
                    return
                time.sleep(after)
            on_taken(len(sent.seconds))

    began = time.perf_counter()
    threads = [
        threading.Thread(target=one, args=(_Sender(url, headers),), daemon=True) for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.lasted = time.perf_counter() - began
    assert not failed, failed
    return sent


class _Sender:
    """One connection, which is made again when it breaks."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._headers = {"Content-Type": "application/json", **headers}
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)

    def post(self, body: bytes) -> tuple[int, float]:
        """The status, and the seconds to wait before it is tried again; 0 when there was no answer."""
        try:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
            return answer.status, float(answer.headers.get("Retry-After") or 0.2)
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, 0.2


def later(now: datetime, seconds: float) -> datetime:
    """For the clock that is wound forward."""
    return now + timedelta(seconds=seconds)


def bearer(token: str) -> dict[str, Any]:
    """The header of a token."""
    return {"Authorization": f"Bearer {token}"}
