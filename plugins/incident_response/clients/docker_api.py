"""Engine: the few questions we ask a Docker Engine, each bounded in time and in the size of its answer."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from incident_response.domain.connections import Connection
from incident_response.domain.errors import IncidentResponseError, SourceUnavailable
from incident_response.domain.redaction import one_line, redact

from .docker_stream import last, pieces
from .docker_wire import Reply, Wire

_MOST_BYTES = 16 * 1024 * 1024  # of one answer; a list of a thousand containers has two megabytes
_MOST_LOG = 64 * 1024 * 1024  # read for the last lines of a container's log


class NoLog(IncidentResponseError):
    """The container has no log that can be read."""


class Engine:
    """A read-only client for one look. Methods raise SourceUnavailable when the engine does not answer."""

    where = "where the triggerer runs"  # its process: what it needs has to be there

    def __init__(self, name: str, connection: Connection, seconds: float) -> None:
        """`name` is the detector's or the action's, for messages; `seconds` is the time for everything."""
        self._name = name
        self.time: datetime | None = None  # the engine's clock, at its last answer
        self._deadline = time.monotonic() + seconds
        self._wire = Wire(name, connection, self.where)
        self._prefix = ""  # old engines refuse new clients, and the other way round: the engine says which
        try:
            self._prefix = f"/v{self._get('/version')['ApiVersion']}"
        except (KeyError, TypeError):
            raise self._stranger() from None

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def containers(self) -> list[dict[str, Any]]:
        """All containers, running or not, as `docker ps` lists them."""
        found: list[dict[str, Any]] = self._get("/containers/json", {"all": "1"})
        return found

    def inspect(self, container: str) -> dict[str, Any] | None:
        """Everything about one container, None when it is gone."""
        found: dict[str, Any] | None = self._get(f"/containers/{container}/json")
        return found

    def stats(self, container: str) -> dict[str, Any] | None:
        """Its use of resources at this moment, None when it is gone."""
        params = {"stream": "0", "one-shot": "1"}
        found: dict[str, Any] | None = self._get(f"/containers/{container}/stats", params)
        return found

    def logs(
        self, container: str, *, lines: int, since: int | None, tty: bool, keep: int
    ) -> tuple[str, bool]:
        """The last lines that it printed, at most `keep` bytes; False: not all could be read in time.

        Raises NoLog when it is gone, or keeps no log that can be read.
        """
        params = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": str(lines)}
        params |= {} if since is None else {"since": str(since)}
        with self._open("GET", f"/containers/{container}/logs", params) as answer:
            if answer.status in (400, 404, 409, 500, 501):  # the logging driver cannot, or has lost it
                raise NoLog(self._said(answer) or f"the engine answers {answer.status}")
            self._check(answer, f"GET /containers/{container[:12]}/logs")
            return last(pieces(answer.chunks(), tty=tty), keep, _MOST_LOG, lambda: self.left)

    def oom_events(self, since: int, until: int) -> list[dict[str, Any]]:
        """Kills for memory between two Unix times, of the engine's last 256 events.

        `until` must be in the past: otherwise the engine waits for it.
        """
        chosen = json.dumps({"type": ["container"], "event": ["oom"]})
        text = self._read("/events", {"since": str(since), "until": str(until), "filters": chosen})
        return [json.loads(line) for line in (text or b"").splitlines() if line.strip()]

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        body = self._read(path, params or {})
        try:
            return None if body is None else json.loads(body)
        except ValueError:
            raise self._stranger() from None

    def _read(self, path: str, params: Mapping[str, str]) -> bytes | None:
        """The body; None when there is no such container."""
        with self._open("GET", path, params) as answer:
            if answer.status == 404 and path.startswith("/containers/"):
                return None
            self._check(answer, f"GET {path}")
            body = answer.read(_MOST_BYTES)
        if len(body) > _MOST_BYTES:
            raise SourceUnavailable(
                f"{self._name}: the answer to GET {path} is larger than {_MOST_BYTES} bytes"
            )
        return body

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        content: Any = None,
        seconds: float | None = None,
    ) -> Iterator[Reply]:
        """An answer, whatever its status, whose body is not read yet. Raises SourceUnavailable."""
        limit = self._left if seconds is None else min(seconds, self._left)
        try:
            with self._wire.open(method, f"{self._prefix}{path}", params, content, limit) as answer:
                with contextlib.suppress(KeyError, TypeError, ValueError):  # no such header, or no time
                    self.time = parsedate_to_datetime(answer.headers["Date"])
                yield answer
        except self._wire.failures as error:
            raise self._silent(error) from None

    def _check(self, answer: Reply, asked: str) -> None:
        """Raises SourceUnavailable when this is no good answer."""
        if answer.status == 200:
            return
        said = self._said(answer)
        raise SourceUnavailable(
            f"{self._name}: the Docker Engine answers {answer.status} to {asked}"
            f"{': ' + said if said else ''}; a socket proxy must allow CONTAINERS, EVENTS and VERSION"
            + (", or set `events: false` in detectors.yaml" if asked == "GET /events" else "")
        )

    def _said(self, answer: Reply) -> str:
        """What an error says: `{"message": "No such container: …"}`, or a proxy's own words."""
        body = answer.read(4096)[:4096].decode(errors="replace")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            body = str(json.loads(body)["message"])
        return one_line(" ".join(body.split()), 300)

    @property
    def left(self) -> float:
        """Seconds that are left of the look."""
        return self._deadline - time.monotonic()

    @property
    def _left(self) -> float:
        return max(0.1, self.left)

    def _stranger(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self._name}: what answers at {redact(self._wire.url)} is no Docker Engine; "
            "check its connection"
        )

    def _silent(self, error: Exception) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self._name}: the Docker Engine at {redact(self._wire.url)} does not answer "
            f"({one_line(str(error), 150)}); check that it runs, and that its socket may be used, or its "
            f"proxy reached, {self.where}"
        )
