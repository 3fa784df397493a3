"""Every store: who may send signals, and what an outside key means."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from incident_response.domain.incidents import Status
from incident_response.domain.ports import Store
from incident_response.domain.records import Integration, IntegrationKind, Role

from .records import NOW, after, incident, opened, resolved, sighting


def integration(id: str = "a1", name: str = "prometheus", **fields: Any) -> Integration:
    return Integration(id, name, IntegrationKind.ALERTMANAGER, "f00d", NOW, "operator", **fields)


def add(store: Store, one: Integration) -> bool:
    with store.transaction() as tx:
        return tx.add_integration(one)


def known(store: Store) -> list[Integration]:
    with store.read() as tx:
        return list(tx.integrations())


def test_an_integration_is_kept_as_it_was_made(store: Store):
    """All its fields, oldest first."""
    full = integration(labels={"site": "ä"}, revoked_at=after(5), last_used_at=after(4))
    later = replace(integration("b2", "grafana", labels={}), created_at=after(1))
    assert add(store, later)
    assert add(store, full)
    assert known(store) == [full, later]


def test_a_name_is_unique_among_those_in_use(store: Store):
    """A revoked one stays for the record and gives its name free."""
    assert add(store, integration("a1"))
    assert not add(store, integration("b2"))
    assert not add(store, integration("a1", "other"))
    with store.transaction() as tx:
        assert tx.revoke_integration("prometheus", after(3))
    assert add(store, integration("b2"))
    assert [(one.id, one.revoked_at) for one in known(store)] == [("a1", after(3)), ("b2", None)]


def test_revoking_what_is_not_there_says_so(store: Store):
    """An unknown name, and one that was revoked before, whose time stays."""
    add(store, integration())
    with store.transaction() as tx:
        assert not tx.revoke_integration("other", NOW)
        assert tx.revoke_integration("prometheus", after(1))
        assert not tx.revoke_integration("prometheus", after(2))
    assert known(store)[0].revoked_at == after(1)


def test_its_use_is_noted(store: Store):
    """By id; an unknown one is passed over."""
    add(store, integration())
    with store.transaction() as tx:
        tx.touch_integration("a1", after(7))
        tx.touch_integration("other", after(8))
    assert [one.last_used_at for one in known(store)] == [after(7)]


def test_what_was_refused_is_noted(store: Store):
    """The latest; an unknown one is passed over, and what nobody can store is replaced."""
    add(store, integration())
    assert (known(store)[0].refused_at, known(store)[0].refusal) == (None, "")
    with store.transaction() as tx:
        tx.note_refusal("a1", "too large", "send less", after(1))
        tx.note_refusal("a1", "no\x00 JSON", "send JSON", after(7))
        tx.note_refusal("other", "x", "y", after(8))
    (found,) = known(store)
    assert (found.refused_at, found.refusal, found.remedy) == (after(7), "no\ufffd JSON", "send JSON")


def test_a_key_is_found_among_any_number_of_signals(store: Store):
    """It is the store that looks for the labels: no limit keeps the oldest from being ended."""
    opened(store, incident(1))
    own = {"report": "T-1", "integration": "desk"}
    others = [
        sighting(1, f"f{n}", labels={"report": f"T-{n}", "integration": "desk"}, last_at=after(n))
        for n in range(2, 12_000)
    ]
    with store.transaction() as tx:
        tx.record([sighting(1, "f1", labels={**own, "severity": "P1"}), *others])
    with store.read() as tx:
        assert [s.fingerprint for s in tx.open_sightings("callback", labels=own)] == ["f1"]
        assert tx.open_sightings("callback", labels={"report": "T-1", "integration": "x"}) == []
        assert len(tx.sightings(1)) == 11_999


def test_what_fires_can_be_read_page_by_page(store: Store):
    """Own signals of open incidents, each once."""
    opened(store, incident(1), incident(2, status=Status.MITIGATED), resolved(3))
    with store.transaction() as tx:
        tx.record([sighting(1, "a"), sighting(1, "b", source="scan"), sighting(1, "c", firing=False)])
        tx.record([sighting(2, "d"), sighting(2, "e", role=Role.CONSEQUENCE), sighting(3, "f")])
    found, after_ = [], (0, "", "")
    with store.read() as tx:
        while some := tx.live(after_, 2):
            found += some
            after_ = some[-1].incident, some[-1].source, some[-1].fingerprint
    assert [(s.incident, s.fingerprint) for s in found] == [(1, "a"), (1, "b"), (2, "d")]


def test_many_at_once_make_one_of_a_name(store: Store):
    """Exactly one of them gets it."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: add(store, integration(str(n))), range(8)))
    assert made.count(True) == 1


def test_signals_of_open_incidents_are_found_by_their_source(store: Store):
    """Latest first, up to the limit; mitigated incidents are open, ended ones are not."""
    opened(store, incident(1), incident(2, status=Status.MITIGATED), resolved(3))
    with store.transaction() as tx:
        tx.record([sighting(1, "a"), sighting(1, "b", source="scan"), sighting(2, "c", last_at=after(9))])
        tx.record([sighting(3, "d", last_at=after(5)), sighting(2, "a", last_at=after(9))])
    with store.read() as tx:
        found = tx.open_sightings("callback")
        assert [(s.incident, s.fingerprint) for s in found] == [(2, "a"), (2, "c"), (1, "a")]
        assert tx.open_sightings("callback", 1) == found[:1]
        assert tx.open_sightings("other") == []
