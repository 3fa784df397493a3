"""A process that is killed while it writes: nothing half done, and nothing lost that it was told is safe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from incident_response.store.sql_store import SqlStore
from tests.support import REPOSITORY

from .records import NOW

_WRITER = """
import sys, time
from incident_response.domain.changes import Change
from incident_response.store.sql_store import SqlStore
from tests.integration.store.records import event, incident, outgoing, sighting

store = SqlStore(sys.argv[1])
while True:
    with store.transaction() as tx:
        (number,) = tx.allocate(1)
        tx.insert([Change(incident(number), (event(),), (outgoing(number, f"k{number}"),))])
        tx.record([sighting(number)])
        if "stop" in sys.argv:
            print("inside", flush=True)
            time.sleep(60)
    print(number, flush=True)  # committed: from here on it must not be lost
"""


def writer(url: str, *arguments: str) -> subprocess.Popen[str]:
    places = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "plugins")))
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, url, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": places},
        cwd=Path.cwd(),
    )


def test_a_writer_killed_inside_a_transaction_leaves_nothing(sql_store: SqlStore):
    """And holds up nobody after its death."""
    process = writer(sql_store._url, "stop")
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    with sql_store.transaction() as tx:
        assert tx.totals(NOW)["open"] == 0
        assert (tx.timeline(1), tx.parcels(1), tx.sightings(1)) == ([], [], [])
        assert len(tx.allocate(1)) == 1


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.45])
def test_a_writer_killed_at_any_moment_loses_nothing_it_was_told_is_safe(sql_store: SqlStore, seconds: float):
    """Each incident is there with all that belongs to it, or not at all."""
    process = writer(sql_store._url)
    assert process.stdout is not None
    told = [int(process.stdout.readline())]
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait(10)
    process.stdout.close()
    with sql_store.transaction() as tx:
        found = [row.incident.number for row in tx.board(100_000)]
        assert set(told) <= set(found)
        assert len(found) - len(told) <= 1, "at most the last one was committed and not yet told"
        for number in found:
            assert (len(tx.timeline(number)), len(tx.parcels(number)), len(tx.sightings(number))) == (1, 1, 1)
