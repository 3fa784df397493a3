"""Report an incident: a trigger form in the Airflow UI for people.

The report becomes a signal like any other; the run ends when the incident is committed, and its log names it.
"""

from __future__ import annotations

import logging

from airflow.sdk import DAG, Param, get_current_context, task

from incident_response import bootstrap
from incident_response.domain.person_reports import person_report
from incident_response.domain.severities import Scenario, Severity

log = logging.getLogger(__name__)

with DAG(
    dag_id="incident_report",
    dag_display_name="Report an incident",
    description="A form for people: what is wrong, how bad it is, what is affected",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,  # a form that waits for somebody to unpause it is no form
    tags=["incident-response"],
    default_args={"owner": "incident-response", "retries": 2},
    params={
        "title": Param(type="string", minLength=3, maxLength=200, title="What is wrong, in one line"),
        "severity": Param(
            "P3",
            enum=["P1", "P2", "P3", "P4"],
            title="Severity",
            values_display={
                "P1": "P1 critical: complete outage, data loss, security breach",
                "P2": "P2 high: major function impacted",
                "P3": "P3 medium: limited function impacted",
                "P4": "P4 low: minor issue",
            },
        ),
        "scenario": Param(
            "other",
            enum=[scenario.value for scenario in Scenario],
            title="Kind of trouble",
            description="A security breach is paged as P1 to Level 4 at once.",
            values_display={scenario.value: scenario.words for scenario in Scenario},
        ),
        "service": Param("", type="string", maxLength=100, title="Affected system"),
        "description": Param(
            "", type="string", format="multiline", maxLength=20000, title="What is known so far"
        ),
    },
):

    @task(task_id="report")
    def report() -> None:
        context = get_current_context()
        form, run = context["params"], context["dag_run"]
        now = bootstrap.now()
        signal = person_report(
            form["title"],
            Severity(form["severity"]),
            form["service"],
            form["description"],
            by=str(getattr(run, "triggering_user_name", None) or "Airflow UI"),
            now=now,
            key=run.run_id,  # a retry of this task is the same report
            scenario=Scenario(form["scenario"]),
        )
        receipt = bootstrap.services().intake.receive([signal], now)[0]
        log.info("INC-%s: %s", receipt.incident, receipt.reason.value)

    report()
