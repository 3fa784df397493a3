"""include/policy/detectors.yaml: which outside systems are looked at, how, and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from incident_response.sources.airflow_health import AirflowHealthSource
from incident_response.sources.alertmanager import AlertmanagerSource
from incident_response.sources.data_quality import DataQualitySource
from incident_response.sources.docker_engine import DockerSource
from incident_response.sources.http_health import HttpHealthSource
from incident_response.sources.loki import LokiSource
from incident_response.sources.postgres import PostgresSource
from incident_response.sources.prometheus import PrometheusSource

from .yaml_file import Misplaced, Model

AnySource = Annotated[
    AirflowHealthSource
    | AlertmanagerSource
    | DataQualitySource
    | DockerSource
    | HttpHealthSource
    | LokiSource
    | PostgresSource
    | PrometheusSource,
    Field(discriminator="kind"),
]


class DetectorsFile(Model):
    """The whole file."""

    version: Literal[1]
    sources: tuple[AnySource, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> DetectorsFile:
        names = [source.name for source in self.sources]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise Misplaced(
                    f"two sources are named {name!r}; the name is the key of its memory, write another one",
                    "sources", place, "name",
                )  # fmt: skip
            if name in RESERVED:
                raise Misplaced(
                    f"the name {name!r} is taken by a detector that is always there; write another one",
                    "sources", place, "name",
                )  # fmt: skip
        return self


RESERVED = ("airflow_runs", "airflow_edges")
