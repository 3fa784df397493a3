"""Airflow's side: the clock in the triggerer, sensors, runbooks as DAGs, callbacks and the listener."""
