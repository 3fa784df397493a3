"""Chromium, as a person uses Airflow: log in, open a page of a plugin inside Airflow's frame."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Frame, Page, expect, sync_playwright

from tests.support.airflow import Airflow
from tests.support.airflow_config import LOGINS

_QUIET = (
    "--no-sandbox",  # Chromium refuses to start as root with it
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # a page that needs the internet fails here
)


@contextlib.contextmanager
def chromium(*, headless: bool = True) -> Iterator[Browser]:
    """The system's Chromium; without one, the browser that `playwright install chromium` has put in place."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=headless, args=list(_QUIET)
        )
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, airflow: Airflow, user: str = "admin") -> None:
    """Through the login form of the auth manager; ends on Airflow's home page."""
    page.goto(f"{airflow.url}/")  # redirects to the form, in FAB a page of its own, otherwise part of the app
    page.locator('input[name="username"]').fill(user)
    page.locator('input[name="password"]').fill(LOGINS[user].password)
    page.locator('input[name="password"]').press("Enter")
    page.wait_for_url(lambda address: "/login" not in address)
    expect(page.locator('a[href$="/dags"]').first).to_be_visible()


def open_plugin_page(page: Page, airflow: Airflow, url_route: str) -> Frame:
    """The frame of an `external_views` entry, by its `url_route`. `page` must be logged in."""
    page.goto(f"{airflow.url}/plugin/{url_route}")
    element = page.locator("iframe").element_handle(timeout=15_000)
    frame = element.content_frame() if element else None
    assert frame is not None, f"no frame at {page.url}"
    frame.wait_for_load_state()
    return frame
