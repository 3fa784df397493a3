"""`silence`: mute what is known, for a time; and what is muted now, also by planned maintenance."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from incident_response import bootstrap
from incident_response.domain.records import Held
from incident_response.domain.silences import MOST_DAYS, in_words
from incident_response.service.silence_preview import SilencePreview

from .reading import Commands, labels, length, shown


def add_to(commands: Commands) -> None:
    """Add the group's commands."""
    group = commands.add_parser("silence", help="mute what is known, for a time")
    parsers = group.add_subparsers(required=True, metavar="command")
    add = parsers.add_parser("add", help="from now on; what still fires at its end opens incidents then")
    add.add_argument(
        "matchers",
        nargs="+",
        metavar="label=value",
        help="all must match; values are regular expressions for the whole value. "
        "Also service, scenario and severity, as `classify` finds them",
    )
    add.add_argument(
        "--for",
        dest="length",
        required=True,
        metavar="TIME",
        help=f"30min, 2h, 1day; {MOST_DAYS} days at most",
    )
    add.add_argument("--reason", required=True, help="why nobody has to be told")
    add.add_argument("--by", default="command line", help="who makes it")
    add.add_argument("--dry-run", action="store_true", help="say what it would mute now, and make none")
    add.set_defaults(run=_add)
    listing = parsers.add_parser("list", help="silences, open maintenance windows, and what is muted now")
    listing.set_defaults(run=_list)
    end = parsers.add_parser("end", help="end one now; what it holds is looked at again")
    end.add_argument("id", help="as `silence list` shows it")
    end.set_defaults(run=_end)


def _add(options: argparse.Namespace) -> int:
    intake, now = bootstrap.services().intake, bootstrap.now()
    found = intake.foresee_silence(options.matchers, now)
    if options.dry_run:
        print(f"{found.matchers} would mute: {found}")
        _notes(found)
        return 0
    made = intake.muting.add(options.matchers, options.reason, options.by, length(options.length), now)
    print(f"{made.id} mutes {in_words(made.matchers)} until {shown(made.ends_at)}")
    print(
        "It works everywhere within seconds. Incidents that are open already go on: "
        "acknowledge or resolve them."
    )
    print(f"Now: {found}")
    _notes(found)
    return 0


def _notes(found: SilencePreview) -> None:
    for note in found.notes:
        print(f"  {note}")


def _end(options: argparse.Namespace) -> int:
    bootstrap.services().intake.muting.end(options.id, bootstrap.now())
    print(f"{options.id} has ended; what it held and still fires opens incidents at the clock's next look")
    return 0


def _list(options: argparse.Namespace) -> int:
    muting = bootstrap.services().intake.muting
    silences, windows = muting.lasting(bootstrap.now())
    for silence in silences:
        print(
            f"{silence.id}  until {shown(silence.ends_at)}  {in_words(silence.matchers)}  "
            f"— {silence.reason} ({silence.owner})"
        )
    for window, until in windows:
        print(f"window    until {shown(until)}  {in_words(window.matchers)}  — {window.title}")
    print(f"{len(silences)} silences, {len(windows)} open maintenance windows")
    _held(muting.held())
    return 0


def _held(held: Sequence[Held]) -> None:
    # Resolved ones wait for the firing ones they overtook: no business of people.
    firing = [one for one in held if one.signal.firing]
    print(f"{len(firing)} signals muted now{':' if firing else ''}")
    for one in firing:
        print(f"  {one.signal.summary}")
        print(f"    {labels(one.signal.labels.items())}")
        print(f"    until {shown(one.until)} by {one.by}")
