"""Nothing that comes from outside is ever markup."""

from __future__ import annotations

from incident_response.domain.signals import Signal
from tests.web.conftest import House

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'"


def test_titles_labels_notes_evidence_and_reports_are_escaped(house: House) -> None:
    """On every page that shows them."""
    labels = {
        "alertname": "AirflowTaskFailed",
        "dag_id": f"dag{EVIL}",
        "run_id": f"run/{EVIL}",
        "task_id": EVIL,
    }
    details = {"description": EVIL}
    number = house.services.intake.receive(
        [Signal(EVIL, labels, EVIL, house.now, details=details)], house.now
    )[0].incident
    assert number is not None
    lifecycle = house.services.lifecycle
    lifecycle.add_note(number, EVIL, EVIL, house.now)
    lifecycle.assign(number, EVIL, EVIL, house.now)
    lifecycle.review(number, "lessons", f"</textarea>{EVIL}", "operator", house.now)
    house.services.remediations.evidence(
        number, EVIL, {EVIL: EVIL, "log": f"{EVIL}\n{EVIL}"}, EVIL, house.now
    )
    client = house.client()

    pages = ["", f"{number}", f"{number}/report"]
    texts = [client.get(page).text for page in pages]
    lifecycle.resolve(number, EVIL, house.now, resolution=EVIL)
    texts += [client.get(page).text for page in pages]

    for text in texts:
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "&lt;script&gt;alert" in text


def test_an_error_is_escaped(house: House) -> None:
    """What was asked for appears in the answer."""
    text = house.client().get(f"nowhere/at/all/{EVIL}").text

    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_links_into_airflow_are_quoted(house: House) -> None:
    """A run id may hold slashes, colons and pluses, each of which would mean something else."""
    number = house.open(run_id="scheduled__2026-01-14T03:00:00+00:00/x")

    assert (
        "../dags/entsoe_ingestion/runs/scheduled__2026-01-14T03%3A00%3A00%2B00%3A00%2Fx"
        in house.client().get(str(number)).text
    )


def test_evidence_as_text_is_never_rendered(house: House) -> None:
    """Plain text, and the browser is told not to guess."""
    number = house.open()
    house.services.remediations.evidence(number, "log", {"tail": EVIL}, "system:test", house.now)

    answer = house.client().get(f"{number}/evidence/1")

    assert EVIL in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert house.client().get(f"{number}/evidence/0").status_code == 404
