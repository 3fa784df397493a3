"""The page where people meet it: in a real Airflow, behind its login, inside its frame, in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.support.airflow import HARNESS, Airflow
from tests.support.airflow_config import LOGINS
from tests.support.browser import chromium, log_in, open_plugin_page

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.calm]


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window; the test fails when our scripts, or the policy, complained in it. Airflow's own may."""
    page, complaints = browser.new_page(viewport={"width": 1440, "height": 900}), []
    # Kept for the end: an exception inside a handler would end the browser's connection and hide the reason.
    page.on("pageerror", lambda error: complaints.append(f"{error.message} {error.stack}"))
    page.on("console", lambda said: complaints.append(f"{said.text} {said.location.get('url')}"))
    yield page
    ours = [
        text for text in complaints if "/incidents/" in text and re.search(r"static/|Security Policy", text)
    ]
    assert ours == []


def report(frame: Frame, title: str, severity: str = "P2") -> str:
    """A person reports an incident in the page; returns its number."""
    frame.get_by_role("link", name="Report an incident").click()
    frame.get_by_label("What is wrong, in one line").fill(title)
    frame.get_by_label(re.compile(f"^{severity}")).check()
    frame.get_by_role("button", name="Report").click()
    expect(frame.locator("h1")).to_contain_text(title)
    found = re.search(r"/incidents/(\d+)", frame.url)
    assert found
    return found.group(1)


