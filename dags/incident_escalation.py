"""
# The timers of one incident

One run per incident (`INC-42`; `INC-42-2` after it was reopened). Each task waits for a level of the
ladder: **green** — the level was paged, **skipped** — the incident was over before. The tasks are sensors
in the triggerer and take no worker slot. They act on the same rows as the clock: whoever comes first pages,
the other finds it done, and the timeline names who it was. Marking a task by hand changes nothing but its
colour; use the incident's page.

Started by the clock with `{"incident": 42}`. Not paused when it appears, also where new DAGs are.
"""

from airflow.sdk import DAG
from airflow.sdk.bases.operator import chain

from incident_response.orchestration import house
from incident_response.orchestration.sensors import LevelSensor

with DAG(
    dag_id="incident_escalation",
    dag_display_name="Incident escalation",
    description="Level 1 → 2 → 3 → 4: who is paged when, one run per incident",
    schedule=None,
    doc_md=__doc__,
    **house.rules(),
):
    chain(
        LevelSensor(task_id="level_1_operations", level=1),
        LevelSensor(task_id="level_2_development", level=2),
        LevelSensor(task_id="level_3_infrastructure", level=3),
        LevelSensor(task_id="level_4_management", level=4),
    )
