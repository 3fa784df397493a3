"""The switches for all automation: off means that runbooks plan and page, and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from incident_response.domain.automation import BREAKER, KILL_SWITCH, Lease, Switch
from incident_response.domain.errors import BadInput
from incident_response.domain.ports import Store

_KNOWN = (KILL_SWITCH, BREAKER)


class Automation:
    """Sets and reads the switches."""

    def __init__(self, store: Store, variable: Callable[[], Switch | None] = lambda: None) -> None:
        """`variable` is the kill switch that somebody has set as an Airflow variable, when it is off."""
        self._store, self.variable = store, variable

    def set(self, name: str, enabled: bool, reason: str, by: str, now: datetime) -> Switch:
        """Switch it off, with a reason, or on again. Raises BadInput."""
        if name not in _KNOWN:
            raise BadInput(f"there is no switch {name!r}; there are {', '.join(_KNOWN)}")
        if not enabled and not reason.strip():
            raise BadInput("reason: is empty; say why, for the person who finds it off at night")
        switch = Switch(name, enabled, reason.strip()[:500], by, now)
        with self._store.transaction() as tx:
            tx.put_switch(switch)
        return switch

    def off(self) -> Sequence[Switch]:
        """The switches of the store that are off now, with who did it, when and why."""
        with self._store.read() as tx:
            return [switch for switch in tx.switches() if not switch.enabled]

    def leases(self) -> Sequence[Lease]:
        """What runbooks work on now."""
        with self._store.read() as tx:
            return tx.leases()
