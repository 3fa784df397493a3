"""Who is asking, and what Airflow's auth manager allows them: readers see incidents, operators act on them.

Reading is the right to see runs of the DAG `incident_response`, acting is the right to edit them. Both auth
managers know these rights; `is_authorized_custom_view` is True for everybody in one, False even for Admin in
the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.tokens import get_signing_key
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException

from incident_response.domain.commands import RESPONSE_DAG

NO_READ = "Your Airflow role may not see incidents. It needs to read runs of the DAG incident_response."
NO_WRITE = "Your Airflow role may look but not act. It needs to edit runs of the DAG incident_response."


@dataclass(frozen=True)
class Visitor:
    """A person who is logged in to Airflow. `name` is written into timelines."""

    id: str
    name: str
    may_read: bool
    may_write: bool


def visitor(user: GetUserDep) -> Visitor:
    """The person behind the bearer token or the `_token` cookie; nobody: 401, before all else."""
    return Visitor(str(user.get_id()), str(user.get_name()), _allowed("GET", user), _allowed("PUT", user))


def reader(who: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """Somebody who may look. 403 for others."""
    if not who.may_read:
        raise HTTPException(403, NO_READ)
    return who


def operator(who: Annotated[Visitor, Depends(reader)]) -> Visitor:
    """Somebody who may act. 403 for others."""
    if not who.may_write:
        raise HTTPException(403, NO_WRITE)
    return who


def secret() -> str:
    """Airflow's own secret key: the same in all its API servers, unknown to browsers."""
    return str(get_signing_key("api", "secret_key"))


def _allowed(method: Literal["GET", "PUT"], user: GetUserDep) -> bool:
    details = DagDetails(id=RESPONSE_DAG)
    return bool(
        get_auth_manager().is_authorized_dag(
            method=method, access_entity=DagAccessEntity.RUN, details=details, user=user
        )
    )


Reader = Annotated[Visitor, Depends(reader)]
Operator = Annotated[Visitor, Depends(operator)]
