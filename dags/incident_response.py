"""
# The response to one incident

One run per incident (`INC-42`; `INC-42-2` after it was reopened):

* **triage** writes into the timeline what is affected, and asks for the incident's runbook, once;
* **runbook** waits for it: green — it proved that it worked, red — it failed and a person was paged,
  skipped — there is none, or the guard refused it. The clock starts the runbook's own DAG run
  `INC-42-<runbook>-<attempt>`;
* **resolution** waits until the incident is resolved, by the runbook or by people;
* **report** writes the incident report to its log; the page has it, too.

The two that wait do so in the triggerer and take no worker slot. Nothing here pages anybody: the clock
does.

Started by the clock with `{"incident": 42}`. Not paused when it appears, also where new DAGs are.
"""

from airflow.sdk import DAG, TriggerRule, task
from airflow.sdk.bases.operator import chain

from incident_response.orchestration import house, response
from incident_response.orchestration.sensors import RemediationSensor, ResolutionSensor

with DAG(
    dag_id="incident_response",
    dag_display_name="Incident response",
    description="Triage → runbook → resolution → report, one run per incident",
    schedule=None,
    doc_md=__doc__,
    **house.rules(),
):
    triage = task(response.triage, task_id="triage")()
    resolution = ResolutionSensor(task_id="resolution", trigger_rule=TriggerRule.ALL_DONE)
    report = task(response.report, task_id="report")()
    chain(triage, RemediationSensor(task_id="runbook"), resolution, report)
