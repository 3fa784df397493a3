"""One DAG `runbook_<name>` for each valid file of include/runbooks; each has its own text (airflow, DAG)."""

from incident_response.orchestration import runbook_dag

for dag in runbook_dag.dags():
    globals()[dag.dag_id] = dag
