"""`classify`: what the rules would make of a signal. Nothing is stored."""

from __future__ import annotations

import argparse

from incident_response import bootstrap
from incident_response.domain.errors import BadInput
from incident_response.domain.signals import Signal

from .reading import Commands, pairs, shown


def add_to(commands: Commands) -> None:
    """Add the command."""
    classify = commands.add_parser(
        "classify", help="what the rules would make of a signal; nothing is stored"
    )
    classify.add_argument(
        "labels",
        nargs="+",
        metavar="label=value",
        help="of the signal: alertname=ContainerDown service=keycloak",
    )
    classify.add_argument("--summary", default="", help="its line for people, which titles may name")
    classify.set_defaults(run=_classify)


def _classify(options: argparse.Namespace) -> int:
    labels = pairs(options.labels)
    if unnamed := [text for text in options.labels if text.startswith("=")]:
        raise BadInput(f"label: {unnamed[0]!r} has no name; write for example service=keycloak")
    services, now = bootstrap.services(), bootstrap.now()
    signal = Signal("command line", labels, options.summary, now)
    found = services.intake.classify(signal)
    with services.store.read() as tx:
        muted = services.intake.muting.muted(tx, signal, found, now)
    rows = {
        "rule": found.rule,
        "severity": found.severity.value,
        "scenario": found.scenario.value,
        "service": found.service,
        "level": found.level,
        "runbook": found.runbook or "none",
        "title": found.title,
        "event-like": "yes: quiet proves nothing" if found.event_like else "no: quiet means over",
        "dedup_key": found.dedup_key,
        "muted": f"until {shown(muted.until)} by {muted.name}" if muted else "no",
    }
    for name, value in rows.items():
        print(f"{name:<11} {value}")
    return 0
