"""`merge` and `split`: two incidents are one cause, or one incident is two."""

from __future__ import annotations

import argparse

from incident_response import bootstrap
from incident_response.domain.errors import BadInput
from incident_response.domain.records import Role, Sighting

from .reading import Commands, labels, number


def add_to(commands: Commands) -> None:
    """Add the group's commands."""
    merge = commands.add_parser("merge", help="an incident becomes part of another one")
    merge.add_argument("incident", help="INC-5: it is over, and its signals move")
    merge.add_argument("into", help="INC-3: it goes on")
    merge.add_argument("--by", default="command line", help="who says so")
    merge.set_defaults(run=_merge)
    split = commands.add_parser("split", help="signals get an incident of their own; without any: lists them")
    split.add_argument("incident", help="INC-3")
    split.add_argument(
        "--signal", action="append", default=[], metavar="SOURCE:FINGERPRINT", help="may be given again"
    )
    split.add_argument("--by", default="command line", help="who says so")
    split.set_defaults(run=_split)


def _merge(options: argparse.Namespace) -> int:
    child, parent = number(options.incident), number(options.into)
    bootstrap.services().intake.gathering.merge_by_hand(child, parent, options.by, bootstrap.now())
    print(f"INC-{child} is part of INC-{parent} now; what it had not sent yet is not sent any more")
    return 0


def _split(options: argparse.Namespace) -> int:
    incident = number(options.incident)
    if not options.signal:
        return _signals(incident)
    keys = {_key(text) for text in options.signal}
    splitting = bootstrap.services().intake.splitting
    made = splitting.split(incident, keys, options.by, bootstrap.now())
    print(f"{made.key} {made.severity.value} {made.title}: what follows these signals goes there, too")
    return 0


def _signals(incident: int) -> int:
    with bootstrap.services().store.read() as tx:
        found = tx.get(incident)
        sightings = tx.sightings(incident)
    print(f"{found.key} {found.title}")
    for sighting in sightings:
        print(f"  --signal {sighting.source}:{sighting.fingerprint}  {_state(sighting)}")
        print(f"    {sighting.summary}")
        print(f"    {labels(sighting.labels.items())}")
    print(f"{len(sightings)} signals; name those that are other trouble with --signal")
    return 0


def _state(sighting: Sighting) -> str:
    role = "" if sighting.role is Role.OWN else f" {sighting.role.value}"
    return f"{'firing' if sighting.firing else 'quiet'}{role}, seen {sighting.count} times"


def _key(text: str) -> tuple[str, str]:
    source, colon, fingerprint = text.rpartition(":")
    if not colon or not source or not fingerprint:
        raise BadInput(f"{text!r} is no signal; write SOURCE:FINGERPRINT, as `split INC-3` lists them")
    return source, fingerprint
