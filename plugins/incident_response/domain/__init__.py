"""Pure rules and records: no clock, no database, no network, no Airflow."""
