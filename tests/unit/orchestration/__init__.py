"""Orchestration without an Airflow that runs."""
