"""What every page keeps to: policy, weight, addresses, labels."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from incident_response.domain.records import IntegrationKind
from incident_response.domain.signals import Signal
from incident_response.web.rendering import pages
from tests.web.conftest import House


class Tags(HTMLParser):
    """All tags with their attributes, and which fields stand inside a label."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.unlabelled: list[str] = []
        self._labels = 0
        self._for: set[str] = set(re.findall(r'<label[^>]* for="([^"]+)"', text))
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self._labels += tag == "label"
        is_field = tag in ("input", "textarea", "select") and found.get("type") != "hidden"
        if is_field and not self._labels and found.get("id") not in self._for:
            self.unlabelled.append(str(found))

    def handle_endtag(self, tag):
        self._labels -= tag == "label"


PAGES = [
    "", "1", "1/report", "report", "2", "3", "silences", "silences?service=x", "detectors", "rules",
    "rules?labels=alertname%3DDown%0Aservice%3Dkeycloak", "rules?labels=wrong",
]  # fmt: skip


@pytest.fixture(params=[*PAGES, "nowhere/at/all"])
def text(request, house: House) -> str:
    house.open(run_id="r")
    house.services.remediations.evidence(1, "Log", {"tail": "a\nb"}, "system:x", house.now)
    house.services.clock.fire(1, "clock@x", house.now)
    house.services.lifecycle.resolve(house.open("two"), "operator", house.now)
    fill(house)
    return house.client().get(request.param).text


def fill(house: House) -> None:
    """Something of everything: consequences, a silence that holds, detectors, a webhook."""
    muting, integrations = house.services.intake.muting, house.services.integrations
    assert house.alert("lianel_energy", "DatabaseConnectionFailure", severity="P1") == 3
    house.alert("keycloak")
    muting.add(["service=quiet"], "a test", "operator", timedelta(hours=1), house.now)
    signal = Signal("prometheus", {"alertname": "Down", "service": "quiet"}, "down", house.now)
    house.services.intake.receive([signal], house.now)
    with house.services.store.transaction() as tx:
        tx.ensure_polls({"prometheus": timedelta(minutes=1)}, house.now)
        tx.finish_poll("prometheus", house.now, {}, "does not answer")
    integrations.add("grafana", IntegrationKind.GRAFANA, {}, "admin", house.now)


def test_no_inline_script_and_no_inline_style(text: str) -> None:
    """The policy forbids them; a page that had some would be broken."""
    for tag, attributes in Tags(text).tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or attributes.get("src")


def test_every_address_is_relative(text: str) -> None:
    """Airflow may be served under a path; a fixed host or a leading slash would leave it."""
    for tag, attributes in Tags(text).tags:
        for name in ("href", "src", "action"):
            if (value := attributes.get(name)) is not None:
                assert not re.match(r"/|[a-z]+:", value or ""), (tag, value)


def test_every_field_has_a_label(text: str) -> None:
    assert Tags(text).unlabelled == []


def test_nothing_that_the_sandbox_forbids(text: str) -> None:
    """No window, no question box, no way out of the frame but through the parent."""
    assert "target=" not in text


def test_one_heading_of_the_first_rank_or_the_report(text: str) -> None:
    """Screen readers jump by headings."""
    assert text.count("<h1") == 1 or '<pre class="report">' in text


def test_the_policy_is_sent_with_everything(house: House) -> None:
    """Pages, files, refusals, errors."""
    for path in ("", "static/page.css", "99", "x/y"):
        policy = house.client().get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy
    assert house.client(None).get("").headers["content-security-policy"] == policy


def test_a_page_with_everything_weighs_less_than_150_kb(house: House) -> None:
    """The heaviest incident: hundreds of events, long logs."""
    number = house.open()
    for n in range(300):
        house.services.lifecycle.add_note(number, f"note {n} " + "x" * 120, "operator", house.now)
    for n in range(8):
        house.services.remediations.evidence(
            number, f"Log {n}", {"tail": "error\n" * 5000}, "system:x", house.now
        )
    client = house.client()
    page = client.get(str(number))
    files = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)

    weight = len(page.content) + sum(len(client.get(path).content) for path in set(files))

    assert len(files) >= 6
    assert weight < 150_000


def test_every_page_leads_to_the_others(house: House) -> None:
    """One small row; the page one is on is marked."""
    for here in ("", "silences", "rules", "detectors"):
        row = house.client().get(here).text.split('<nav class="places"')[1].split("</nav>")[0]
        assert re.findall(r'href="([^"]*)"', row) == ["./", "silences", "rules", "detectors", "automation"]
        assert re.findall(r'href="([^"]*)" aria-current="page"', row) == [here or "./"]


def test_no_page_weighs_more_than_150_kb_in_a_storm(house: House) -> None:
    """Hundreds of consequences, of muted signals, of detectors."""
    fill_storm(house)
    files = ("page.css", "frame.js", "clock.js", "live.js", "sending.js", "keys.js", "icon.svg")
    shell = sum(len(house.client().get(f"static/{name}").content) for name in files)
    for page in ("1", "silences", "detectors", "rules"):
        assert shell + len(house.client().get(page).content) < 150_000, page


def fill_storm(house: House) -> None:
    house.services.intake.muting.add(["service=quiet"], "a test", "operator", timedelta(hours=1), house.now)
    assert house.alert("lianel_energy", "DatabaseConnectionFailure", severity="P1") == 1
    signals = [
        Signal("prometheus", {"alertname": "Down", "service": service, "n": str(n)}, "x" * 200, house.now)
        for n in range(300)
        for service in ("quiet", "keycloak")
    ]
    house.services.intake.receive(signals, house.now)
    with house.services.store.transaction() as tx:
        names = {f"detector-{n}": timedelta(minutes=1) for n in range(60)}
        tx.ensure_polls(names, house.now)
        for name in names:
            tx.finish_poll(name, house.now, {}, "does not answer " * 20)


def test_static_files_are_kept_by_their_version(house: House) -> None:
    """For ever with the current version in the address, for minutes without."""
    digest = pages().assets.digest
    versioned = house.client().get(f"static/page.css?v={digest}")
    assert "immutable" in versioned.headers["cache-control"]
    assert "immutable" not in house.client().get("static/page.css?v=old").headers["cache-control"]
    assert house.client().get("static/live.js").headers["content-type"].startswith("text/javascript")
    assert house.client().get("static/icon.svg").headers["content-type"] == "image/svg+xml"
    assert house.client().get("static/secret.py").status_code == 404
    assert house.client().get("static/..%2fapp.py").status_code == 404


def test_scripts_use_nothing_that_the_sandbox_or_the_policy_forbids() -> None:
    """confirm, alert, window.open, eval and markup from strings."""
    files = pages().assets
    for name in ("frame.js", "clock.js", "live.js", "sending.js", "keys.js"):
        asset = files.get(name)
        assert asset is not None
        code = re.sub(r"//.*", "", asset.content.decode())
        assert not re.search(
            r"\bconfirm\(|\balert\(|window\.open|\beval\(|innerHTML|insertAdjacentHTML|_top", code
        ), name
