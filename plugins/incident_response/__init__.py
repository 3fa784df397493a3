"""Incident response for Airflow: detect, repair, page, report."""

__version__ = "0.1.0"
