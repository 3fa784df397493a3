"""Actions against an Airflow in memory."""
