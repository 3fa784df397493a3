"""The pre-check of a container: what has to succeed in it before a restart."""

from __future__ import annotations

from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.errors import Refused
from incident_response.domain.redaction import redact
from incident_response.domain.services import Container
from incident_response.domain.times import in_words
from incident_response.parameters.docker_steps import Restart, RestartInOrder

from .docker_container import Seen
from .docker_looking import presentable


def words(terms: Container, seen: Seen) -> str:
    """For the plan: what will be run before."""
    if not terms.precheck:
        return ""
    command = redact(" ".join(terms.precheck))
    if not seen.running:
        return f", without its pre-check `{command}`, which needs a running container"
    return f", if `{command}` succeeds in it"


def check(engine: WritingEngine, terms: Container, seen: Seen, parameters: Restart | RestartInOrder) -> bool:
    """Whether one was run. Raises Refused with its output when it fails."""
    if not terms.precheck or not seen.running:
        return False
    command = redact(" ".join(terms.precheck))
    seconds = min(parameters.precheck_within.total_seconds(), engine.left / 2)
    code, output = engine.execute(seen.id, terms.precheck, seconds)
    said = " / ".join(line.strip() for line in presentable(output).splitlines() if line.strip())[-300:]
    if code is None:
        raise Refused(
            f"{seen.name} was not restarted: its pre-check `{command}` did not end within "
            f"{in_words(parameters.precheck_within)}{': ' + said if said else ''}"
        )
    if code != 0:
        raise Refused(
            f"{seen.name} was not restarted: its pre-check `{command}` failed with code {code}"
            f"{': ' + said if said else ''}"
        )
    return True
