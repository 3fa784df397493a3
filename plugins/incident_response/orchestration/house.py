"""The house rules of our DAGs, in one place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from incident_response import settings as configuration

OWNER = "incident-response"


def rules() -> dict[str, Any]:
    """Arguments that each of our DAGs takes; reads configuration only, no database and no network."""
    return {
        # The second tag keeps our failures out of our intake: an incident about an incident helps nobody.
        "tags": [OWNER, configuration.settings().opt_out_tag],
        "catchup": False,
        "max_active_runs": 500,
        "default_args": {"owner": OWNER, "retries": 2, "retry_delay": timedelta(seconds=10)},
        # A platform that pauses new DAGs would deploy a fire brigade that sleeps.
        "is_paused_upon_creation": False,
    }
