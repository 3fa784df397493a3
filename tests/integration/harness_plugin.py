"""A page in Airflow's frame, for the tests of the harness itself."""

from airflow.plugins_manager import AirflowPlugin
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

app = FastAPI()


@app.get("/", response_class=HTMLResponse)
def page() -> str:
    return "<h1>Hello from the frame</h1>"


class HarnessPlugin(AirflowPlugin):
    name = "harness"
    fastapi_apps = [{"app": app, "url_prefix": "/harness", "name": "harness"}]
    external_views = [
        {"name": "Harness", "href": "harness/", "destination": "nav", "url_route": "harness-page"}
    ]
