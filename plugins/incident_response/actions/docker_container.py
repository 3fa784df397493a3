"""Seen: one container as it stands, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from incident_response.clients.docker_api import Engine
from incident_response.clients.docker_facts import Facts
from incident_response.domain.redaction import one_line
from incident_response.domain.times import in_words

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")  # nothing else may stand in the path of a request
_KILLED = 137  # 128 + SIGKILL
_ENDED = ("exited", "dead", "created", "removing")


@dataclass(frozen=True)
class Seen:
    """What the engine says of a container at one moment."""

    name: str
    id: str
    state: str  # created, running, paused, restarting, removing, exited, dead
    health: str  # starting, healthy, unhealthy; empty without a health check
    started: str  # in Docker's words, to the nanosecond: it names this run of the container
    facts: Facts
    image: str = ""
    tty: bool = False
    swap: int = 0  # limit of memory and swap together; -1: none
    cpus: float = 0.0  # that it may use; 0: all

    @property
    def running(self) -> bool:
        """Its process is there and works."""
        return self.state == "running"

    @property
    def ended(self) -> bool:
        """No process of it is there, and Docker is not about to start one."""
        return self.state in _ENDED

    def words(self) -> str:
        """`exited with code 137 (out of memory)`, `runs, unhealthy`."""
        if self.state == "exited":
            memory = " (out of memory)" if self.facts.oom_killed else ""
            killed = " (SIGKILL)" if self.facts.exit_code == _KILLED and not memory else ""
            return f"exited with code {self.facts.exit_code}{memory}{killed}"
        if self.state == "restarting":
            return f"is restarted by Docker again and again, last exit code {self.facts.exit_code}"
        if self.running:
            return f"runs, {self.health}" if self.health else "runs"
        return "was created and never started" if self.state == "created" else f"is {self.state}"

    def is_down(self, grace: timedelta, now: datetime) -> bool:
        """Does not do its work, and is not only starting."""
        if not self.running:
            return True
        age = now - self.facts.started_at if self.facts.started_at else grace
        return self.health == "unhealthy" and age >= grace


def of(said: Mapping[str, Any]) -> Seen:
    """From `GET /containers/{id}/json`."""
    state, host, config = said["State"], said.get("HostConfig") or {}, said.get("Config") or {}
    health = str((state.get("Health") or {}).get("Status") or "")
    cpus = int(host.get("NanoCpus") or 0) / 1e9
    if not cpus and host.get("CpuQuota") and int(host["CpuQuota"]) > 0:
        cpus = int(host["CpuQuota"]) / int(host.get("CpuPeriod") or 100_000)
    return Seen(
        name=str(said["Name"]).removeprefix("/"),
        id=str(said["Id"]),
        state=str(state["Status"]),
        health="" if health == "none" else health,
        started=str(state.get("StartedAt") or ""),
        facts=Facts.of(said),
        image=str(config.get("Image") or ""),
        tty=bool(config.get("Tty")),
        swap=int(host.get("MemorySwap") or 0),
        cpus=cpus,
    )


def inspect(engine: Engine, name: str) -> Mapping[str, Any] | None:
    """The engine's words on the container of this very name, None when there is none.

    Without values of environment variables: nothing of ours ever has them.
    """
    said = engine.inspect(name) if NAME.fullmatch(name) else None
    if said is None or said.get("Name") != f"/{name}":  # the engine also takes the beginning of an id
        return None
    config = dict(said.get("Config") or {})
    config["Env"] = [f"{str(entry).partition('=')[0]}=***" for entry in config.get("Env") or ()]
    return {**said, "Config": config}


def see(engine: Engine, name: str) -> Seen | None:
    """The container of this very name, None when there is none."""
    said = inspect(engine, name)
    return None if said is None else of(said)


@dataclass(frozen=True)
class Verdict:
    """Whether a container does its work again."""

    proven: bool | None  # False: it cannot by itself any more; None: not yet
    text: str
    only_runs: bool = False  # it has no health check


def judge(
    name: str,
    seen: Seen | None,
    grace: timedelta,
    settle: timedelta,
    now: datetime,
    since: datetime | None,
) -> Verdict:
    """`since`: when the remediation last did something; its start grace counts from there."""
    if seen is None:
        late = since is None or now >= since + grace
        return Verdict(False if late else None, f"{name} does not exist")
    facts = seen.facts
    started = facts.started_at or now
    begin = started if since is None or (started > since and not facts.restarts) else since
    late = now >= begin + grace
    if not seen.running:
        if seen.ended and facts.policy == "no":
            return Verdict(False, f"{name} {seen.words()}, and Docker does not start it again")
        return Verdict(False if late else None, f"{name} {seen.words()}")
    if facts.restarts and since is not None and started > since + grace:
        return Verdict(False, f"{name} was restarted by Docker again, at {started:%H:%M:%S} UTC")
    age = now - started
    settled = age >= settle
    if seen.health == "healthy" and (settled or not facts.restarts):
        return Verdict(True, f"{name} is healthy")
    if seen.health in ("", "healthy"):
        ran = f"{name} runs for {in_words(max(age, timedelta()))}"
        return Verdict(True if settled else None, ran, only_runs=not seen.health)
    if seen.health == "starting" and not facts.probe_code:
        return Verdict(None, f"{name} is starting")  # its check has said nothing yet
    check = one_line(facts.probe_output, 80)
    return Verdict(False if late else None, f"{name} is {seen.health}{': ' + check if check else ''}")
