"""Every action by name, with the model of its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from . import airflow_steps, check_steps, data_steps, docker_steps, postgres_steps
from .base import Parameters

MODELS: Mapping[str, type[Parameters]] = {
    model.action: model
    for family in (airflow_steps, check_steps, data_steps, docker_steps, postgres_steps)
    for model in family.MODELS
}
