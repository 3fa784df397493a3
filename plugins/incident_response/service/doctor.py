"""Doctor: is this installation able to detect, repair and page? Each finding says how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import quote

from incident_response.domain.automation import BREAKER, Switch
from incident_response.domain.errors import (
    AirflowRefused,
    AirflowUnavailable,
    IncidentResponseError,
    PolicyError,
    StoreUnavailable,
)
from incident_response.domain.health import Finding
from incident_response.domain.ports import AirflowRest, Spool, Store
from incident_response.domain.records import Heartbeat
from incident_response.domain.runbooks import Runbook

from .alert_rules import troubles

OUR_DAGS = ("incident_clock", "incident_detection", "incident_escalation", "incident_response")
_SILENT_AFTER = timedelta(seconds=60)
_ROLES = ("Viewer", "User", "Op", "Admin")  # FAB roles that should see the page in the menu


class Shelf(Protocol):
    """What doctor asks of the library."""

    def problems(self) -> Sequence[PolicyError]:
        """What is wrong with the files of include/."""

    def runbooks(self) -> dict[str, Runbook]:
        """The valid runbooks."""


class Doctor:
    """Looks from where it runs: the command line, or Airflow's API server for the banner."""

    def __init__(
        self,
        store: Store,
        library: Shelf,
        airflow: AirflowRest,
        spool: Spool,
        variable: Callable[[], Switch | None] = lambda: None,
    ) -> None:
        """`variable` is the kill switch that somebody has set as an Airflow variable, when it is off."""
        self._store, self._library, self._airflow, self._spool = store, library, airflow, spool
        self._variable = variable

    def banner(self, now: datetime) -> list[Finding]:
        """Only what is serious and cheap to know."""
        names = ("store", "clock", "automation", "files", "outbox")
        found = [finding for name in names for finding in self._guarded(name, now)]
        return [finding for finding in found if not finding.ok and finding.serious]

    def examine(self, now: datetime) -> Iterator[Finding]:
        """Everything, in the order in which one would mend it."""
        for name in self._checks(now):
            yield from self._guarded(name, now)

    def _checks(self, now: datetime) -> dict[str, Callable[[], Iterator[Finding]]]:
        return {
            "store": self._check_store,
            "files": self._check_files,
            "Airflow API": self._check_login,
            "DAGs": self._check_dags,
            "clock": lambda: self._check_clock(now),
            "automation": self._check_automation,
            "spool": self._check_spool,
            "outbox": lambda: self._check_outbox(now),
            "detectors": self._check_detectors,
            "alert rules": lambda: self._check_rules(now),
            "menu": self._check_menu,
        }

    def _guarded(self, name: str, now: datetime) -> Iterator[Finding]:
        """A check that cannot be made is a finding, too."""
        try:
            yield from self._checks(now)[name]()
        except StoreUnavailable as error:
            remedy = "start the database, or correct [incident_response] store_url"
            yield Finding(name, False, str(error), remedy, serious=True)
        except AirflowUnavailable as error:
            remedy = "start Airflow's API server, or correct the connection that api_conn_id names"
            yield Finding(name, False, str(error), remedy, serious=True)
        except IncidentResponseError as error:
            yield Finding(name, False, str(error), "mend what the message names", serious=True)

    def _check_store(self) -> Iterator[Finding]:
        with self._store.read() as tx:
            tx.polls()
        yield Finding("store", True, "reachable, schema up to date")

    def _check_files(self) -> Iterator[Finding]:
        problems = self._library.problems()
        for problem in problems:
            yield Finding(
                "files", False, str(problem), "correct the file; it is read again by itself", serious=True
            )
        if not problems:
            books = ", ".join(sorted(self._library.runbooks())) or "no runbook"
            yield Finding("files", True, f"policy and runbooks valid ({books})")

    def _check_login(self) -> Iterator[Finding]:
        version = self._airflow.get("/version")
        yield Finding("Airflow API", True, f"login works, Airflow {version['version']}")

    def _check_dags(self) -> Iterator[Finding]:
        books = self._library.runbooks()
        wanted = [*OUR_DAGS, *(f"runbook_{name}" for name in sorted(books) if not books[name].written)]
        for dag_id in wanted:
            try:
                dag = self._airflow.get(f"/dags/{quote(dag_id, safe='')}")
            except AirflowRefused as error:
                if error.status != 404:
                    raise
                yield Finding(
                    "DAGs",
                    False,
                    f"{dag_id} is not there",
                    "copy dags/ into Airflow's DAG folder and wait for the DAG processor",
                    serious=True,
                )
                continue
            if dag["is_paused"]:
                yield Finding(
                    "DAGs", False, f"{dag_id} is paused", f"run `airflow dags unpause {dag_id}`", serious=True
                )
            elif dag.get("has_import_errors"):
                yield Finding(
                    "DAGs", False, f"{dag_id} has import errors", "see Airflow's import errors", serious=True
                )
            else:
                yield Finding("DAGs", True, f"{dag_id} is there and not paused")

    def _check_clock(self, now: datetime) -> Iterator[Finding]:
        with self._store.read() as tx:
            beats = tx.heartbeats(now - timedelta(days=1))
        alive = [beat for beat in beats if now - beat.at <= _SILENT_AFTER]
        if alive:
            first = min(alive, key=lambda beat: beat.since)
            yield Finding("clock", True, f"{first.name} ticks since {first.since:%Y-%m-%d %H:%M:%S} UTC")
            return
        yield Finding(
            "clock",
            False,
            _silence(beats),
            "unpause the DAG incident_clock and look at the triggerer's log; "
            "until then run `python -m incident_response tick --forever` beside Airflow",
            serious=True,
        )

    def _check_automation(self) -> Iterator[Finding]:
        with self._store.read() as tx:
            off = [switch for switch in tx.switches() if not switch.enabled]
        for switch in off:
            remedy = "switch it on, on the page Automation"
            if switch.name == BREAKER:
                remedy = "look at what keeps failing, then reset the breaker on the page Automation"
            who = "the breaker opened" if switch.name == BREAKER else f"{switch.set_by} switched it off"
            text = f"runbooks change nothing: {who} at {switch.set_at:%Y-%m-%d %H:%M} UTC, {switch.reason}"
            yield Finding("automation", False, text, remedy, serious=True)
        if (variable := self._variable()) is not None:
            text = f"runbooks change nothing: an Airflow variable switches them off, {variable.reason}"
            yield Finding("automation", False, text, "delete the variable, or set it to on", serious=True)
        elif not off:
            yield Finding("automation", True, "runbooks may act, each within its limits")

    def _check_spool(self) -> Iterator[Finding]:
        waiting = self._spool.waiting()
        if waiting > 100:
            yield Finding(
                "spool",
                False,
                f"{waiting} files wait",
                "the clock takes them in; look at its log",
                serious=True,
            )
        else:
            yield Finding("spool", True, f"{waiting} files wait")

    def _check_outbox(self, now: datetime) -> Iterator[Finding]:
        with self._store.read() as tx:
            totals = tx.totals(now)
        failed = totals.get("outbox_failed", 0)
        yield Finding(
            "outbox",
            not failed,
            f"{totals.get('outbox_pending', 0)} waiting, {failed} failed",
            "open the incidents concerned: their timeline names the message and the error" if failed else "",
        )

    def _check_detectors(self) -> Iterator[Finding]:
        with self._store.read() as tx:
            polls = tx.polls()
        for poll in polls:
            text = f"{poll.name}: last good look {poll.last_ok_at or 'never'}, by {poll.last_by or 'nobody'}"
            good = poll.failures < 3
            yield Finding(
                "detectors",
                good,
                text + (f" — {poll.error}" if poll.error else ""),
                "" if good else "mend what the error names",
                serious=not good,
            )

    def _check_rules(self, now: datetime) -> Iterator[Finding]:
        """Rules of outside systems that say nothing."""
        with self._store.read() as tx:
            found = troubles(tx.polls(), now)
        for one in found:
            remedy = "correct the rule over there, or let it be ignored in include/policy/detectors.yaml"
            yield Finding("alert rules", False, f"{one.detector}: {one.alert} {one.text}", remedy)
        if not found:
            yield Finding("alert rules", True, "none is known that has always fired or can never fire")

    def _check_menu(self) -> Iterator[Finding]:
        """Under FabAuthManager, Viewer and User do not see plugin pages until they are given the
        permission.
        """
        for role in _ROLES:
            try:
                found = self._airflow.get(f"/auth/fab/v1/roles/{role}")
            except AirflowRefused as error:
                if error.status == 404:
                    yield Finding("menu", True, "shown to every role (no FAB roles here)")
                    return
                if error.status == 403:
                    yield Finding("menu", True, "not checked: the service user may not read roles")
                    return
                raise
            actions = {(a["action"]["name"], a["resource"]["name"]) for a in found.get("actions", ())}
            visible = ("can_read", "Plugins") in actions or ("menu_access", "Plugins") in actions
            yield Finding(
                "menu",
                visible,
                f"role {role} {'sees' if visible else 'does not see'} the page in the menu",
                "" if visible else f"run `airflow roles add-perms {role} -a can_read -r Plugins`",
            )


def _silence(beats: Sequence[Heartbeat]) -> str:
    return f"silent since {beats[0].at:%Y-%m-%d %H:%M:%S} UTC" if beats else "has not ticked within a day"
