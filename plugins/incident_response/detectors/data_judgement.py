"""What a query's answer means to its check: green, yellow or red, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from incident_response.clients.sql_reading import Rows
from incident_response.clients.sql_showing import sample
from incident_response.domain.times import in_words
from incident_response.sources.data_checks import (
    Anomaly,
    AnyCheck,
    Assertion,
    Completeness,
    Freshness,
    Loss,
    Volume,
)

from .data_history import History
from .data_values import Unusable, figure, moment, number, only_row

_MISSING = "MissingDataInCriticalTable"


@dataclass(frozen=True)
class Verdict:
    """`fires`: whether somebody is told, when it lasts. `since`: when it began, where that is known."""

    state: str  # green, yellow, red
    value: Any  # JSON
    fires: bool = False
    alert: str = ""
    words: str = ""  # stands behind the table's name
    since: datetime | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)


def judge(check: AnyCheck, answer: Rows, history: History, now: datetime) -> Verdict:
    """The verdict. Raises Unusable when the answer is not what the check needs."""
    kinds: dict[type, Callable[[Any, Rows, History, datetime], Verdict]] = {
        Freshness: _freshness,
        Volume: _volume,
        Completeness: _completeness,
        Anomaly: _anomaly,
        Loss: _loss,
        Assertion: _assertion,
    }
    return kinds[type(check)](check, answer, history, now)


def _freshness(check: Freshness, answer: Rows, _: History, now: datetime) -> Verdict:
    (found,) = only_row(answer, (1,), "one timestamp or date, for example SELECT max(loaded_at) …")
    newest = moment(found, check.zone, now)
    if newest is None:
        return _missing(check, "there is no data at all")
    age = now - newest
    state = "red" if age > check.fail_after else "yellow" if age > check.warn_after else "green"
    limit = check.fail_after if state == "red" else check.warn_after
    return Verdict(
        state,
        newest.isoformat(),
        state == "red" or (state == "yellow" and check.warn),
        check.alertname or check.alert,
        f"the newest data is {in_words(age)} old (limit {in_words(limit)})",
        newest + limit,
        {"age_seconds": round(age.total_seconds())},
    )


def _volume(check: Volume, answer: Rows, _: History, now: datetime) -> Verdict:
    (found,) = only_row(answer, (1,), "one number, for example SELECT count(*) …")
    value = number(found) or 0.0
    few = check.at_least is not None and value < check.at_least
    many = check.at_most is not None and value > check.at_most
    if few and value == 0 and check.critical:
        return _missing(check, f"there is no data (limit at least {figure(check.at_least or 0)})", value)
    limit = f"at least {figure(check.at_least or 0)}" if few else f"at most {figure(check.at_most or 0)}"
    return Verdict(
        "red" if few or many else "green",
        value,
        few or many,
        check.alertname or check.alert,
        f"the check {check.name} counts {figure(value)} (limit {limit})",
    )


def _completeness(check: Completeness, answer: Rows, _: History, now: datetime) -> Verdict:
    row = [number(value) for value in only_row(answer, (1, 2), "a percentage, or present and expected")]
    evidence: dict[str, Any] = {}
    percent = row[0]
    if len(row) == 2:
        present, expected = row[0] or 0.0, row[1] or 0.0
        evidence = {"present": present, "expected": expected}
        percent = 100 * present / expected if expected else None
    if not percent:
        return _missing(check, "there is no data at all", percent, evidence)
    state = "red" if percent < check.fail_below else "yellow" if percent < check.warn_below else "green"
    limit = check.fail_below if state == "red" else check.warn_below
    return Verdict(
        state,
        round(percent, 3),
        state == "red" or (state == "yellow" and check.warn),
        check.alertname or check.alert,
        f"{percent:.4g} % of the data is there (limit {limit:g} %)",
        evidence=evidence,
    )


def _anomaly(check: Anomaly, answer: Rows, history: History, now: datetime) -> Verdict:
    (found,) = only_row(answer, (1,), "one number, for example SELECT count(*) …")
    value = number(found)
    if value is None:
        raise Unusable("the query returned NULL where a number is needed; wrap it in coalesce(…, 0)")
    band = history.band(check)
    after = history.after(value, check)
    strange = bool(after.strange)  # with the last look of a new level it has become usual
    low, high = band or (value, value)
    return Verdict(
        "red" if strange else "green",
        value,
        strange,
        check.alertname or check.alert,
        f"the check {check.name} counts {figure(value)}, "
        f"usual is {figure(round(low, 2))} to {figure(round(high, 2))}",
        evidence={"usual_from": low, "usual_to": high, "seen": len(history.usual)},
        history=after,
    )


def _loss(check: Loss, answer: Rows, history: History, now: datetime) -> Verdict:
    """Held against the highest number there was; nothing at all is loss whatever the tolerance."""
    (found,) = only_row(answer, (1,), "one number, for example SELECT count(*) …")
    value = number(found) or 0.0
    before = history.usual[0] if history.usual else value
    kept_from = before * (1 - check.tolerance / 100)
    lost = value < kept_from or (value <= 0 < before)
    strange = (*history.strange, value) if lost else ()
    accepted = len(strange) >= check.looks
    after = History((value if accepted or not lost else before,), () if accepted else strange)
    if not lost and value < before:
        after = History((before,))
    red = lost and not accepted
    return Verdict(
        "red" if red else "green",
        value,
        red,
        check.alertname or (_MISSING if red and value <= 0 else check.alert),
        f"the check {check.name} counts {figure(value)}, there were {figure(before)}: "
        f"{figure(before - value)} are gone",
        evidence={"before": before, "lost": before - value, "kept_from": kept_from},
        history=after,
    )


def _assertion(check: Assertion, answer: Rows, _: History, now: datetime) -> Verdict:
    count = len(answer.rows)
    wrong = count > check.allowed
    counted = f"{'more than ' if answer.more else ''}{count} row{'' if count == 1 else 's'}"
    return Verdict(
        "red" if wrong else "green",
        count,
        wrong,
        check.alertname or check.alert,
        f"the check {check.name} finds {counted} that must not be there (limit {check.allowed})",
        evidence={"rows": sample(answer), "more": answer.more} if wrong else {},
    )


def _missing(
    check: Freshness | Volume | Completeness,
    words: str,
    value: float | None = None,
    evidence: dict[str, Any] | None = None,
) -> Verdict:
    """No data is red for every kind; of a critical table it has a name of its own."""
    alert = _MISSING if check.critical else check.alert
    return Verdict("red", value, True, check.alertname or alert, words, evidence=evidence or {})