class Common:
    """What holds under both auth managers, on both versions."""

    def test_a_person_acknowledges_and_resolves_inside_the_frame(self, airflow: Airflow, page: Page) -> None:
        """From the login through the menu to a resolved incident, in the name of the Airflow user."""
        log_in(page, airflow, "op")
        frame = open_from_the_menu(page, airflow)
        assert page.locator("iframe").count() == 1
        report(frame, "Prices are missing")

        frame.get_by_role("button", name="Acknowledge", exact=True).click()
        expect(frame.locator("#head")).to_contain_text("acknowledged")
        expect(frame.locator("#head")).to_contain_text("owner op")
        expect(frame.locator("#timeline li").first).to_contain_text("Acknowledged by op")

        frame.get_by_text("Resolve", exact=False).first.click()
        frame.get_by_label("What resolved it?").fill("Restarted the proxy")
        frame.get_by_role("button", name="Resolve INC-").click()
        expect(frame.locator("#head")).to_contain_text("resolved")

        frame.get_by_role("link", name="All incidents").click()
        expect(frame.locator("#recent")).to_contain_text("Restarted the proxy")

    def test_what_is_typed_survives_news(self, airflow: Airflow, page: Page, browser: Browser) -> None:
        """Somebody else acts meanwhile: the news arrives around the text."""
        log_in(page, airflow, "op")
        frame = open_plugin_page(page, airflow, "incidents")
        number = report(frame, "The map is empty")
        text = frame.locator("#say textarea")
        text.fill("half a sentence")

        answer = airflow.post(f"/incidents/{number}/acknowledge", user="admin")

        assert answer.status_code == 303
        expect(frame.locator("#head")).to_contain_text("acknowledged", timeout=12_000)
        expect(text).to_have_value("half a sentence")
        frame.get_by_role("button", name="Add note").click()
        expect(frame.locator("#timeline li").first).to_contain_text("half a sentence")
        expect(text).to_have_value("")

    def test_a_link_into_airflow_is_followed_by_the_parent(self, airflow: Airflow, page: Page) -> None:
        """The sandbox lets nothing else out of the frame."""
        log_in(page, airflow, "admin")
        frame = open_plugin_page(page, airflow, "incidents")
        number = report(frame, "The disk is full")

        frame.locator("#runs a", has_text="incident_response").click()

        page.wait_for_url(f"**/dags/incident_response/runs/INC-{number}*")
        expect(page.locator("iframe")).to_have_count(0)

    def test_a_viewer_looks_and_cannot_act(self, airflow: Airflow, page: Page) -> None:
        """Disabled buttons with the reason, and a refusal for those who try anyway."""
        number = opened(airflow, "The login is slow")
        log_in(page, airflow, "viewer")
        frame = open_from_the_menu(page, airflow)
        frame.goto(f"{airflow.url}/incidents/{number}")

        button = frame.get_by_role("button", name="Acknowledge", exact=True)
        expect(button).to_be_disabled()
        expect(frame.locator("#head")).to_contain_text("Your Airflow role may look but not act")
        for path in (f"{number}/acknowledge", "report"):
            refused = airflow.post(f"/incidents/{path}", user="viewer", data={"title": "x", "severity": "P4"})
            assert refused.status_code == 403

    def test_nobody_gets_in_without_a_login(self, airflow: Airflow, page: Page) -> None:
        """401 for programs and browsers; the browser finds the login and comes back."""
        for method, path in (
            ("GET", ""),
            ("GET", "1"),
            ("GET", "static/page.css"),
            ("POST", "1/acknowledge"),
        ):
            answer = airflow.request(method, f"/incidents/{path}", headers={"Authorization": ""})
            assert answer.status_code == 401, path
        bad = airflow.request("GET", "/incidents/", headers={"Authorization": "Bearer nonsense"})
        assert bad.status_code == 403

        shown = page.goto(f"{airflow.url}/incidents/")
        assert shown is not None
        assert shown.status == 401
        page.get_by_role("link", name="Log in to Airflow").click()
        page.locator('input[name="username"]').fill("op")
        page.locator('input[name="password"]').fill(LOGINS["op"].password)
        page.locator('input[name="password"]').press("Enter")
        page.wait_for_url(lambda address: "/login" not in address)

        page.goto(f"{airflow.url}/incidents/")
        expect(page.locator("h1")).to_have_text("Incidents")

    def test_a_cookie_alone_is_not_enough_to_write(self, airflow: Airflow, page: Page) -> None:
        """What a page elsewhere can send is the cookie, and it has no token."""
        number = opened(airflow, "The queue grows")
        log_in(page, airflow, "op")

        answer = page.request.post(f"{airflow.url}/incidents/{number}/acknowledge", form={"csrf": "guess"})

        assert answer.status == 403
        assert "did not come from this page" in answer.text()

    def test_it_wears_the_theme_of_airflow(self, airflow: Airflow, page: Page) -> None:
        """Airflow's own switch decides, not only the operating system's."""
        log_in(page, airflow, "admin")
        frame = open_plugin_page(page, airflow, "incidents")
        colours = set()
        for theme in ("light", "dark"):
            page.evaluate(
                "theme => { const c = document.documentElement.classList; "
                "c.remove('light', 'dark'); c.add(theme); }",
                theme,
            )
            expect(frame.locator("html")).to_have_class(re.compile(theme))
            colours.add(frame.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(colours) == 2

    def test_two_incidents_become_one_inside_the_frame(self, airflow: Airflow, page: Page) -> None:
        """A wrong number is told, the right one leads to the incident that goes on."""
        parent = opened(airflow, "The mails are late")
        log_in(page, airflow, "op")
        frame = open_plugin_page(page, airflow, "incidents")
        child = report(frame, "The mails are missing")

        frame.locator("#menu-merge summary").click()
        frame.get_by_label("Merge into").fill("INC-999999")
        frame.get_by_role("button", name=f"Merge INC-{child}").click()
        expect(frame.locator("#sent")).to_contain_text("there is no incident INC-999999")
        frame.get_by_label("Merge into").fill(parent)
        frame.get_by_role("button", name=f"Merge INC-{child}").click()
        expect(frame.locator("#head")).to_contain_text(f"Merged into INC-{parent}")
        frame.locator("#head").get_by_role("link", name=f"INC-{parent}").click()
        expect(frame.locator("#merged")).to_contain_text("The mails are missing")

    def test_the_other_pages_are_reached_and_work_inside_the_frame(
        self, airflow: Airflow, page: Page
    ) -> None:
        """A silence is made and ended, a signal is tried, detectors are looked at; then back to the board."""
        log_in(page, airflow, "op")
        frame = open_plugin_page(page, airflow, "incidents")

        frame.get_by_role("link", name="Silences").click()
        frame.get_by_label("What matches").fill("service=(")
        frame.get_by_label("Reason").fill("a test")
        frame.get_by_role("button", name="Silence", exact=True).click()
        expect(frame.locator("#sent")).to_contain_text("is no regular expression")
        expect(frame.get_by_label("Reason")).to_have_value("a test")
        frame.get_by_label("What matches").fill("service=nobody-has-it")
        frame.get_by_role("button", name="Silence", exact=True).click()
        mine = frame.locator("#lasting li", has_text="service=nobody-has-it")
        expect(mine).to_contain_text("op · until")

        frame.get_by_role("link", name="Rules").first.click()
        frame.get_by_label("Labels").fill("alertname=ContainerDown\nservice=nobody-has-it")
        frame.get_by_role("button", name="What would it do now?").click()
        expect(frame.locator("#answer")).to_contain_text("It is muted")

        frame.get_by_role("link", name="Silences").click()
        mine.get_by_role("button", name="End it now").click()
        expect(mine).to_have_count(0)
        frame.get_by_role("link", name="Detectors").click()
        expect(frame.locator("h1")).to_have_text("Detectors")
        frame.get_by_role("link", name="Incidents").click()
        expect(frame.locator("h1")).to_have_text("Incidents")

    def test_a_hook_takes_what_its_token_sends(self, airflow: Airflow) -> None:
        """From the command line to an incident; neither door opens for the other's key."""
        code, token, told = integrations(airflow, "add", "pushed", "--kind", "alertmanager")
        assert code == 0, told
        assert f"{airflow.url}/incidents/hooks/alertmanager" in told
        labels = {"alertname": "DatabaseConnectionFailure", "service": "pushed"}
        content = {"version": "4", "alerts": [{"status": "firing", "labels": labels}]}

        def send(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            return httpx.post(
                f"{airflow.url}/incidents/hooks/alertmanager", json=content, headers=headers
            ).status_code

        assert send(airflow.token("admin")) == 401
        assert send(token) == 200
        page = httpx.get(f"{airflow.url}/incidents/", headers={"authorization": f"Bearer {token}"})
        assert page.status_code in (401, 403)
        assert "pushed refuses connections" in airflow.get("/incidents/").text

        assert integrations(airflow, "revoke", "pushed")[0] == 0
        end = time.monotonic() + 8
        while send(token) != 401:
            assert time.monotonic() < end, "a revoked token still opens"
            time.sleep(0.5)
        assert token.split("_", 2)[2] not in airflow.logs("api-server")


@pytest.mark.airflow(**HARNESS)
class TestUnderSimple(Common):
    """The auth manager that comes with Airflow."""


@pytest.mark.airflow(auth="fab", **HARNESS)
class TestUnderFab(Common):
    """The platform's auth manager."""


@pytest.mark.airflow(database="sqlite", prefix="/airflow", **HARNESS)
def test_it_works_under_a_path(airflow: Airflow, page: Page) -> None:
    """As behind a reverse proxy: every address is relative."""
    log_in(page, airflow, "op")
    frame = open_plugin_page(page, airflow, "incidents")
    report(frame, "Nothing loads")

    frame.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(frame.locator("#head")).to_contain_text("acknowledged")
    expect(frame.locator("body")).to_have_css("margin", "0px")  # the style sheet was found
    frame.get_by_role("link", name="All incidents").click()
    expect(frame.locator("#incidents")).to_contain_text("Nothing loads")


def integrations(airflow: Airflow, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command line beside that Airflow."""
    done = subprocess.run(
        [sys.executable, "-m", "incident_response", "integrations", *arguments],
        env=airflow.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.strip(), done.stderr


def open_from_the_menu(page: Page, airflow: Airflow) -> Frame:
    """As a person does: 3.3 has the page in the first row of the menu, 3.1 under Plugins."""
    link, menu = page.get_by_role("link", name="Incidents"), page.get_by_role("button", name="Plugins")
    expect(link.or_(menu).first).to_be_visible(timeout=15_000)
    if menu.count():
        menu.click()
        link = page.get_by_role("menuitem", name="Incidents")
    link.first.click()
    page.wait_for_url("**/plugin/incidents**")
    element = page.locator("iframe").element_handle(timeout=15_000)
    frame = element.content_frame() if element else None
    assert frame is not None
    expect(frame.locator("h1")).to_have_text("Incidents")
    return frame


def opened(airflow: Airflow, title: str) -> str:
    """An incident, reported by a program with a token; returns its number."""
    answer = airflow.post(
        "/incidents/report", user="op", data={"title": title, "severity": "P3", "service": "page"}
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].split("?")[0]
