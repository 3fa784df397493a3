"""`integrations`: systems that may send signals to the webhooks."""

from __future__ import annotations

import argparse
import sys

from incident_response import bootstrap
from incident_response import settings as configuration
from incident_response.domain.records import IntegrationKind
from incident_response.service.integrations import FRESH

from .reading import Commands, labels, pairs


def add_to(commands: Commands) -> None:
    """Add the group's commands."""
    group = commands.add_parser("integrations", help="systems that may send signals to the webhooks")
    parsers = group.add_subparsers(required=True, metavar="command")
    add = parsers.add_parser("add", help="make a token; it is shown this once")
    add.add_argument("name", help="what people call the sender; it is named in timelines")
    add.add_argument("--kind", required=True, choices=[kind.value for kind in IntegrationKind])
    add.add_argument(
        "--label", action="append", default=[], metavar="k=v", help="added to signals that lack it"
    )
    add.add_argument("--by", default="command line", help="who makes it")
    add.set_defaults(run=_add)
    parsers.add_parser("list", help="all, revoked ones too").set_defaults(run=_list)
    revoke = parsers.add_parser("revoke", help="its token stops within 5 seconds")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke)


def _add(options: argparse.Namespace) -> int:
    kind, services = IntegrationKind(options.kind), bootstrap.services()
    made, token = services.integrations.add(
        options.name, kind, pairs(options.label), options.by, bootstrap.now()
    )
    path = "pagerduty/v2/enqueue" if kind is IntegrationKind.PAGERDUTY else kind.value
    page = services.settings.page_url or f"{configuration.base_url()}/incidents"
    print(f"{made.name} sends to {page.rstrip('/')}/hooks/{path}", file=sys.stderr)
    print("The token is kept as a hash only: it cannot be shown again.", file=sys.stderr)
    print(token)  # alone on standard output, so that it can be piped into a secret store
    return 0


def _list(options: argparse.Namespace) -> int:
    for one in bootstrap.services().integrations.all():
        state = f"revoked {one.revoked_at:%Y-%m-%d %H:%M}" if one.revoked_at else "in use"
        used = f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never"
        print(
            f"{one.name:<24} {one.kind.value:<12} {state:<24} last used {used:<16}  "
            f"made {one.created_at:%Y-%m-%d %H:%M} by {one.created_by}  {labels(one.labels.items())}".rstrip()
        )
    return 0


def _revoke(options: argparse.Namespace) -> int:
    bootstrap.services().integrations.revoke(options.name, bootstrap.now())
    print(f"{options.name} is revoked; its token stops within {FRESH.total_seconds():g} seconds")
    return 0
