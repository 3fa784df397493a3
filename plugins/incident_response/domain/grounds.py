"""Grounds: what a signal stands on, hard evidence of its own or a symptom, and whom its own error names.

What failed by its own witness (an exit code, a failed task, a refused connection) is paged and repaired in its own
right; a symptom (a health check, latency) may be explained by what it depends on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any

from .services import ServiceMap
from .signals import Signal

EVIDENCE = "evidence"  # where a detector that has seen it itself puts it into `details`
_OWN_ERROR = ("message", "exception", "caused_by", "error")  # details that hold a failure's own words
_MOST = 20_000  # characters of one signal that are read

_AWAY = re.compile(
    r"refus|could not connect|cannot connect|can't connect|unable to connect|failed to connect|connection.{0,80}"
    r"(?:failed|reset|aborted|closed|timed out|timeout)|no route to host|unreachable|timed? ?out|broken pipe"
    r"|too many (?:clients|connections)|connection slots|no connection is left|server closed the connection"
    r"|terminating connection|starting up|shutting down|recovery mode|name or service not known|name resolution"
    r"|could not translate host name|ECONNREFUSED|\berrno 111\b|max retries exceeded"
    r"|\b(?:502 bad gateway|503 service unavailable|504 gateway time-?out)\b|\b(?:08[0-9A-Z]{3}|57P0[1-3]|53300)\b",
    re.IGNORECASE,
)
# In any language: an operational error about a host and a port, without the server's own word (FATAL: wrong password).
_AWAY_IN_ANY_LANGUAGE = re.compile(
    r"OperationalError(?!.*\bFATAL\b).*\bport\W{0,3}\d+", re.IGNORECASE | re.DOTALL
)
_HOST = re.compile(
    r"""(?:server at|on socket|host(?: ?name)?|connecting to)[ =]+["'»«“]?([\w.-]+)""", re.IGNORECASE
)
_NEAR = ("localhost", "host.docker.internal", "gateway.docker.internal")


class Ground(str, Enum):
    """What a signal stands on."""

    HARD = "hard"
    SYMPTOM = "symptom"


@dataclass(frozen=True)
class Account:
    """What several signals of one cause stand on together.

    `told` has, for each hard one that says why, the services that it names as out of reach; an alert on a counter of
    failures says nothing, and is no word against those that do.
    """

    hard: bool = False
    told: tuple[frozenset[str], ...] = ()

    def names(self, service: str) -> bool:
        """True when all that say why name this service."""
        return bool(self.told) and all(service in named for named in self.told)

    @property
    def is_silent(self) -> bool:
        """True for hard evidence without a word why."""
        return self.hard and not self.told

    def may_follow(self, upstreams: Collection[str]) -> bool:
        """False for what is told to have a reason of its own, whatever is found out about `upstreams`."""
        return bool(upstreams) and (not self.told or any(self.names(service) for service in upstreams))


SYMPTOM = Account()


def ground_of(details: Mapping[str, Any], rule: Ground) -> Ground:
    """A detector that has seen for itself knows better than the rule."""
    said = details.get(EVIDENCE)
    return next((ground for ground in Ground if ground.value == said), rule)


def account(
    signals: Iterable[tuple[Signal, Ground]], services: ServiceMap, upstreams: Collection[str]
) -> Account:
    """Of the firing signals of one cause; `upstreams` are the services by which it may be explained."""
    hard, told = False, []
    for signal, ground in signals:
        if ground is not Ground.HARD:
            continue
        hard = True
        named = named_in(_texts(signal), services, upstreams)
        if named or signal.details.get(EVIDENCE) or any(signal.details.get(name) for name in _OWN_ERROR):
            told.append(named)
    return Account(hard, tuple(dict.fromkeys(told)))


def named_in(text: str, services: ServiceMap, upstreams: Collection[str]) -> frozenset[str]:
    """The services of `upstreams` which an error names as out of reach."""
    if not upstreams or not (_AWAY.search(text) or _AWAY_IN_ANY_LANGUAGE.search(text)):
        return frozenset()
    return frozenset(name for name in upstreams if _names(text, name, services))


def _names(text: str, name: str, services: ServiceMap) -> bool:
    service = services.service(name)
    if service is None:
        return _is_in(text, name)
    own = {service.name, *service.aliases, *([service.container.name] if service.container else [])}
    if any(_is_in(text, one) for one in own):
        return True
    # A driver or a port is a name only while no other host is spoken of.
    return any(_is_in(text, one) for one in service.errors) and all(map(_is_near, _HOST.findall(text)))


def _is_in(text: str, name: str) -> bool:
    """As a word of its own: `redis` is not in `redistribute`, and `psycopg` is in `psycopg2.OperationalError`."""
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?:\d?(?![\w-]))", text, re.IGNORECASE))


def _is_near(host: str) -> bool:
    """This machine, the Docker host or an address of a private network: no name of something else."""
    if host.lower() in _NEAR:
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host and not re.search("[a-z]", host, re.IGNORECASE)


def _texts(signal: Signal) -> str:
    return "\n".join([signal.summary, *_strings(signal.details)])[:_MOST]


def _strings(value: Any, depth: int = 3) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value[:50]:
            yield from _strings(inner, depth - 1)
