"""WritingEngine: the few changes that we ask a Docker Engine for, by a connection of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from incident_response.domain.errors import NotConfigured, OutcomeUnknown, Refused, SourceUnavailable

from .docker_api import Engine
from .docker_stream import last, pieces
from .docker_wire import Reply

_MOST_OUTPUT = 256 * 1024  # of a command
_DONE = (200, 201, 204)
_ALREADY = 304  # it is in this state


class WritingEngine(Engine):
    """Changes containers by their id. Nothing is asked twice by itself.

    Methods raise Refused with what the engine says when it does not do it, NotConfigured when a proxy does
    not let it through, and OutcomeUnknown when the answer does not come.
    """

    where = "where Airflow's workers run"

    def restart(self, container: str, stop_within: int) -> None:
        """Stop it, kill it after so many seconds, and start it again."""
        self._change(f"/containers/{container}/restart", {"t": str(stop_within)})

    def start(self, container: str) -> None:
        """Start it."""
        self._change(f"/containers/{container}/start")

    def stop(self, container: str, stop_within: int) -> None:
        """Stop it; kill it after so many seconds."""
        self._change(f"/containers/{container}/stop", {"t": str(stop_within)})

    def pause(self, container: str) -> None:
        """Freeze all its processes."""
        self._change(f"/containers/{container}/pause")

    def unpause(self, container: str) -> None:
        """Let its processes go on."""
        self._change(f"/containers/{container}/unpause")

    def limit_memory(self, container: str, memory: int, swap: int) -> None:
        """Set its memory limit, and that of memory and swap together (-1: none), both in bytes."""
        self._change(f"/containers/{container}/update", content={"Memory": memory, "MemorySwap": swap})

    def execute(self, container: str, command: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Run a command in it: exit code and output. The code is None when it has not ended in time; it
        then goes on in the container.
        """
        content = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
        try:
            made = self._change(f"/containers/{container}/exec", content=content)
        except OutcomeUnknown as error:  # nothing runs before it is started
            raise SourceUnavailable(str(error)) from None
        run = str(made.get("Id", ""))
        until = self.left - seconds  # what will be left when its time is over
        output = ""
        try:
            with self._open(
                "POST", f"/exec/{run}/start", content={"Detach": False, "Tty": False}, seconds=seconds
            ) as answer:
                if answer.status not in _DONE:
                    raise self._refusal(answer, "POST /exec/*/start")
                frames = pieces(answer.chunks(), tty=False)
                output, complete = last(frames, _MOST_OUTPUT, _MOST_OUTPUT, lambda: self.left - until)
        except SourceUnavailable:  # it says nothing and does not end
            return None, output
        state = self._get(f"/exec/{run}/json") or {}
        code = state.get("ExitCode")
        return (int(code) if complete and code is not None and not state.get("Running") else None), output

    def _change(
        self, path: str, params: Mapping[str, str] | None = None, content: Any = None
    ) -> dict[str, Any]:
        parts = path.split("/")
        asked = f"POST /containers/*/{parts[-1]}"
        if self.left <= 0:  # frozen, or slow: by now somebody else may be at work
            raise SourceUnavailable(f"{self._name}: no time was left for {asked}; it was not asked")
        try:
            with self._open("POST", path, params, content) as answer:
                if answer.status == _ALREADY:
                    return {}
                if answer.status not in _DONE:
                    raise self._refusal(answer, asked)
                body = answer.read(65_536)
        except SourceUnavailable as error:
            raise OutcomeUnknown(
                f"{error}; whether {asked} for {parts[2][:12]} was done has to be looked at"
            ) from None
        try:
            return dict(json.loads(body)) if body.strip() else {}
        except (ValueError, TypeError):
            return {}

    def _refusal(self, answer: Reply, asked: str) -> Refused | NotConfigured:
        said = f": {text}" if (text := self._said(answer)) else ""
        if answer.status in (401, 403, 405):
            return NotConfigured(
                f"{self._name}: what stands before the Docker Engine answers {answer.status} to "
                f"{asked}; let the proxy of this connection allow it"
            )
        return Refused(f"{self._name}: the Docker Engine answers {answer.status} to {asked}{said}")
