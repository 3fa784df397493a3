"""How bad it is: P1 … P4 (procedures §1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Severity(str, Enum):
    """P1 critical, P2 high, P3 medium, P4 low."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"

    @property
    def rank(self) -> int:
        """1 (critical) … 4 (low)."""
        return int(self.value[1])

    @property
    def word(self) -> str:
        """The severity in a word: critical, high, medium, low."""
        return ("critical", "high", "medium", "low")[self.rank - 1]

    def worse_than(self, other: Severity) -> bool:
        """True when this one is more urgent than `other`."""
        return self.rank < other.rank


def worst(severities: Iterable[Severity]) -> Severity:
    """The most urgent of at least one severity."""
    return min(severities, key=lambda severity: severity.rank)


class Scenario(str, Enum):
    """What kind of trouble it is (procedures §5)."""

    SERVICE_OUTAGE = "service_outage"
    DAG_FAILURE = "dag_failure"
    DATABASE = "database"
    PERFORMANCE = "performance"
    DATA_QUALITY = "data_quality"
    SECURITY = "security"
    OTHER = "other"

    @property
    def words(self) -> str:
        """For people: `service outage`."""
        return self.value.replace("_", " ")
