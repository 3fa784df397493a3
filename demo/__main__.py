"""`python -m demo`: a running Airflow with incidents to look at."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from incident_response.domain.errors import IncidentResponseError
from tests.support.airflow import Airflow

from . import REPOSITORY, expectations, ports
from .folder import FolderError, claimed
from .installation import install, store_in
from .ports import PortError
from .story import Story, Told
from .table import table
from .terminal import Terminal


def main() -> int:
    """0: all ended as it should; 1: something did not; 2: it could not start; 130: interrupted."""
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    terminal = Terminal()
    try:
        port = ports.choose(options.port)
        with claimed(options.folder.resolve()) as folder:
            return _run(install(folder, port), terminal, options)
    except (FolderError, PortError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, TimeoutError, IncidentResponseError) as error:
        print(f"error: {error}\nThe logs are in {options.folder.resolve()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        terminal.plain("\nstopped")
        return 130


def _run(airflow: Airflow, terminal: Terminal, options: argparse.Namespace) -> int:
    terminal.line(f"starting Airflow in {airflow.folder}, at {airflow.url}")
    with airflow:
        story = Story(airflow, store_in(airflow.folder), terminal)
        terminal.line("Airflow is healthy, waiting for the DAGs and the clock")
        story.get_ready()
        terminal.line("ready\n")
        code = _conclude(story.play(), terminal)
        if options.screenshots:
            script = [sys.executable, REPOSITORY / "scripts" / "screenshots", airflow.url]
            subprocess.run(script, check=True, cwd=REPOSITORY)
        if not options.exit:
            _stay(airflow, story, terminal)
    terminal.plain("Airflow has stopped")
    return code


def _conclude(told: Told, terminal: Terminal) -> int:
    """The table, the ratio, and what is not as it should be."""
    terminal.plain(f"\n{table(told.outcomes)}\n\n{_ratio(told)}\n")
    failed = 0
    for outcome in told.outcomes:
        for check in expectations.check(outcome):
            if not check.holds:
                failed += 1
                terminal.plain(
                    f"NOT AS IT SHOULD BE  {outcome.run.pipeline.dag_id}: {check.expected}; {check.seen}"
                )
    terminal.plain("All four ended as they should." if not failed else f"{failed} expectations do not hold.")
    return 1 if failed else 0


def _ratio(told: Told) -> str:
    ours, hand = told.outcomes[0].restarted_after, told.by_hand.median
    rounds = ", ".join(f"{seconds:.2f}" for seconds in told.by_hand.rounds)
    by_hand = f"clear by hand through the REST API → task started: {hand:.2f} s (median of {rounds})"
    if ours is None:
        return f"failure → re-run started: never; {by_hand}"
    return f"failure → re-run started: {ours:.2f} s; {by_hand}; ratio {ours / hand:.1f}"


def _stay(airflow: Airflow, story: Story, terminal: Terminal) -> None:
    login = airflow.login
    terminal.plain(
        f"\nThe page:  {airflow.url}/plugin/incidents   (inside Airflow; alone: {airflow.url}/incidents/)\n"
        f"Log in as  {login.user} / {login.password}   (op / op writes, viewer / viewer reads)\n"
        "Trigger the pipelines tagged `demo` once more in Airflow to see it again. Ctrl-C ends everything.\n"
    )
    try:
        story.go_on()
    except KeyboardInterrupt:
        terminal.plain("\nstopping Airflow")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path(".demo"), help="everything lies here (default: .demo)"
    )
    parser.add_argument(
        "--port", type=int, help="of Airflow (default: 8080, or any other when that is taken)"
    )
    parser.add_argument("--screenshots", action="store_true", help="take the pictures of docs/ at the end")
    parser.add_argument(
        "--exit",
        action="store_true",
        default=os.environ.get("DEMO_EXIT", "") not in ("", "0"),
        help="stop at the end, as with DEMO_EXIT=1; the exit code says whether all ended as it should",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
