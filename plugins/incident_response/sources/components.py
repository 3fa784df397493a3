"""Component: the part of the platform that a finding belongs to; the same words as in Prometheus's alerts."""

from typing import Literal

Component = Literal["airflow", "infrastructure", "database", "redis", "nginx", "api", "data_quality"]
