"""The page, without Airflow around it: real services on the store in memory, and the app they make."""
