"""FileSpool: signals that could not be stored wait as files, written by failing tasks, taken in by the clock.

A file's name carries its state, and every change of state is one rename, so that several writers and several
clocks on one shared folder never see half a file and never both get the same one:

    <time>-<random>.json            waits
    <time>-<random>.json.tmp        is being written
    <time>-<random>.json.at-<ms>    was taken by a clock at that time
    set_aside/<time>-<random>.json  for a person, with a .error file beside it
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from incident_response.domain.logs import logger

from .domain.errors import BadInput
from .domain.signals import Signal
from .domain.times import UTC

log = logger(__name__)

_MEND = "its owner or modes must be mended"
ABANDONED_AFTER = 60.0  # seconds; who took or began a file so long ago is dead or lost
_VERSION = 1
_NAME = re.compile(r"(?P<file>(?P<made>\d{19})-[0-9a-f]{12}\.json)(?P<state>\.tmp|\.at-(?P<taken>\d{13}))?")


class FileSpool:
    """A folder of files; its modes let the users of one group (worker, triggerer) share it."""

    def __init__(
        self,
        folder: Path,
        *,
        folder_mode: int = 0o2770,  # setgid: files belong to the folder's group, whoever wrote them
        file_mode: int = 0o660,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._aside = folder, folder / "set_aside"
        self._folder_mode, self._file_mode, self._wall = folder_mode, file_mode, wall

    def put(self, signals: Sequence[Signal]) -> str:
        """Keep signals; returns the file's name once it is safely on the disk. Raises OSError."""
        self._make(self._folder)
        name = f"{int(self._wall() * 1e9):019d}-{uuid.uuid4().hex[:12]}.json"
        temporary = self._folder / f"{name}.tmp"
        data = {"version": _VERSION, "signals": [_encode(signal) for signal in signals]}
        with temporary.open("x", encoding="ascii") as file:
            # default=str: a detail that is no JSON value must not cost the signal
            json.dump(data, file, default=str)
            file.flush()
            with contextlib.suppress(OSError):  # a file system without modes; then its mount decides
                os.fchmod(file.fileno(), self._file_mode)
            os.fsync(file.fileno())
        temporary.rename(self._folder / name)
        self._sync()
        return name

    def take(self, limit: int) -> Iterator[tuple[str, Sequence[Signal]]]:
        """Take at most `limit` files, oldest first, each just before it is given out.

        One that is neither done nor set aside when the caller goes on (or gives up) waits again.
        """
        for found in heapq.nsmallest(limit, self._takeable()):
            name = self._claim(found)
            if name is None:
                continue
            try:
                signals = _read(self._folder / name)
            except FileNotFoundError:
                continue  # too slow: another clock took it for abandoned
            except (OSError, BadInput) as error:
                self.set_aside(name, str(error))
                continue
            try:
                yield name, signals
            finally:
                self._release(name)

    def done(self, name: str) -> None:
        """The signals of this file are in the store."""
        (self._folder / name).unlink(missing_ok=True)

    def set_aside(self, name: str, error: str) -> None:
        """Keep this file for a person, with the reason beside it; nothing looks at it again or deletes it."""
        kept = self._aside / _plain(name)
        try:
            self._make(self._aside)
            (self._folder / name).rename(kept)
            kept.with_name(f"{kept.name}.error").write_text(f"{error}\n", encoding="utf-8", errors="replace")
        except OSError:
            log.exception("%s could not be set aside in %s; %s", name, self._folder, _MEND)
        else:
            log.error("%s cannot be taken in: %s; kept as %s", name, error, kept)

    def waiting(self) -> int:
        """How many files wait or are being taken in."""
        return sum(1 for _ in self._names())

    def set_aside_count(self) -> int:
        """How many files wait for a person."""
        try:
            with os.scandir(self._aside) as entries:
                return sum(1 for entry in entries if entry.name.endswith(".json"))
        except OSError:
            return 0

    def _names(self) -> Iterator[re.Match[str]]:
        """All our files; others, for example an editor's, are left alone."""
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if match := _NAME.fullmatch(entry.name):
                        yield match
        except FileNotFoundError:
            return  # nothing was ever spooled
        except OSError as error:
            # The clock has more to do than this: pages must go out even if this folder is unreadable.
            log.error("the spool %s cannot be read: %s; %s", self._folder, error, _MEND)

    def _takeable(self) -> Iterator[str]:
        """Names begin with the time, so their order is that of arrival."""
        old = self._wall() - ABANDONED_AFTER
        for match in self._names():
            since = int(match["taken"]) / 1e3 if match["taken"] else int(match["made"]) / 1e9
            if match["state"] is None or since < old:
                yield match[0]

    def _claim(self, name: str) -> str | None:
        """Rename it to ours; None when another clock was quicker."""
        claimed = f"{_plain(name)}.at-{int(self._wall() * 1000):013d}"
        if claimed == name:
            return None
        try:
            (self._folder / name).rename(self._folder / claimed)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.error("%s cannot be taken from %s: %s; %s", name, self._folder, error, _MEND)
            return None
        return claimed

    def _release(self, name: str) -> None:
        with contextlib.suppress(OSError):  # the usual case: it is done, or set aside
            (self._folder / name).rename(self._folder / _plain(name))

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            folder.chmod(self._folder_mode)

    def _sync(self) -> None:
        """Make the rename durable, where folders can be synced."""
        with contextlib.suppress(OSError):
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _plain(name: str) -> str:
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadInput(f"{name!r} is no name of a spooled file")
    return match["file"]


def _encode(signal: Signal) -> dict[str, Any]:
    return {
        "source": signal.source,
        "labels": dict(signal.labels),
        "summary": signal.summary,
        "occurred_at": signal.occurred_at.isoformat(),
        "firing": signal.firing,
        "occurrence": signal.occurrence,
        "details": dict(signal.details),
    }


def _read(path: Path) -> list[Signal]:
    """Raises BadInput when it does not hold signals of the version we know."""
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"it is no JSON: {error}") from error
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        raise BadInput(f"its format is not version {_VERSION}; take it in with the version that wrote it")
    signals = data.get("signals")
    if not isinstance(signals, list):
        raise BadInput("it holds no signals")
    return [_decode(entry) for entry in signals]


def _decode(entry: Any) -> Signal:
    """Strict: what passes here must be fit for the store."""
    if not isinstance(entry, Mapping):
        raise BadInput("a signal in it is no object")
    texts = [entry.get(name) for name in ("source", "summary", "occurred_at", "occurrence")]
    labels, details, firing = entry.get("labels"), entry.get("details"), entry.get("firing")
    if not all(isinstance(text, str) for text in texts) or not isinstance(firing, bool):
        raise BadInput("a signal in it lacks a field or has one of the wrong type")
    if not isinstance(details, dict) or not isinstance(labels, dict):
        raise BadInput("a signal in it has no labels or details")
    if not all(isinstance(value, str) for value in labels.values()):
        raise BadInput("a label in it is no text")
    source, summary, occurred_at, occurrence = map(str, texts)
    try:
        at = datetime.fromisoformat(occurred_at)
    except ValueError:
        raise BadInput(f"{occurred_at!r} is no time") from None
    if at.tzinfo is None:
        raise BadInput(f"{occurred_at!r} has no zone")
    return Signal(source, labels, summary, at.astimezone(UTC), firing, occurrence, details)
