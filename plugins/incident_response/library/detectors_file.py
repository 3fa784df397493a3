"""include/policy/detectors.yaml: which outside systems are looked at, how, and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from incident_response.sources.base import Source

from .yaml_file import Model

AnySource = Annotated[Source, Field(discriminator="kind")]


class DetectorsFile(Model):
    """The whole file."""

    version: Literal[1]
    sources: tuple[AnySource, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> DetectorsFile:
        names = [source.name for source in self.sources]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two sources are named {twice[0]!r}; a name is the key of a source's memory")
        return self
