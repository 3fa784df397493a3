"""A real Airflow of the version that is installed: four processes, a metadata database, a REST client."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.support import REPOSITORY, metadata
from tests.support.airflow_config import (
    AIRFLOW_COMMAND,
    LOGINS,
    Login,
    component_options,
    core_options,
    environment,
    write_home,
)
from tests.support.processes import Process, free_port, unbroken

COMPONENTS = ("api-server", "scheduler", "triggerer", "dag-processor")
_HEALTH = {"scheduler": "scheduler", "triggerer": "triggerer", "dag-processor": "dag_processor"}


_TESTS = REPOSITORY / "tests" / "integration"
# A DAG that obeys and a page that says hello: with them one Airflow serves the harness's tests and others.
HARNESS = {"dags": [_TESTS / "dags" / "harness_dag.py"], "plugins": [_TESTS / "harness_plugin.py"]}


class Airflow:
    """Starts on `start` or `with`; ends on `stop`, on leaving `with`, or with the Python that started it.

    Everything lies under `folder`: `dags/`, `plugins/` and `include/` (copies: change them as a deployment
    would), `logs/` of tasks, and one log per component.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "sqlite",
        auth: str = "simple",
        parallelism: int = 2,
        project: bool = True,
        dags: Iterable[Path] = (),
        plugins: Iterable[Path] = (),
        config: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        prefix: str = "",
        port: int = 0,
    ) -> None:
        """`database` is "sqlite" or the URL of an empty PostgreSQL database; the first start fills it.

        `project` brings the repository's dags, plugins and include; `dags` and `plugins` are files or
        folders beside them. `config` overrides options by their name in the reference ("core.parallelism"),
        `env` is for all other variables. `prefix` ("/airflow") serves under a path, as behind a proxy.
        `port` is the one of the API server; 0: any that is free.
        """
        self.folder = folder
        self.auth = auth
        self.database_url = f"sqlite:///{folder / 'airflow.db'}" if database == "sqlite" else database
        self._ports = {name: free_port() for name in ("api", "scheduler logs", "triggerer logs")}
        self._ports["api"] = port or self._ports["api"]
        self.url = f"http://127.0.0.1:{self._ports['api']}{prefix}"
        options = {
            **core_options(folder, self.database_url, auth),
            **component_options(folder, self.url, self._ports, parallelism),
            **(config or {}),
        }
        self._component_env = environment(options) | {"AIRFLOW_HOME": str(folder)} | dict(env or {})
        self._content = {"dags": list(dags), "plugins": list(plugins), "include": []}
        if project:
            for name, content in self._content.items():
                content.extend(
                    path for path in sorted((REPOSITORY / name).glob("*")) if path.name != "__pycache__"
                )
        self._processes: dict[str, Process] = {}
        self._started_at: dict[str, datetime] = {}
        self._tokens: dict[str, str] = {}
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    # --- life

    def start(self, *components: str, timeout: float = 90) -> Airflow:
        """Starts all components, or the named ones (again), and returns when Airflow reports them healthy."""
        if not self.folder.joinpath("passwords.json").exists():
            self._prepare()
        names = components or COMPONENTS
        for name in names:
            self._started_at[name] = datetime.now(timezone.utc)
            with unbroken():
                self._processes[name] = Process(
                    [AIRFLOW_COMMAND, name], self._log(name), env=self._component_env, cwd=self.folder
                )
        self._until(lambda: all(map(self.healthy, names)), timeout, f"{', '.join(names)} healthy")
        return self

    def kill(self, component: str) -> None:
        """SIGKILL to the component and all below it: with the scheduler die the workers and their tasks."""
        self._processes.pop(component).kill()

    def stop(self) -> None:
        """SIGKILL to all: nobody looks any more, and the triggerer of 3.3.2 takes ten seconds to end."""
        for component in tuple(self._processes):
            self.kill(component)

    def __enter__(self) -> Airflow:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def healthy(self, component: str) -> bool:
        """By Airflow's own account, from a heartbeat of the process that runs now, not of a killed one.

        A component that has ended by itself raises, with the end of its log.
        """
        process = self._processes[component]
        if not process.alive:
            raise RuntimeError(f"{component} ended with {process.exit_code}:\n{self.logs(component)[-3000:]}")
        with contextlib.suppress(httpx.TransportError):
            health = self._http.get("/api/v2/monitor/health")
            if component == "api-server" or health.status_code != 200:
                return health.status_code == 200
            name = _HEALTH[component]
            beat = health.json()[name][f"latest_{name}_heartbeat"]
            return beat is not None and datetime.fromisoformat(beat) >= self._started_at[component]
        return False

    # --- access

    @property
    def env(self) -> dict[str, str]:
        """The components' configuration, for a command such as `python -m incident_response tick`."""
        return self._component_env | {"PYTHONPATH": str(self.folder / "plugins")}

    @property
    def login(self) -> Login:
        """The administrator; the others are `LOGINS["op"]`, `["user"]` and `["viewer"]`."""
        return LOGINS["admin"]

    def token(self, user: str = "admin") -> str:
        """Valid for 24 hours, also after the API server has started again."""
        if user not in self._tokens:
            answer = self._http.post(
                "/auth/token", json={"username": user, "password": LOGINS[user].password}
            )
            self._tokens[user] = answer.raise_for_status().json()["access_token"]
        return self._tokens[user]

    def request(self, method: str, path: str, *, user: str = "admin", **options: Any) -> httpx.Response:
        """`path` is `/api/v2/…` or a plugin's mount, its parts quoted by the caller. Returns 4xx like 2xx."""
        headers = {"Authorization": f"Bearer {self.token(user)}"} | options.pop("headers", {})
        return self._http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", path, **options)

    def logs(self, component: str) -> str:
        return self._log(component).read_text(errors="replace")

    def task_logs(self, dag_id: str, run_id: str) -> str:
        """The logs of all attempts of all tasks of a run, as the workers wrote them."""
        folder = self.folder / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        files = sorted(folder.rglob("*.log")) if folder.exists() else []
        return "\n".join(
            f"--- {path.relative_to(folder)}\n{path.read_text(errors='replace')}" for path in files
        )

    # --- DAGs

    def wait_dag(self, dag_id: str, timeout: float = 60) -> dict[str, Any]:
        """Until the DAG processor has parsed it; a broken file raises with Airflow's import error."""
        path = f"/api/v2/dags/{quote(dag_id, safe='')}"
        self._until(
            lambda: self.get(path).status_code == 200 or self._fail_on_import_error(),
            timeout,
            f"DAG {dag_id}",
        )
        return self.get(path).json()

    def unpause(self, dag_id: str) -> None:
        """Waits for the DAG; Airflow pauses new ones, as the platform does."""
        self.wait_dag(dag_id)
        self.patch(f"/api/v2/dags/{quote(dag_id, safe='')}", json={"is_paused": False}).raise_for_status()

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Returns the run's id. The run of a paused DAG stays queued: `unpause` first."""
        body = {"logical_date": None, "conf": dict(conf or {})} | ({"dag_run_id": run_id} if run_id else {})
        answer = self.post(f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", json=body)
        if answer.status_code != 200:
            raise RuntimeError(f"{dag_id} was not triggered: {answer.status_code} {answer.text}")
        return str(answer.json()["dag_run_id"])

    def wait_run(
        self, dag_id: str, run_id: str, states: Iterable[str] = ("success",), timeout: float = 60
    ) -> dict[str, Any]:
        """The run once it is in one of the states; one that ends in another raises with its tasks' logs."""
        path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
        wanted, run = set(states), {}

        def arrived() -> bool:
            answer = self.get(path)
            run.update(answer.json() if answer.status_code == 200 else {})
            if run.get("state") in {"success", "failed"} - wanted:
                raise RuntimeError(
                    f"{dag_id} {run_id} is {run['state']}, not {' or '.join(sorted(wanted))}:\n"
                    f"{self.task_logs(dag_id, run_id)[-6000:]}"
                )
            return run.get("state") in wanted

        self._until(arrived, timeout, f"{dag_id} {run_id} in {', '.join(sorted(wanted))}")
        return run

    # --- inside

    def _prepare(self) -> None:
        for name, content in self._content.items():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            for path in content:
                copy_content(path, self.folder / name)
        metadata.fill(self.database_url, self.auth)
        write_home(self.folder)

    def _log(self, component: str) -> Path:
        return self.folder / f"{component}.log"

    def _fail_on_import_error(self) -> bool:
        errors = self.get("/api/v2/importErrors")
        if errors.status_code == 200 and errors.json()["total_entries"]:
            first = errors.json()["import_errors"][0]
            raise RuntimeError(f"{first['filename']} cannot be imported:\n{first['stack_trace']}")
        return False

    def _until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout:.0f} s for {what}; the logs are in {self.folder}")
            time.sleep(0.2)


def copy_content(source: Path, folder: Path) -> None:
    """A file or a folder, without bytecode, which would carry paths of the place it came from."""
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / source.name, ignore=ignored, dirs_exist_ok=True)
    else:
        shutil.copy2(source, folder / source.name)
