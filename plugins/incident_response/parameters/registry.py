"""Every action by name, with the model of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from incident_response.domain.errors import BadInput
from incident_response.families import Families

from .base import Parameters

MODELS: Families[type[Parameters]] = Families(
    __package__, lambda family: {model.action: model for model in family.MODELS}
)


def checked(action: str, given: Mapping[str, Any]) -> Parameters:
    """The parameters of one step. Raises BadInput: a person may have given some of them."""
    try:
        return MODELS[action].model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadInput(f"{action}: {field}: {first['msg']}; nothing was done") from None
