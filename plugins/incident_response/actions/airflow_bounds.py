"""Bounded: Airflow's REST API within the time of one call of an action."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.ports import AirflowRest
from incident_response.domain.redaction import one_line


class Bounded:
    """Implements ports.AirflowRest. Begins no request after `seconds`, and tells no secret in its errors:
    Airflow repeats what it was sent when it refuses it.
    """

    def __init__(self, api: AirflowRest, seconds: float) -> None:
        self._api, self._ends_at = api, time.monotonic() + seconds
        self._is_airflow = False  # known to be, and not a proxy's page

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET; JSON answer."""
        return self._within(lambda: self._api.get(path, params))

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        """POST; JSON answer."""
        return self._within(lambda: self._api.post(path, json))

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        """PATCH; JSON answer."""
        return self._within(lambda: self._api.patch(path, json))

    def find(self, path: str) -> Any:
        """GET; None when there is no such thing."""
        try:
            return self.get(path)
        except AirflowRefused as refused:
            if refused.status != 404:
                raise
        self._make_sure()
        return None

    def _make_sure(self) -> None:
        """A proxy that answers for an Airflow that is away says 404, too: nothing is gone then."""
        if not self._is_airflow:
            try:
                self.get("/version")
            except AirflowRefused:
                raise AirflowUnavailable(
                    "Airflow's REST API is away: something else answers for it"
                ) from None
        self._is_airflow = True

    def _within(self, request: Callable[[], Any]) -> Any:
        if time.monotonic() > self._ends_at:
            raise AirflowUnavailable("Airflow's REST API is too slow: the time of this step is over")
        try:
            return request()
        except AirflowRefused as refused:
            raise AirflowRefused(one_line(str(refused)), status=refused.status) from None
