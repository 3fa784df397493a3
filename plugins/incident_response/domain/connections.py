"""Connection: what we use of an Airflow connection, wherever it was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Connection:
    """What we use of an Airflow connection. `repr` keeps the password to itself."""

    host: str
    login: str = ""
    password: str = field(default="", repr=False)
    port: int | None = None
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    conn_type: str = ""  # Airflow's: postgres, mysql, sqlite, http, …

    @classmethod
    def of(cls, found: Any) -> Connection:
        """From Airflow's own connection object."""
        return cls(
            host=found.host or "",
            login=found.login or "",
            password=found.password or "",
            port=found.port,
            schema=found.schema or "",
            extra=dict(found.extra_dejson or {}),
            conn_type=getattr(found, "conn_type", "") or "",
        )

    @property
    def url(self) -> str:
        """Host as a URL: `https://airflow.example.com`, or host, port and schema put together."""
        if "://" in self.host:
            return self.host.rstrip("/")
        port = f":{self.port}" if self.port else ""
        return f"{self.schema or 'http'}://{self.host}{port}".rstrip("/")
