"""What the forms of all senders share: their models, times, evidence and one line for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from incident_response.domain.redaction import one_line, redact
from incident_response.domain.signals import Signal
from incident_response.domain.times import UTC

from . import odd as oddities
from .refusals import Refusal, too_large, wrong

MOST = 20_000  # alerts in one request: no body of ordinary alerts has so many
ODD = "odd"  # the detail that says what could not be read as it was sent
_ROUNDS = 4  # of putting right: what was a number may then be no time
_TEXT, _ENTRIES = 2000, 50  # of one piece of evidence: characters, and members of each list and object
_PROBLEMS = 10


class Form(BaseModel):
    """A body. Fields of later versions are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


Model = TypeVar("Model", bound=Form)


def fill(form: type[Model], document: Any, odd: list[str]) -> Model:
    """The document as a form; what is odd in it is put right where that can be done, and named in `odd`.

    Raises Refusal with the fields that are wrong, never with what stood there.
    """
    rest: Any = document
    for _ in range(_ROUNDS):
        try:
            return form.model_validate(rest)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            rest = oddities.mended(rest, found, odd)
            if rest is None:
                break
    named = tuple(
        f"{'.'.join(str(part)[:60] for part in problem['loc'][:8]) or 'body'}: {problem['msg'][:200]}"
        for problem in found[:_PROBLEMS]
    )
    raise wrong(named)


def each(
    alerts: Sequence[Any], read: Callable[[Any, list[str]], Signal], unread: list[str] | None
) -> list[Signal]:
    """The signals of a group. What cannot be read at all is named in `unread`, and the others are taken.

    Raises Refusal when nothing of it can be read.
    """
    found: list[Signal] = []
    lost: list[str] = []
    for place, alert in enumerate(alerts):
        odd: list[str] = []
        try:
            signal = read(alert, odd)
        except Refusal as refusal:
            lost += (f"alerts.{place}.{problem}" for problem in refusal.problems)
            continue
        found.append(replace(signal, details={**signal.details, **told(odd=odd)}) if odd else signal)
    if lost and not found:
        raise wrong(tuple(lost[:_PROBLEMS]))
    if unread is not None:
        unread += lost
    return found


def not_too_many(alerts: object) -> None:
    """More than anybody sends who means well. Raises Refusal."""
    if isinstance(alerts, list) and len(alerts) > MOST:
        raise too_large(
            f"The request has {len(alerts)} alerts, {MOST} fit into one.",
            "Set `max_alerts: 1000` in Alertmanager's webhook_configs, or Max Alerts in Grafana.",
        )


def _moment(value: object) -> object:
    """Times as text, as JSON has them; Go writes nanoseconds, and the year 1 for none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value[:1].isdigit() or "-" not in value:
        raise _no_time("must be a time as text with a zone: 2026-01-15T03:00:00Z")
    return None if value.startswith("0001-01-01") else value


def _aware(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise _no_time("has no zone; add Z or an offset: 2026-01-15T03:00:00Z")
    if not 1970 <= value.year <= 2200:  # also keeps the step to UTC inside of what Python can count
        raise _no_time("is beyond all clocks")
    return value.astimezone(UTC)


def _no_time(words: str) -> Exception:
    return PydanticCustomError(oddities.TIME, "{words}", {"words": words})


def happened(moment: datetime | None, now: datetime) -> datetime:
    """When it happened. A sender whose clock is ahead must not have the last word until then."""
    return now if moment is None or moment > now else moment


def line(*texts: str) -> str:
    """The first text that says something, as one redacted line."""
    return next((found for found in (one_line(text) for text in texts) if found), "no summary")


def evidence(value: Any) -> Any:
    """What is kept of what the sender told: bounded, without what looks like a secret."""
    if isinstance(value, str):
        return redact(value if len(value) <= _TEXT else value[: _TEXT - 1] + "…")
    if isinstance(value, Mapping):
        kept = {key[:200]: _member(key, inner) for key, inner in list(value.items())[:_ENTRIES]}
        return kept if len(value) <= _ENTRIES else {**kept, "…": f"{len(value) - _ENTRIES} more"}
    if isinstance(value, list):
        kept_items = [evidence(inner) for inner in value[:_ENTRIES]]
        return kept_items if len(value) <= _ENTRIES else [*kept_items, f"… {len(value) - _ENTRIES} more"]
    return value


def _member(name: str, value: Any) -> Any:
    """`{"password": "x"}` looks like a secret only together with its name."""
    if isinstance(value, str) and redact(f"{name[:60]}={value[:60]}") != f"{name[:60]}={value[:60]}":
        return redact(f"{name[:60]}={value[:_TEXT]}").partition("=")[2]
    return evidence(value)


def told(**parts: Any) -> dict[str, Any]:
    """Evidence of the parts that are there."""
    return {name: evidence(part) for name, part in parts.items() if part not in (None, "", {}, [])}


def labelled(labels: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """The labels with those of the integration that they lack."""
    return {**added, **labels}


def _none(value: object) -> object:
    """Go writes null for a map that holds nothing."""
    return {} if value is None else value


Texts = Annotated[dict[str, str], BeforeValidator(_none)]
Moment = Annotated[datetime | None, BeforeValidator(_moment), AfterValidator(_aware)]
