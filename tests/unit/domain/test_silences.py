"""Silences and maintenance windows: what they mute, and until when."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.errors import BadInput
from incident_response.domain.silences import MaintenanceWindow, Matchers, Silence, muted

UTC = timezone.utc
STOCKHOLM = "Europe/Stockholm"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(cron: str, length: timedelta = HOUR, zone: str = STOCKHOLM, **match: str) -> MaintenanceWindow:
    return MaintenanceWindow("upgrade", match or {"service": ".*"}, cron, length, zone)


def openings(one: MaintenanceWindow, since: str, days: int) -> list[tuple[str, str]]:
    """When it is open, looked at every five minutes: begin and end, in UTC."""
    found: list[tuple[str, str]] = []
    before = False
    now = at(since)
    for _ in range(days * 24 * 12 + 1):
        until = one.open_until(now)
        if until is not None and not before:
            found.append((f"{now:%d %H:%M}", f"{until:%d %H:%M}"))
        before = until is not None
        now += 5 * MINUTE
    return found


@pytest.mark.parametrize(
    ("cron", "since", "expected"),
    [
        # two o'clock does not exist on 29 March: three o'clock summer time is what the clock shows instead
        ("0 2 * * *", "2026-03-29", [("29 01:00", "29 02:00"), ("30 00:00", "30 01:00")]),
        ("30 2 * * 0", "2026-03-28", [("29 01:30", "29 02:30")]),
        # on 25 October it comes twice, and counts the first time; the window is as long as ever
        ("0 2 * * *", "2026-10-25", [("25 00:00", "25 01:00"), ("26 01:00", "26 02:00")]),
        ("30 2 * * 0", "2026-10-24", [("25 00:30", "25 01:30")]),
        ("30 1 * * 0", "2026-10-24", [("24 23:30", "25 00:30")]),
        ("0 3 * * 0", "2026-10-24", [("25 02:00", "25 03:00")]),
        # over midnight, in both nights that have another length
        ("30 23 * * 6", "2026-03-28", [("28 22:30", "28 23:30")]),
        ("30 23 * * 6", "2026-10-24", [("24 21:30", "24 22:30")]),
    ],
)  # fmt: skip
def test_the_wall_clock_decides_on_both_sides_of_a_change(cron: str, since: str, expected: list) -> None:
    """Each window once, and as long as it says."""
    assert openings(window(cron), since, 3)[: len(expected)] == expected


def test_a_window_over_midnight_is_open_on_both_days() -> None:
    """From ten in the evening for five hours."""
    one = window("0 22 * * 1", 5 * HOUR, "UTC")
    assert one.open_until(at("2026-11-23T21:59:59")) is None
    assert one.open_until(at("2026-11-23T22:00")) == at("2026-11-24T03:00")
    assert one.open_until(at("2026-11-24T02:59:59")) == at("2026-11-24T03:00")
    assert one.open_until(at("2026-11-24T03:00")) is None


def test_a_window_longer_than_its_rhythm_is_always_open() -> None:
    """Until the last beginning has passed by."""
    one = window("0 * * * *", 90 * MINUTE, "UTC")
    assert one.open_until(at("2026-11-23T10:15")) == at("2026-11-23T11:30")


def test_every_minute_of_the_hour_that_comes_twice_is_answered() -> None:
    """A window each minute: looking does not take for ever, nor does it fail."""
    one = window("* * * * *", MINUTE)
    for minute in range(0, 240, 7):
        until = one.open_until(at("2026-10-24T23:00") + minute * MINUTE)
        assert until is None or timedelta() < until - (at("2026-10-24T23:00") + minute * MINUTE) <= MINUTE


@given(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: at("2026-01-01") + minutes * MINUTE),
    st.integers(0, 23),
    st.sampled_from([STOCKHOLM, "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
    st.integers(1, 30),
)
def test_an_open_window_ends_within_its_length(now, hour, zone, length) -> None:
    """And it began at its hour, unless the clock skipped it."""
    until = window(f"0 {hour} * * *", length * HOUR, zone).open_until(now)
    if until is None:
        assert length < 25
        return
    assert timedelta() < until - now <= length * HOUR
    began = (until - length * HOUR).astimezone(ZoneInfo(zone))
    skipped = began.utcoffset() != (began - 2 * HOUR).astimezone(UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert began.hour == hour or skipped


# -------------------------------------------------------------------------------------------- silences


def silence(starts: timedelta, ends: timedelta, id: str = "s", **matchers: str) -> Silence:
    return Silence(id, matchers or {"service": "db"}, "why", "operator", NOW + starts, NOW + ends, NOW)


def test_a_silence_mutes_from_its_start_to_its_end() -> None:
    """The start is in, the end is out."""
    one = silence(timedelta(), HOUR)
    labels = {"service": "db"}
    assert one.end(labels, NOW - MINUTE) is None
    assert one.end(labels, NOW) == NOW + HOUR
    assert one.end(labels, NOW + HOUR - MINUTE) == NOW + HOUR
    assert one.end(labels, NOW + HOUR) is None
    assert one.end({"service": "web"}, NOW) is None


def test_of_several_mutes_the_longest_counts() -> None:
    """Silences and maintenance windows alike."""
    mutes = [
        silence(timedelta(), HOUR, "short"),
        silence(timedelta(), 3 * HOUR, "long"),
        silence(timedelta(), 9 * HOUR, "other", service="web"),
        silence(HOUR, 9 * HOUR, "later"),
        window("0 2 * * *", 2 * HOUR, "UTC"),
    ]
    found = muted(mutes, {"service": "db"}, NOW)
    assert found is not None
    assert (found.until, found.name) == (NOW + 3 * HOUR, "silence long of operator: why")
    assert muted(mutes[:1] + mutes[4:], {"service": "db"}, NOW).name == "maintenance: upgrade"
    assert muted(mutes, {"service": "none"}, NOW + 2 * HOUR) is None
    assert muted([], {}, NOW) is None


# -------------------------------------------------------------------------------------------- matchers


@pytest.mark.parametrize(
    ("matchers", "labels", "matches"),
    [
        ({"service": "key.*"}, {"service": "keycloak"}, True),
        ({"service": "key"}, {"service": "keycloak"}, False),
        ({"service": "cloak"}, {"service": "keycloak"}, False),
        ({"service": "a|b", "severity": "P[12]"}, {"service": "b", "severity": "P2"}, True),
        ({"service": "a|b", "severity": "P[12]"}, {"service": "b", "severity": "P3"}, False),
        ({"service": ".+"}, {}, False),
        ({"service": "line"}, {"service": "line\n"}, False),
    ],
)
def test_all_matchers_match_whole_values(matchers, labels, matches) -> None:
    """A label that is missing is empty."""
    assert Matchers(matchers).match(labels) is matches


def test_matchers_are_read_as_people_write_them() -> None:
    """With blanks, with an equals sign in the value, with Alertmanager's =~."""
    read = Matchers.parse(["service = key.*", "query=a=b", "severity=~P1|P2"])
    assert read.labels == {"service": "key.*", "query": "a=b", "severity": "P1|P2"}
    assert str(read) == "service=key.*, query=a=b, severity=P1|P2"


@pytest.mark.parametrize("text", ["service", "", "=x", " =x", "service=", "service=~", "a!=b", "a!~b"])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    """An empty value above all: everything has it that lacks the label."""
    with pytest.raises(BadInput):
        Matchers.parse([text])


@given(st.lists(st.text(max_size=12), max_size=3))
def test_reading_matchers_fails_only_with_words(texts: list[str]) -> None:
    """Whatever somebody types."""
    with suppress(BadInput):
        Matchers.parse(texts).match({"service": "x"})
