"""Work that may wait for the store: in threads, few of them, and never with an error that quotes a body."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from incident_response.domain.errors import (
    BadInput,
    IncidentResponseError,
    PolicyError,
    SchemaOutdated,
    SettingsError,
    StoreUnavailable,
)
from incident_response.domain.logs import logger

from .refusals import NOTHING, Refusal, away, busy

log = logger(__name__)

Result = TypeVar("Result")
THREADS, WAITING = 8, 64  # with the store away each thread waits for its timeout: Airflow's own are not taken


class Workers:
    """Runs what blocks. One for each app, used from one event loop."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, in a thread. Raises Refusal."""
        if self._limiter is None:  # made here, because it belongs to the loop
            self._limiter = anyio.CapacityLimiter(THREADS)
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise busy()
        return await anyio.to_thread.run_sync(lambda: _guarded(work), limiter=self._limiter)


def _guarded(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except Refusal:
        raise
    except (StoreUnavailable, SchemaOutdated) as error:
        log.warning("a webhook was answered with 503: %s", type(error).__name__)
        raise away("The store is away.") from None
    except (SettingsError, PolicyError) as error:
        log.warning("a webhook was answered with 503: %s", error)  # names a file or a setting of ours
        raise away("This installation has a broken setting or file; its doctor names it.") from None
    except BadInput as error:
        raise Refusal(422, f"{error}. {NOTHING}", "Correct the body.") from None
    except IncidentResponseError as error:
        raise _unexpected(error) from None
    except Exception as error:  # noqa: BLE001 - a driver's message may quote the values it was given
        raise _unexpected(error) from None


def _unexpected(error: Exception) -> Refusal:
    # Where, and not what: whoever logs the exception itself would log a piece of the body.
    where = " ← ".join(
        f"{f.filename}:{f.lineno}" for f in reversed(traceback.extract_tb(error.__traceback__))
    )
    log.error("a webhook failed: %s at %s", type(error).__name__, where)
    return Refusal(
        500,
        f"Something unexpected happened: {type(error).__name__}. {NOTHING}",
        "Look at the log of Airflow's API server; nothing was half done.",
    )
