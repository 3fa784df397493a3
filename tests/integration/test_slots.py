"""Both worker slots are taken for the whole test: people are paged on time all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from incident_response.domain.timers import TimerKind
from tests.integration.deployment import Deployment, deploy
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def house(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Fifteen seconds to acknowledge."""
    with (
        SmtpServer() as smtp,
        deploy(
            tmp_path_factory.mktemp("slots"),
            smtp,
            database=postgres_server.create_database("slots_airflow"),
            store_url=postgres_server.create_database("slots_store"),
            policy={"acknowledge": "15 s"},
        ) as deployment,
    ):
        yield deployment


def test_with_every_slot_taken_level_1_and_level_2_are_paged_on_time(house: Deployment) -> None:
    """Paged, not acknowledged in time, escalated: each less than 15 s late, while two tasks sleep."""
    run_id = house.airflow.trigger("holds_all_slots")
    house.until("both slots taken", lambda: len(_sleeping(house)) == 2, 90)
    before = set(house.running())

    number = house.open("payment-api")
    house.until_level(number, 1)
    house.until_level(number, 2)
    mails = house.until(
        "the mails of Level 2", lambda: _has(house.mails(f"INC-{number}"), "level2@example.com")
    )

    assert set(house.running()) == before, "a task of ours ran, so the slots were not taken"
    assert mails.count("level1@example.com") == 2  # the first page, and again when nobody acknowledged
    late = {firing.kind: firing.lateness.total_seconds() for firing in house.firings(number)}
    assert {TimerKind.PAGE, TimerKind.ACKNOWLEDGE} <= late.keys()
    assert max(late.values()) < 15, late
    print(f"lateness in seconds: { {kind.word: round(seconds, 1) for kind, seconds in late.items()} }")

    (house.airflow.folder / "release").touch()
    house.airflow.wait_run("holds_all_slots", run_id)


def _sleeping(house: Deployment) -> list[tuple[str, str, str]]:
    return [key for key in house.running() if key[0] == "holds_all_slots"]


def _has(mails: list[str], receiver: str) -> list[str]:
    return mails if receiver in mails else []
