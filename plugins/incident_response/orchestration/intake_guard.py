"""The guard between pipelines and us: what happens in here never raises, and never takes longer than agreed.

The store is written from a thread that is left behind when it does not answer in time; then, or when anything
else is wrong, the signals go into a file, which the clock takes in later. What the thread manages to write
after all is recognised as known.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from incident_response import settings as configuration
from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.logs import logger
from incident_response.domain.redaction import one_line
from incident_response.domain.signals import Signal
from incident_response.settings import Settings
from incident_response.spool import FileSpool

log = logger(__name__)

_SPARE = 30.0  # seconds in which a store that was away is not asked again by this process
_away_until = 0.0


def report(build: Callable[[], Sequence[Signal]]) -> None:
    """Build signals and deliver them. Whatever goes wrong is logged; a pipeline never notices."""
    try:
        signals = build()
        if signals:
            deliver(signals)
    except Exception:  # our bug must not become the pipeline's
        log.exception(
            "incident response: a failure could not be reported; the scan of Airflow's runs will find it"
        )


def deliver(signals: Sequence[Signal]) -> None:
    """Into the store within `callback_timeout` seconds, else into the spool. Raises nothing."""
    global _away_until
    started = time.monotonic()
    what = f"{signals[0].name} of {signals[0].labels.get('dag_id', 'unknown')}"
    if started < _away_until:
        problem = "the store was away a moment ago"
    else:
        problem, became = _store(signals, _timeout())
        if not problem:
            log.info("incident response: %s %s in %.2f s", what, became, time.monotonic() - started)
            return
        _away_until = time.monotonic() + _SPARE
    try:
        name = FileSpool(_spool_folder()).put(signals)
    except Exception as error:  # the last resort: the log is kept, too
        log.exception(
            "incident response: %s is neither stored (%s) nor spooled (%s): %s", what, problem, error, signals
        )
        return
    log.warning(
        "incident response: %s spooled as %s after %.2f s, because %s; the clock will take it in",
        what,
        name,
        time.monotonic() - started,
        problem,
    )


def opt_out_tag() -> str:
    """The tag of DAGs that are left out, also when other settings are broken."""
    try:
        return configuration.settings().opt_out_tag
    except IncidentResponseError:
        return Settings.opt_out_tag


def _store(signals: Sequence[Signal], seconds: float) -> tuple[str, str]:
    """(what went wrong, what became of the signals)."""
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    thread = threading.Thread(target=_receive, args=(signals, answers), name="incident intake", daemon=True)
    thread.start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return f"the store did not answer within {seconds:g} s", ""


def _receive(signals: Sequence[Signal], answers: queue.SimpleQueue[tuple[str, str]]) -> None:
    try:
        # In here, because importing the store takes a while, and may fail like the store itself.
        from incident_response import bootstrap

        receipts = bootstrap.intake_only().receive(signals, bootstrap.now())
        became = {f"{r.reason.value} INC-{r.incident}" if r.incident else r.reason.value for r in receipts}
        answers.put(("", ", ".join(sorted(became))))
    except IncidentResponseError as error:  # it names the remedy
        answers.put((one_line(" ".join(str(error).split())), ""))
    except Exception as error:  # noqa: BLE001 — whatever it is, it is told and the signal goes into the spool
        answers.put((one_line(f"{type(error).__name__}: {error}"), ""))


def _timeout() -> float:
    try:
        return configuration.settings().callback_timeout
    except IncidentResponseError:
        return Settings.callback_timeout


def _spool_folder() -> Path:
    """Where the clock will look once the settings are right."""
    try:
        return Path(configuration.settings().spool_folder)
    except IncidentResponseError:
        return Path(_alone("spool_folder"))


def _alone(option: str) -> str:
    """One setting without the others, one of which is broken."""
    from airflow.configuration import AIRFLOW_HOME, conf

    places = {"AIRFLOW_HOME": str(AIRFLOW_HOME), "LOGS": conf.get("logging", "base_log_folder")}
    only = configuration.load(
        lambda name: conf.get(configuration.SECTION, name, fallback=None) if name == option else None, places
    )
    return str(getattr(only, option))
