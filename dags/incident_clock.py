"""
# The clock

Everything that is due — pages, escalations, messages, starts of DAG runs, looks of detectors — is a row
with a time. The watcher of this DAG's asset looks at these rows every two seconds. It runs in the
**triggerer**, without a task and without a worker slot: it pages people also when every slot is taken.

* **Never pause this DAG.** A paused one stops the clock; `python -m incident_response doctor` says so. It
  is not paused when it appears, also where new DAGs are.
* Once a day the watcher rings, and the task below deletes what is older than `retention_days`. That is all
  its runs do.
* When Airflow itself is down, run the same clock beside it: `python -m incident_response tick --forever`.
"""

from airflow.sdk import DAG, Asset, AssetWatcher, task

from incident_response.orchestration import house, housekeeping
from incident_response.orchestration.clock_trigger import ClockTrigger

clock = Asset(
    "incident_response_clock", watchers=[AssetWatcher(name="incident_response_clock", trigger=ClockTrigger())]
)

with DAG(
    dag_id="incident_clock",
    dag_display_name="Incident clock",
    description="Keeps the clock of incident response running in the triggerer; daily housekeeping",
    schedule=[clock],
    doc_md=__doc__,
    **house.rules(),
):
    task(housekeeping.prune, task_id="housekeeping")()
