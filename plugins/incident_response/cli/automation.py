"""`automation`: may runbooks act? Also what works now, approvals, and the breaker."""

from __future__ import annotations

import argparse

from incident_response import bootstrap
from incident_response.domain.automation import BREAKER, KILL_SWITCH
from incident_response.domain.incidents import number_of

from .reading import Commands, shown


def add_to(commands: Commands) -> None:
    """Add the group's commands."""
    group = commands.add_parser("automation", help="may runbooks act? Switch them off and on again")
    parsers = group.add_subparsers(required=True, metavar="command")
    status = parsers.add_parser("status", help="the switches, and what runbooks work on now")
    status.set_defaults(run=_status)
    off = parsers.add_parser("off", help="runbooks look and plan, change nothing, and page people at once")
    off.add_argument("--reason", required=True, help="for whoever finds it off at night")
    off.add_argument("--by", default="command line", help="who does it")
    off.set_defaults(run=_off)
    on = parsers.add_parser("on", help="runbooks may act again, each within its limits")
    on.add_argument("--by", default="command line", help="who does it")
    on.set_defaults(run=_on)
    reset = parsers.add_parser("reset-breaker", help="close the breaker that opened by itself")
    reset.add_argument("--by", default="command line", help="who does it")
    reset.set_defaults(run=_reset)
    for name, yes in (("approve", True), ("decline", False)):
        decide = parsers.add_parser(name, help=f"{name} the plan that a runbook waits with")
        decide.add_argument("incident", help="INC-42")
        decide.add_argument("attempt", type=int, help="as the incident's page shows it")
        decide.add_argument("--by", default="command line", help="who does it")
        decide.set_defaults(run=_decide, yes=yes)


def _status(options: argparse.Namespace) -> int:
    automation = bootstrap.services().automation
    off = automation.off()
    for switch in off:
        name = "breaker open" if switch.name == BREAKER else "automation off"
        print(f"{name} since {shown(switch.set_at)} by {switch.set_by}: {switch.reason}")
    variable = automation.variable()
    if variable is not None:
        print(f"automation off by {variable.set_by}: {variable.reason}")
    if not off and variable is None:
        print("automation is on, the breaker is closed")
    leases = automation.leases()
    print(f"{len(leases)} runbooks change something now{':' if leases else ''}")
    for lease in leases:
        print(
            f"  INC-{lease.incident} attempt {lease.attempt} on {lease.target} since {shown(lease.taken_at)}"
        )
    return 1 if off or variable else 0


def _off(options: argparse.Namespace) -> int:
    bootstrap.services().automation.set(KILL_SWITCH, False, options.reason, options.by, bootstrap.now())
    print("automation is off: what has begun a step ends it, nothing else is changed")
    return 0


def _on(options: argparse.Namespace) -> int:
    bootstrap.services().automation.set(KILL_SWITCH, True, "", options.by, bootstrap.now())
    print("automation is on")
    return 0


def _reset(options: argparse.Namespace) -> int:
    bootstrap.services().automation.set(BREAKER, True, "", options.by, bootstrap.now())
    print("the breaker is closed")
    return 0


def _decide(options: argparse.Namespace) -> int:
    number = number_of(options.incident)
    decided = bootstrap.services().approvals.decide(
        number, options.attempt, options.by, bootstrap.now(), yes=options.yes
    )
    print("done" if decided else "that was decided before")
    return 0
