"""`replay`: what today's rules and runbooks would make of a past incident. Nothing is changed."""

from __future__ import annotations

import argparse

from incident_response import bootstrap

from .reading import Commands, number


def add_to(commands: Commands) -> None:
    """Add the command."""
    replay = commands.add_parser(
        "replay", help="what today's rules and runbooks would make of a past incident; nothing is changed"
    )
    replay.add_argument("incident", help="INC-42")
    replay.set_defaults(run=_replay)


def _replay(options: argparse.Namespace) -> int:
    played = bootstrap.replay(number(options.incident))
    print(f"{played.incident.key} {played.incident.title}")
    for one in played.differences:
        if one.same:
            print(f"  {one.name:<9} {one.now}")
        else:
            print(f"* {one.name:<9} then: {one.then}\n  {'':<9}  now: {one.now}")
    for step in played.steps:
        print(f"  step {step.step}: {step.state.value} {step.text}")
    if played.verdict is not None:
        print(f"  guard: {played.verdict.reason}: {played.verdict.explanation}")
    if played.problem:
        print(f"  the runbook could not look or plan: {played.problem}")
    changed = sum(not one.same for one in played.differences)
    print(f"{changed} difference{'s' if changed != 1 else ''}; nothing was changed")
    return 0
