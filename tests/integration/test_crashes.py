"""kill -9 at the worst moment: nobody is paged twice or not at all, nothing is cleared twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import psutil
import pytest

from incident_response.domain.changes import OutgoingKind
from incident_response.domain.incidents import Status
from incident_response.domain.records import OutgoingState
from incident_response.domain.runbooks import RemediationState
from tests.integration.deployment import Deployment, deploy
from tests.integration.rest_proxy import RestProxy
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@dataclass
class Site:
    """What can be killed."""

    house: Deployment
    store_server: PostgresServer
    proxy: RestProxy


@pytest.fixture(scope="module")
def site(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The store has a server of its own, Airflow's API a proxy before it. Twenty seconds to acknowledge."""
    folder = tmp_path_factory.mktemp("crashes")
    with (
        PostgresServer(folder / "store") as store_server,
        SmtpServer() as smtp,
        RestProxy() as proxy,
        deploy(
            folder,
            smtp,
            database=postgres_server.create_database("crashes_airflow"),
            store_url=store_server.create_database("store"),
            policy={"acknowledge": "20 s", "page_after": "0 s"},
            proxy=proxy,
        ) as house,
    ):
        yield Site(house, store_server, proxy)


@pytest.fixture
def turn(request: pytest.FixtureRequest) -> int:
    """1, and 2 for a second try, which needs names of its own: the first has left its incidents behind."""
    return int(getattr(request.node, "execution_count", 1))


def test_triggerer_killed_between_two_levels(site: Site, turn: int) -> None:
    """The clock and the waiting sensors die with it; the next one goes on where they were."""
    house = site.house
    number = house.open(f"killed-triggerer-{turn}")
    house.until_level(number, 1)
    until_sent(house, number)

    house.airflow.kill("triggerer")
    killed = datetime.now(timezone.utc)
    time.sleep(5)
    house.airflow.start("triggerer")
    house.until_ticking(after=killed)
    house.until_level(number, 2)

    expect_each_page_once(house, number)
    levels = lambda: house.task_instances("incident_escalation", f"INC-{number}")  # noqa: E731
    house.until("a green Level 2", lambda: levels()["level_2_development"]["state"] == "success", 90)


@pytest.mark.parametrize("when", ["after", "before"])
def test_worker_killed_in_the_middle_of_the_clear(site: Site, when: str, turn: int) -> None:
    """Supervisor and task die while the clear is under way: Airflow has done it, or has never seen it."""
    house, proxy = site.house, site.proxy
    dag_id = f"heals_{when}_{turn}"
    cleared = len(proxy.clears)
    proxy.hold(when)
    house.airflow.trigger(dag_id, run_id="crash")
    assert proxy.held.wait(120), "the clear did not come"

    _kill_worker_that_talks_to(proxy.port)
    proxy.release.set()

    incident = house.until("the incident", lambda: house.of(dag_id))
    house.until_status(incident.number, Status.RESOLVED, timeout=180)
    assert len(proxy.clears) - cleared == 1
    assert len(list((house.airflow.folder / "tries" / f"{dag_id}.load" / "crash").iterdir())) == 2
    # The scan may see the green run, and resolve the incident, before the killed step is tried again.
    ended = lambda: [one for one in house.remediations(incident.number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the remediation's end", ended, 180)
    assert remediation.state is RemediationState.SUCCEEDED
    story = [event.text for event in house.timeline(incident.number)]
    told = [text for text in story if text.startswith("Cleared ") or "found done after" in text]
    assert len(told) == 1
    assert ("found done after an interruption" in told[0]) == (when == "after")


def test_store_killed_for_thirty_seconds(site: Site, turn: int) -> None:
    """A target passes and a pipeline fails while it is away; both are dealt with when it is back, once."""
    house, dag_id = site.house, f"heals_later_{turn}"
    cleared = len(site.proxy.clears)
    number = house.open(f"killed-store-{turn}")
    house.until_level(number, 1)
    house.until("its runs", lambda: house.task_instances("incident_escalation", f"INC-{number}"))

    site.store_server.kill()
    house.airflow.trigger(dag_id, run_id="away")
    time.sleep(30)
    site.store_server.start()

    house.until_level(number, 2)
    incident = house.until("the incident of the pipeline", lambda: house.of(dag_id), 90)
    house.until_status(incident.number, Status.RESOLVED, timeout=180)
    assert len(site.proxy.clears) - cleared == 1
    assert len(list((house.airflow.folder / "tries" / f"{dag_id}.load" / "away").iterdir())) == 2
    expect_each_page_once(house, number)
    expect_each_page_once(house, incident.number)
    house.airflow.wait_run("incident_response", incident.key)


def until_sent(house: Deployment, number: int) -> None:
    """Nothing of an incident waits in the outbox."""
    waiting = {OutgoingState.PENDING, OutgoingState.SENDING}
    house.until("an empty outbox", lambda: not waiting & {p.state for p in house.parcels(number)}, 120)


def expect_each_page_once(house: Deployment, number: int) -> None:
    """Every page of the outbox was delivered, and the mail server got each of them once."""
    until_sent(house, number)
    parcels = house.parcels(number)
    pages = Counter(p.outgoing.receiver for p in parcels if p.outgoing.kind is OutgoingKind.PAGE)
    states = {p.state for p in parcels if p.outgoing.kind is OutgoingKind.PAGE}
    assert states <= {OutgoingState.DELIVERED}, house.story(number)
    sent = [m for m in house.smtp.messages if str(m["References"]).startswith(f"<INC-{number}@")]
    ids = Counter(str(mail["Message-ID"]) for mail in sent)
    assert max(ids.values()) == 1, ids
    mails = Counter(house.mails(f"INC-{number}"))
    assert all(mails[receiver] >= count for receiver, count in pages.items()), (pages, mails)


def _kill_worker_that_talks_to(port: int) -> None:
    """SIGKILL to the task that holds a connection to `port`, and to its supervisor."""
    for process in psutil.process_iter():
        try:
            ports = {
                c.raddr.port
                for c in process.net_connections(kind="tcp")
                if c.raddr and c.status == "ESTABLISHED"
            }
            names = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if port in ports and "triggerer" not in names and process.pid != psutil.Process().pid:
            supervisor = process.parent()
            assert supervisor is not None
            supervisor.kill()
            process.kill()
            return
    raise AssertionError("no task talks to Airflow's API")
