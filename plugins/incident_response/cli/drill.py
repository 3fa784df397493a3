"""`drill`: an exercise that goes the whole way, from the signal to the report. Nothing is broken by it."""

from __future__ import annotations

import argparse

from incident_response import bootstrap
from incident_response.domain.errors import BadInput, PolicyError
from incident_response.domain.exercises import ALERT, LABEL, SOURCE, is_exercise
from incident_response.domain.severities import Severity
from incident_response.domain.signals import ALERTNAME, Signal

from .reading import Commands


def add_to(commands: Commands) -> None:
    """Add the command."""
    drill = commands.add_parser("drill", help="open an exercise: an incident that pages, is mended and ends")
    drill.add_argument("--service", default="everything", help="what it pretends to be about")
    drill.add_argument("--severity", default="P3", choices=[one.value for one in Severity])
    drill.add_argument("--by", default="command line", help="who practises")
    drill.set_defaults(run=_drill)


def _drill(options: argparse.Namespace) -> int:
    services, now = bootstrap.services(), bootstrap.now()
    name = " ".join(options.service.split())
    if not name:
        raise BadInput("service: is empty; nothing was opened")
    # Each is an incident of its own: one that came back soon after another would be taken for flapping.
    labels = {ALERTNAME: ALERT, LABEL: "true", "service": name, "severity": options.severity}
    labels["begun"] = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
    summary = f"{name} is said to be down ({options.by} practises)"
    signal = Signal(SOURCE, labels, summary, now)
    found = services.intake.classify(signal)
    if not is_exercise(found.service):
        raise PolicyError(
            "include/policy/classification.yaml has no rule for exercises, or another one before it "
            f"({found.rule}): real trouble and the exercise would become one; nothing was opened"
        )
    (receipt,) = services.intake.receive([signal], now)
    if receipt.incident is None:
        print(f"nothing was opened: {receipt.reason.value}")
        return 1
    print(f"INC-{receipt.incident} {receipt.reason.value}: {found.severity.value} {found.title}")
    print(f"people are paged as usual; its runbook is {found.runbook or 'missing from the rule'}")
    return 0
