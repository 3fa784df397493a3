"""What a signal costs that is pushed over HTTP in a storm, beside an endpoint that only writes it down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from bench.measure import Figure, at_least, grows_less, informational
from incident_response import bootstrap
from incident_response.domain.records import IntegrationKind
from tests.acceptance.hook_server import serving, settings
from tests.acceptance.storming import Sent, batches, bearer, send, storm
from tests.support.processes import free_port

_GOAL = 0.5
_SLOWER = 3.0  # informational: nobody has named a goal for it
_MANY = 10_000  # signals of a storm
_START = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
_SERVE = "bench.hook_server"


def figures(database: str, url: str, folder: Path, rounds: int) -> Iterator[Figure]:
    """Signals a second and the p99 of a request, one by one and in hundreds, over eight connections.

    `rounds` pieces of a storm and twice as many whole ones for each; the floor and the hooks take turns, in
    the same server.
    """
    folder.mkdir()
    services = bootstrap.build(settings(url, folder), lambda conn_id: None)
    services.store.migrate()  # type: ignore[attr-defined]
    kind = IntegrationKind.ALERTMANAGER
    _, token = services.integrations.add("bench", kind, {}, "bench", bootstrap.now())
    services.store.close()  # type: ignore[attr-defined]
    port = free_port()
    with serving(url, folder, port, _SERVE):
        # The first storm opens the incidents and merges them; what follows is the storm that goes on.
        _send(port, token, "hooks", batches(storm(_MANY), 100, _START))
        for size, many, times in ((1, 1000, rounds), (100, _MANY, 2 * rounds)):
            yield from _measured(database, port, token, size, many, times)


def _measured(database: str, port: int, token: str, size: int, many: int, rounds: int) -> Iterator[Figure]:
    found: dict[str, list[Sent]] = {"floor": [], "hooks": []}
    for number in range(rounds + 1):
        bodies = batches(storm(_MANY, seed=number)[:many], size, _START)
        for name, sent in found.items():
            done = _send(port, token, name, bodies)
            if number:  # the first round warms both up
                sent.append(done)
    name = f"hooks, {database}, {'single' if size == 1 else f'batch of {size}'}"
    # All signals over all the time. Storms of both come in a fast and a slow kind, by how the threads of the
    # server meet those of the sender: the median of a few is one kind or the other, by chance.
    speed = {n: many * len(sent) / sum(s.lasted for s in sent) for n, sent in found.items()}
    fast_enough = at_least(name, speed["hooks"], speed["floor"], _GOAL)
    # The goal is for batches: one signal a request is what no sender does in a storm.
    yield fast_enough if size > 1 else informational(fast_enough)
    slowest = {n: _p99([seconds for s in sent for seconds in s.seconds]) for n, sent in found.items()}
    yield informational(grows_less(f"{name}, p99", slowest["hooks"] * 1000, slowest["floor"] * 1000, _SLOWER))


def _send(port: int, token: str, name: str, bodies: list[bytes]) -> Sent:
    path = "incidents/hooks/alertmanager" if name == "hooks" else "floor"
    sent = send(f"http://127.0.0.1:{port}/{path}", bearer(token), bodies)
    refused = sum(count for status, count in sent.answers.items() if status != 200)
    if refused:
        print(f"{name}: {refused} of {len(bodies)} requests were sent again", file=sys.stderr)
    return sent


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]
