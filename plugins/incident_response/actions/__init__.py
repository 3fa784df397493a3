"""What the steps of runbooks do. They know Airflow only as a REST API (ports.AirflowRest)."""
