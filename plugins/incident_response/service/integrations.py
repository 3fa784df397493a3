"""Integrations: systems outside that may send signals, each with a token of its own.

A token is `ir_<id>_<secret>`. The secret has 256 random bits, so its SHA-256 cannot be guessed back and no
slow hash is needed: those exist for passwords, which people choose. The token is found by its id, which is no
secret, and proven by comparing hashes in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from incident_response.domain.errors import BadInput
from incident_response.domain.ports import Store
from incident_response.domain.records import Integration, IntegrationKind

FRESH = timedelta(seconds=5)  # a revoked token stops everywhere within this time, a new one works at once
_HASTE = timedelta(seconds=0.5)  # a token that is refused makes us look again, but not more often than this
_MINUTE = timedelta(minutes=1)

_TOKEN = re.compile(r"ir_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_NOBODY = "0" * 64


class Integrations:
    """Adds, revokes, lists and recognises integrations."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[datetime, Mapping[str, Integration]] | None = None
        self._noted: dict[str, tuple[datetime, str]] = {}

    def add(
        self, name: str, kind: IntegrationKind, labels: Mapping[str, str], by: str, now: datetime
    ) -> tuple[Integration, str]:
        """A new integration and its token, which is told this once and never again. Raises BadInput."""
        _check(name, labels)
        id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = f"ir_{id}_{secret}"
        made = Integration(id, name, kind, _hash(token), now, by, dict(labels))
        with self._store.transaction() as tx:
            if not tx.add_integration(made):
                raise BadInput(
                    f"there is an integration {name!r} already; choose another name, or "
                    "revoke that one first; "
                    "nothing was changed"
                )
        return made, token

    def revoke(self, name: str, now: datetime) -> None:
        """Its token opens nothing any more, at the latest after FRESH. Raises BadInput."""
        with self._store.transaction() as tx:
            if not tx.revoke_integration(name, now):
                raise BadInput(f"there is no integration {name!r} to revoke; `integrations list` names them")

    def all(self) -> Sequence[Integration]:
        """All, revoked ones too, oldest first."""
        with self._store.read() as tx:
            return tx.integrations()

    def recognise(self, token: str, now: datetime) -> Integration | None:
        """The integration of a token; None for a wrong or revoked one, without a hint which of the two.

        Raises StoreUnavailable when it cannot be told.
        """
        found = _TOKEN.fullmatch(token)
        id, given = found.group(1) if found else "", _hash(token)
        known = _proven(self._fresh(now, FRESH).get(id), given)
        if known is None:
            known = _proven(self._fresh(now, _HASTE).get(id), given)  # it may have been made just now
        return known if known is None else self._used(known, now)

    def at_hand(self, token: str, now: datetime) -> Integration | None:
        """The integration of a token when nothing has to be asked or written for that; None says nothing."""
        if self._known is None or not timedelta() <= now - self._known[0] < FRESH:
            return None
        found = _TOKEN.fullmatch(token)
        known = _proven(self._known[1].get(found.group(1) if found else ""), _hash(token))
        used = known.last_used_at if known else None
        return known if used is not None and now - used < _MINUTE else None

    def refused(self, one: Integration, refusal: str, remedy: str, now: datetime) -> None:
        """It was told no for good: kept for `doctor` and the page. At most once a minute for one reason."""
        before = self._noted.get(one.id)
        if before is not None and before[1] == refusal and timedelta() <= now - before[0] < _MINUTE:
            return
        with self._store.transaction() as tx:
            tx.note_refusal(one.id, refusal, remedy, now)
        self._noted[one.id] = now, refusal

    def _fresh(self, now: datetime, age: timedelta) -> Mapping[str, Integration]:
        """All by id, as they were in the store at most `age` ago.

        All and not one: whatever tokens strangers invent, the store is asked twice a second at most.
        """
        if self._known is None or not timedelta() <= now - self._known[0] < age:
            self._known = (now, {one.id: one for one in self.all()})
        return self._known[1]

    def _used(self, one: Integration, now: datetime) -> Integration:
        """Note the use, to the minute: a request must not cost a second write each time."""
        if one.last_used_at is not None and now - one.last_used_at < _MINUTE:
            return one
        with self._store.transaction() as tx:
            tx.touch_integration(one.id, now)
        used = replace(one, last_used_at=now)
        if self._known is not None:
            self._known = (self._known[0], {**self._known[1], one.id: used})
        return used


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _proven(one: Integration | None, given: str) -> Integration | None:
    """Compares in any case, so that an unknown id takes as long as a known one."""
    same = hmac.compare_digest(one.token_hash if one else _NOBODY, given)
    return one if one is not None and same and one.revoked_at is None else None


def _check(name: str, labels: Mapping[str, str]) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"name: {name!r} cannot be used; write a to z, 0 to 9, dot, dash and underscore, 63 at most"
        )
    for label, value in labels.items():
        if not _LABEL.fullmatch(label):
            raise BadInput(f"label: {label!r} is no label name; write letters, digits and underscore")
        if not value or len(value) > 200 or not value.isprintable():
            raise BadInput(f"label {label}: its value must have 1 to 200 printable characters")
