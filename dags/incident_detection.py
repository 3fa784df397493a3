"""Detection: every minute one sensor per detector lets it look once, in the triggerer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from incident_response.bootstrap import detector_names
from incident_response.orchestration import house
from incident_response.orchestration.compat import STARTS_IN_TRIGGERER
from incident_response.orchestration.sensors import EVERY, PollSensor

DOC = """
### Incident detection

Each sensor lets one detector look once; on Airflow 3.1 and 3.2 one sensor, `every_detector`, lets all of
them. `airflow_runs` reads Airflow's own REST API: failed tasks and runs (also those whose process was killed,
which no callback reports), stuck runs, files that cannot be imported. `airflow_edges` reads which DAG hangs
on which. The others are those of `include/policy/detectors.yaml`.

If no slot is free, or this DAG is paused, the clock (`incident_clock`) polls the same detectors some seconds
late; `python -m incident_response doctor` shows when each was polled last, by whom, and its error.
"""

with DAG(
    "incident_detection",
    schedule=timedelta(minutes=1),
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=5),
    description="Lets each detector look at what it watches",
    doc_md=DOC,
    **{name: value for name, value in house.rules().items() if name != "max_active_runs"},
):
    # Where a sensor starts in a worker, one of them lets all detectors look: each would need the slot.
    for name in detector_names() if STARTS_IN_TRIGGERER else (EVERY,):
        PollSensor(task_id=name, detector=name)
