"""Foreseeing needs nothing but reading, in every store."""

from __future__ import annotations

from datetime import timedelta

from incident_response.domain.ports import Store
from incident_response.domain.signals import Signal
from incident_response.service.foresight import Expected
from incident_response.service.intake import Intake
from incident_response.service.policy_book import PolicyBook
from tests.support.shipped import library

from .records import NOW


def down(service: str, alertname: str = "ContainerDown") -> Signal:
    return Signal("prometheus", {"alertname": alertname, "service": service}, f"{service} is down", NOW)


def test_each_way_is_foreseen(store: Store):
    """In a transaction that cannot write; what is stored stays as it is."""
    files = library()
    intake = Intake(store, files.rules, PolicyBook(files), files.grouping, files.windows)

    def expected(signal: Signal) -> Expected:
        return intake.foresee(signal, NOW).expected

    assert expected(down("keycloak")) is Expected.OPENED
    with store.read() as tx:
        assert (tx.board(10), tx.latest_policy()) == ([], None)
    signals = [down("lianel_energy", "DatabaseDown"), down("a"), down("b")]
    _, parent, child = (receipt.incident or 0 for receipt in intake.receive(signals, NOW))
    assert expected(down("keycloak")) is Expected.ATTACHED
    assert expected(down("a")) is Expected.COUNTED
    intake.gathering.merge_by_hand(child, parent, "operator", NOW)
    assert (expected(down("a")), expected(down("b"))) == (Expected.COUNTED, Expected.MERGED)
    intake.muting.add(["service=c"], "a test", "operator", timedelta(hours=1), NOW)
    assert expected(down("c")) is Expected.HELD
