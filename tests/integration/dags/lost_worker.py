"""A pipeline whose worker is lost in its first run: no callback runs, and its log ends in the middle.

Its second run lasts until the test makes the file `released` in AIRFLOW_HOME.
"""

import os
import time
from datetime import datetime, timezone
from pathlib import Path

from airflow.sdk import DAG, get_current_context, task
from airflow_local_settings import die  # the test's policy

with DAG(
    "vanishes",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 0, "owner": "data"},
    is_paused_upon_creation=False,
):

    @task
    def load() -> None:
        """As after the kernel has taken the memory of a worker."""
        home = Path(os.environ["AIRFLOW_HOME"])
        tries = home / "tries" / "vanishes.load"
        tries.mkdir(parents=True, exist_ok=True)
        number = len(list(tries.iterdir())) + 1
        (tries / str(number)).touch()
        if number == 1:
            die(str(get_current_context()["ti"].id))
        while not (home / "released").exists():
            time.sleep(0.2)

    load()
