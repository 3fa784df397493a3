"""Random pipelines, executed in memory by Airflow's own rules, repaired by our actions, and judged."""
