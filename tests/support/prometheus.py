"""A real Prometheus and a real Alertmanager."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx

from incident_response.domain.connections import Connection
from tests.support.exporter import Exporter
from tests.support.processes import Process, free_port
from tests.support.waiting import wait_for

_PATH = f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin"


class _Server:
    """A Go program with an HTTP port, its state under `folder`; `start` also after `stop`, with its state."""

    program: str
    ready = "/-/ready"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connection(self) -> Connection:
        """As Airflow has it."""
        return Connection(self.url, conn_type="http")

    def get(self, path: str, **params: Any) -> Any:
        """Asked directly: what a test compares with."""
        return httpx.get(f"{self.url}{path}", params=params, timeout=5).raise_for_status().json()

    def start(self) -> None:
        """Returns when it answers."""
        command = [self.program, *self._options()]
        log = self.folder / "server.log"
        process = self._process = Process(command, log, env={"PATH": _PATH}, cwd=self.folder)

        def answers() -> bool:
            if not process.alive:
                raise RuntimeError(f"{self.program} did not start:\n{log.read_text()[-2000:]}")
            try:
                return httpx.get(f"{self.url}{self.ready}", timeout=1).is_success
            except httpx.HTTPError:
                return False

        wait_for(answers, f"{self.program} answers")

    def stop(self) -> None:
        """As a service manager would; SIGKILL when that takes 5 s."""
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
            self._process.wait(5)
            self._process.kill()
            self._process = None

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _options(self) -> Sequence[str]:
        raise NotImplementedError


class Prometheus(_Server):
    """Scrapes and evaluates every second. `rules` are as in a rule file."""

    program = "prometheus"

    def __init__(
        self,
        folder: Path,
        rules: Sequence[Mapping[str, Any]] = (),
        *,
        exporter: Exporter | None = None,
        alertmanager: Alertmanager | None = None,
        external_labels: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "1s",
                "external_labels": dict(external_labels or {}),
            },
            "rule_files": ["rules.yml"],
        }
        if exporter:
            targets = [{"targets": [f"127.0.0.1:{exporter.port}"]}]
            config["scrape_configs"] = [{"job_name": "test", "static_configs": targets}]
        if alertmanager:
            targets = [{"targets": [f"127.0.0.1:{alertmanager.port}"]}]
            config["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        groups = {"groups": [{"name": "test", "rules": [dict(rule) for rule in rules]}]}
        (folder / "rules.yml").write_text(json.dumps(groups))

    def states(self) -> dict[str, str]:
        """The state of each alert by its name."""
        alerts = self.get("/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in alerts}

    def wait_until(self, alert: str, state: str | None, seconds: float = 20) -> None:
        """Until the alert is pending, firing, or gone (None)."""
        wait_for(lambda: self.states().get(alert) == state, f"{alert} is {state}", seconds)

    def _options(self) -> Sequence[str]:
        return (
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--rules.alert.resend-delay=1s",
        )


class Alertmanager(_Server):
    """Notifies at once, and nobody. `inhibit` are inhibit_rules."""

    program = "prometheus-alertmanager"

    def __init__(self, folder: Path, inhibit: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(folder)
        config = {
            "route": {"receiver": "nobody", "group_wait": "0s", "group_interval": "1s", "group_by": ["..."]},
            "receivers": [{"name": "nobody"}],
            "inhibit_rules": [dict(rule) for rule in inhibit],
        }
        (folder / "alertmanager.yml").write_text(json.dumps(config))

    def tell(self, *, ended: bool = False, **labels: str) -> None:
        """Push an alert, as Prometheus does; `ended` takes it back."""
        now = datetime.now(timezone.utc)
        end = now if ended else now + timedelta(minutes=5)
        alert = {"labels": labels, "endsAt": end.isoformat(), "annotations": {"summary": "told by a test"}}
        if ended:
            alert["startsAt"] = (now - timedelta(seconds=60)).isoformat()
        httpx.post(f"{self.url}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()

    def silence(self, **labels: str) -> str:
        """Returns the silence's id."""
        now = datetime.now(timezone.utc)
        matchers = [
            {"name": name, "value": text, "isRegex": False, "isEqual": True} for name, text in labels.items()
        ]
        silence = {
            "matchers": matchers,
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "test",
            "comment": "test",
        }
        answer = httpx.post(f"{self.url}/api/v2/silences", json=silence, timeout=5).raise_for_status()
        return str(answer.json()["silenceID"])

    def unsilence(self, silence: str) -> None:
        """End it at once."""
        httpx.delete(f"{self.url}/api/v2/silence/{silence}", timeout=5).raise_for_status()

    def states(self) -> dict[str, str]:
        """The state of each alert (active, suppressed, unprocessed) by its name."""
        return {
            alert["labels"]["alertname"]: alert["status"]["state"] for alert in self.get("/api/v2/alerts")
        }

    def wait_until(self, alert: str, state: str | None, seconds: float = 20) -> None:
        """Until the alert is in that state, or gone (None)."""
        wait_for(lambda: self.states().get(alert) == state, f"{alert} is {state}", seconds)

    def _options(self) -> Sequence[str]:
        return (
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        )
