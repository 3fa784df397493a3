"""How single values are made fit for a database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.errors import NaiveTime
from incident_response.store.codec import PostgresCodec, SqliteCodec
from incident_response.store.documents import clean, dumps, plain

moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones())  # noqa: DTZ001
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
documents = st.dictionaries(
    st.text(),
    st.recursive(
        leaves, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.integers(), inner)
    ),
)


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_can_be_stored_anywhere(text: str):
    """No NUL, and encodable; cleaning again changes nothing, and clean text is left alone."""
    cleaned = clean(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    assert clean(cleaned) == cleaned
    if "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text):
        assert cleaned == text


@given(documents)
def test_any_document_becomes_plain_json(document: dict):
    """It survives the way to a database and back, as text that PostgreSQL's jsonb takes."""
    flat = plain(document)
    text = dumps(flat)
    assert "\\u0000" not in text.replace("\\\\", "")
    assert "NaN" not in text or "NaN" in str(flat)
    assert SqliteCodec().read_document(text) == flat


@given(moments)
def test_moments_come_back_exactly(moment: datetime):
    """To the microsecond, in UTC."""
    codec = SqliteCodec()
    back = codec.read_moment(codec.moment(moment))
    there = moment.astimezone(
        timezone.utc
    )  # two zones are never equal in the hour that a clock change repeats
    assert back == there
    assert back.utcoffset() == timedelta()
    assert datetime.fromisoformat(PostgresCodec().moment(moment)) == there


@given(moments, moments)
def test_moments_in_sqlite_are_in_order(one: datetime, two: datetime):
    """So that queries can compare them."""
    codec = SqliteCodec()
    assert (codec.moment(one) < codec.moment(two)) == (
        one.astimezone(timezone.utc) < two.astimezone(timezone.utc)
    )


@pytest.mark.parametrize("codec", [SqliteCodec(), PostgresCodec()], ids=["sqlite", "postgres"])
def test_a_naive_moment_is_refused(codec: SqliteCodec | PostgresCodec):
    """At the door of the database at the latest."""
    with pytest.raises(NaiveTime):
        codec.moment(datetime(2026, 1, 1))  # noqa: DTZ001
