"""The page: a FastAPI app in Airflow's plugin, server-rendered, authorised by Airflow's auth manager."""
