"""A small client of Airflow's REST API v2: log in, ask, log in again on 401. Nothing else knows the protocol.

Airflow's own client package cannot clear task instances on either version, so this one exists.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from .domain.connections import Connection
from .domain.errors import AirflowRefused, AirflowUnavailable
from .http_until import bounded, within

_API = "/api/v2"


class AirflowApi:
    """Thread-safe. `find` gives the connection (None: not configured); paths start after `/api/v2` (those
    of the auth manager, `/auth/…`, and of Airflow's own pages, `/ui/…`, are taken as they are).
    """

    def __init__(self, find: Callable[[], Connection | None], timeout: float = 10.0) -> None:
        self._find, self._timeout = find, timeout
        self._token: str | None = None
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET; JSON answer."""
        return self.request("GET", path, params=params)

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        """POST; JSON answer."""
        return self.request("POST", path, json=json)

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        """PATCH; JSON answer."""
        return self.request("PATCH", path, json=json)

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """One request, and once more after a fresh login when the token has expired.

        Raises AirflowUnavailable (no answer, 5xx, 429: try later) or AirflowRefused (with the HTTP status).
        """
        try:
            answer = self._send(method, path, self._login(), **arguments)
            if answer.status_code == 401:
                self._token = None
                answer = self._send(method, path, self._login(), **arguments)
        except httpx.HTTPError as error:
            raise AirflowUnavailable(f"{method} {path}: {type(error).__name__}") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise AirflowUnavailable(f"{method} {path}: HTTP {answer.status_code}")
        if answer.status_code >= 400:
            raise AirflowRefused(
                f"{method} {path}: HTTP {answer.status_code}: {answer.text[:300]}", status=answer.status_code
            )
        if not answer.content:
            return None
        if "json" not in answer.headers.get("content-type", ""):
            # Airflow answers unknown addresses with its start page, and so does a proxy with its own.
            raise AirflowRefused(f"{method} {path}: answered by a page, not by the API", status=404)
        return answer.json()

    def _send(self, method: str, path: str, token: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        whole = path if path.startswith(("/auth/", "/ui/")) else _API + path
        with within(self._timeout):
            return self._http().request(method, whole, headers=headers, **arguments)

    def _http(self) -> httpx.Client:
        if self._client is None:
            self._client = bounded(httpx.Client(base_url=self._connection().url, timeout=self._timeout))
        return self._client

    def _connection(self) -> Connection:
        found = self._find()
        if found is None:
            raise AirflowUnavailable(
                "there is no connection for Airflow's REST API; create the Airflow connection "
                "`incident_response_api` (host, login, password) or set AIRFLOW_CONN_INCIDENT_RESPONSE_API"
            )
        return found

    def _login(self) -> str:
        with self._lock:
            if self._token is None:
                found = self._connection()
                with within(self._timeout):
                    answer = self._http().post(
                        "/auth/token", json={"username": found.login, "password": found.password}
                    )
                if answer.status_code >= 500:
                    raise AirflowUnavailable(f"login at Airflow's REST API: HTTP {answer.status_code}")
                if answer.status_code >= 400:
                    raise AirflowRefused(
                        f"Airflow's REST API refused the login of {found.login!r}: "
                        f"HTTP {answer.status_code}; "
                        "check the connection `incident_response_api`",
                        status=answer.status_code,
                    )
                self._token = str(answer.json()["access_token"])
            return self._token
