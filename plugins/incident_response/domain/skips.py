"""When Airflow's trigger rules skip a task, by what became of the tasks directly above it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tally:
    """Task instances directly above one, by what became of them."""

    success: int = 0
    chosen: int = 0  # skipped on purpose
    other: int = 0  # failed, cut off, removed, or not ended: after a repair they may end otherwise

    def plus(self, state: str, *, chosen: bool) -> Tally:
        """With one more."""
        if state == "success":
            return replace(self, success=self.success + 1)
        if state == "skipped" and chosen:
            return replace(self, chosen=self.chosen + 1)
        return replace(self, other=self.other + 1)

    @property
    def only_success(self) -> bool:
        """True when there is nothing else."""
        return self.success > 0 and not (self.chosen or self.other)


def skips_by_rule(rule: str, above: Tally) -> bool:
    """Would Airflow skip it, whatever becomes of those that may still end otherwise?"""
    settled = above.other == 0
    if rule in ("all_success", "none_skipped", "all_done_min_one_success"):
        return above.chosen > 0
    if rule in ("none_failed_min_one_success", "one_success", "one_done", "all_done_setup_success"):
        return settled and above.chosen > 0 and above.success == 0
    if rule == "all_failed":
        return above.success + above.chosen > 0
    if rule == "one_failed":
        return settled and above.success + above.chosen > 0
    if rule == "all_skipped":
        return above.success > 0
    return False  # all_done, none_failed, always: they never skip
