"""The plugin: the only file of ours that Airflow's plugin loader runs, in every process, so it is cheap."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from incident_response.orchestration import listener
from incident_response.web.plugin import EXTERNAL_VIEWS, FASTAPI_APPS


class IncidentResponsePlugin(AirflowPlugin):
    """The page in Airflow's navigation, and the listener that sees failing tasks."""

    name = "incident_response"
    listeners = (listener,)
    fastapi_apps = FASTAPI_APPS
    external_views = EXTERNAL_VIEWS
