"""Airflow as the platform runs it: CeleryExecutor with Redis, and a worker with two slots."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.support.airflow import Airflow
from tests.support.airflow_config import AIRFLOW_COMMAND
from tests.support.processes import Process, free_port, unbroken
from tests.support.redis import RedisServer

WORKER = "celery-worker"


class CeleryAirflow(Airflow):
    """The same five services; `worker_concurrency` is 2, and new DAGs are paused."""

    def __init__(self, folder: Path, *, redis: RedisServer, database: str, **options: Any) -> None:
        """`database` is the URL of an empty PostgreSQL database; Celery's results are kept there, too."""
        backend = f"db+{database.replace('postgresql+psycopg2', 'postgresql')}"
        config = {
            "core.executor": "CeleryExecutor",
            "core.dags_are_paused_at_creation": "True",
            "celery.broker_url": redis.url,
            "celery.result_backend": backend,
            "celery.worker_concurrency": "2",
            "celery.worker_prefetch_multiplier": "1",
            "celery.sync_parallelism": "1",
            # A message that was lost with the broker is sent again after this time, not after ten minutes.
            "scheduler.task_queued_timeout": "20",
            "scheduler.task_queued_timeout_check_interval": "2",
            **options.pop("config", {}),
        }
        super().__init__(folder, database=database, parallelism=4, config=config, **options)
        self._component_env["AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"] = str(free_port())

    def start(self, *components: str, timeout: float = 120) -> Airflow:
        """As usual, and the worker; by itself it is `start_worker`."""
        super().start(*components, timeout=timeout)
        if not components:
            self.start_worker()
        return self

    def start_worker(self, timeout: float = 90) -> None:
        """Until it takes messages."""
        log = self._log(WORKER)
        begin = log.stat().st_size if log.exists() else 0
        with unbroken():
            command = [
                AIRFLOW_COMMAND,
                "celery",
                "worker",
                "--celery-hostname",
                f"worker-{time.time_ns()}@test",
            ]
            self._processes[WORKER] = Process(
                command, log, env=self._component_env | {"C_FORCE_ROOT": "1"}, cwd=self.folder
            )
        deadline = time.monotonic() + timeout
        while " ready." not in log.read_bytes()[begin:].decode(errors="replace"):
            if time.monotonic() > deadline or not self._processes[WORKER].alive:
                raise TimeoutError(f"the worker is not ready:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
