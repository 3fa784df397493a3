"""The table at the end: what happened to each pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from incident_response.domain.runbooks import RemediationState

from .outcome import Outcome, Page

_HEAD = ("pipeline", "incident", "found by", "signals", "repair", "paged: Level, at, lateness", "end")
Cell = Sequence[str]  # lines


def table(outcomes: Sequence[Outcome]) -> str:
    """One block of lines per pipeline. Seconds count from the failure, those of pages from the opening."""
    rows: list[tuple[Cell, ...]] = [tuple((head,) for head in _HEAD), *(_row(one) for one in outcomes)]
    widths = [max(len(line) for row in rows for line in row[column]) for column in range(len(_HEAD))]
    rule = "─".join("─" * (width + 2) for width in widths).rstrip()
    blocks = [_block(row, widths) for row in rows]
    return "\n".join([rule, blocks[0], rule, f"\n{rule}\n".join(blocks[1:]), rule])


def _block(row: Sequence[Cell], widths: Sequence[int]) -> str:
    lines = range(max(len(cell) for cell in row))
    return "\n".join(
        "   ".join(_line(cell, line).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for line in lines
    )


def _line(cell: Cell, line: int) -> str:
    return cell[line] if line < len(cell) else ""


def _row(outcome: Outcome) -> tuple[Cell, ...]:
    incident = outcome.incident
    if incident is None:
        return ((outcome.run.pipeline.dag_id,), ("none",), ("nobody",), ("0",), ("—",), ("nobody",), ("—",))
    return (
        (outcome.run.pipeline.dag_id,),
        [one.key for one in outcome.incidents],
        (outcome.source, f"after {_length(outcome.opened_after)}"),
        (str(outcome.signals), f"{outcome.instances} task{'s' if outcome.instances != 1 else ''}"),
        _repair(outcome),
        _pages(outcome.pages),
        _end(outcome),
    )


def _repair(outcome: Outcome) -> Cell:
    if not outcome.remediations:
        return ("none",)
    last = outcome.remediations[-1].state
    word = {RemediationState.SUCCEEDED: "healed", RemediationState.FAILED: "tried, failed"}.get(
        last, last.value
    )
    return (word, f"re-run after {_length(outcome.restarted_after)}")


def _pages(pages: Sequence[Page]) -> Cell:
    """The first page of each level; the rest are reminders."""
    first = list({page.level: page for page in reversed(pages)}.values())[::-1]
    more = len(pages) - len(first)
    reminders = (f"and {more} reminder{'s' if more > 1 else ''}",) if more else ()
    return (*map(_paged, first), *reminders) or ("nobody",)


def _paged(page: Page) -> str:
    sent = f"{page.after:5.1f} s, {page.late:+.1f} s" if page.delivered else "not delivered"
    return f"{page.level} {page.name:<14} {sent}"


def _end(outcome: Outcome) -> Cell:
    incident = outcome.incident
    assert incident is not None
    if incident.status.is_open:
        return (f"open at Level {incident.level}", incident.status.value)
    return (incident.status.value, f"after {_length(outcome.resolved_after)}")


def _length(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.1f} s"
