"""`report` and `list`: open an incident by hand, and see those that are open."""

from __future__ import annotations

import argparse

from incident_response import bootstrap
from incident_response.domain.person_reports import person_report
from incident_response.domain.severities import Scenario, Severity

from .reading import Commands


def add_to(commands: Commands) -> None:
    """Add the group's commands."""
    report = commands.add_parser("report", help="report an incident")
    report.add_argument("title", help="one line: what is wrong")
    report.add_argument(
        "--severity", type=Severity, choices=list(Severity), metavar="P1…P4", default=Severity.P3
    )
    report.add_argument(
        "--scenario",
        type=Scenario,
        choices=list(Scenario),
        metavar="KIND",
        default=Scenario.OTHER,
        help=f"the kind of trouble: {', '.join(one.value for one in Scenario)}",
    )
    report.add_argument("--service", default="unknown", help="the affected system")
    report.add_argument("--description", default="", help="what is known so far")
    report.add_argument("--by", default="command line", help="who reports it")
    report.set_defaults(run=_report)
    commands.add_parser("list", help="the open incidents").set_defaults(run=_list)


def _report(options: argparse.Namespace) -> int:
    now = bootstrap.now()
    signal = person_report(
        options.title,
        options.severity,
        options.service,
        options.description,
        options.by,
        now,
        scenario=options.scenario,
    )
    receipt = bootstrap.services().intake.receive([signal], now)[0]
    if receipt.incident is None:
        print(f"{receipt.reason.value}: a silence or a maintenance window mutes it; see `silence list`")
    else:
        print(f"INC-{receipt.incident} {receipt.reason.value}")
    return 0


def _list(options: argparse.Namespace) -> int:
    with bootstrap.services().store.read() as tx:
        rows = tx.board(200)
    for row in rows:
        incident = row.incident
        due = (
            f"{incident.timers[0].kind.word} {incident.timers[0].due_at:%H:%M:%S}" if incident.timers else ""
        )
        print(
            f"{incident.severity.value}  {incident.key:<9} {incident.status.value:<13} "
            f"L{incident.level}  {incident.owner or '—':<12} {due:<32} {incident.title}"
        )
    print(f"{len(rows)} open")
    return 0
