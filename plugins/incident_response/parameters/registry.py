"""Every action by name, with the model of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from incident_response.domain.errors import BadInput

from . import airflow_steps, check_steps, data_steps, docker_steps, postgres_steps
from .base import Parameters

MODELS: Mapping[str, type[Parameters]] = {
    model.action: model
    for family in (airflow_steps, check_steps, data_steps, docker_steps, postgres_steps)
    for model in family.MODELS
}


def checked(action: str, given: Mapping[str, Any]) -> Parameters:
    """The parameters of one step. Raises BadInput: a person may have given some of them."""
    try:
        return MODELS[action].model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadInput(f"{action}: {field}: {first['msg']}; nothing was done") from None
