"""What may stand in detectors.yaml about Loki."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.sources.loki import LokiSource

ERRORS = {"name": "errors", "query": '{app=~".+"} |= "ERROR"', "at_least": 10}


def source(*queries: dict[str, Any], **fields: Any) -> LokiSource:
    return LokiSource.model_validate({"name": "logs", "kind": "loki", "queries": queries, **fields})


def test_a_short_entry_has_the_platforms_defaults() -> None:
    """Name, query and limit are enough."""
    made = source(ERRORS)

    [query] = made.queries
    assert made.connections == ("incident_response_loki",)
    assert (query.alertname, query.by, query.component) == ("LogErrorRate", "service", "infrastructure")
    assert query.window.total_seconds() == 300
    assert query.clears_below == 5


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"query": 'sum(rate({a="b"}[5m]))'}, "beginning with a selector"),
        ({"query": '{a="b"} |= "x" [5m]'}, "leave the range in brackets out"),
        ({"clear_below": 11}, "set it to at_least or less"),
        ({"clear_below": 0}, "greater than 0"),
        ({"at_least": 0}, "greater than or equal to 1"),
        ({"by": "a) or (b"}, "should match pattern"),
        ({"window": "1 business day"}, "elapsed time"),
        ({"window": "0 s"}, "greater than or equal to"),
        ({"severity": "urgent"}, "P1"),
        ({"treshold": 3}, "Extra inputs"),
    ],
)
def test_a_mistake_is_refused_with_its_remedy(wrong: dict[str, Any], remedy: str) -> None:
    """At load, not at night."""
    with pytest.raises(ValidationError, match=remedy):
        source({**ERRORS, **wrong})


def test_a_bracket_in_a_pattern_is_no_range() -> None:
    """Only a range at the end is."""
    assert source({**ERRORS, "query": '{a="b"} |~ "[0-9]"'}).queries
    assert source({**ERRORS, "query": "{a=`b`} |~ `x[0-9]`"}).queries


def test_two_queries_of_one_name_are_refused() -> None:
    """The name is the key of a query's memory."""
    with pytest.raises(ValidationError, match="two queries are named 'errors'"):
        source(ERRORS, ERRORS)
