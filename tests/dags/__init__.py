"""The DAGs as Airflow parses them."""
