"""What a PromQL expression looks at."""

from __future__ import annotations

import pytest

from incident_response.detectors.promql_selectors import counts_nothing, is_alternative, selectors


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up == 0", ("up",)),
        ('up{job="redis"} == 0', ('up{job="redis"}',)),
        ("increase(a_total[5m]) > 0", ("a_total",)),
        ('sum by (job, up) (rate(x{a="}(",b=~"c"}[5m])) / sum(y) > 0.1', ('x{a="}(",b=~"c"}', "y")),
        ("time() - max(last_seen) > 86400", ("last_seen",)),
        ("absent(up{job='x'}) and on (job) a", ("a",)),
        ("a unless b", ("a",)),
        ("a offset 5m > bool 3", ("a",)),
        ('{__name__="a:b"} > 1e3', ('{__name__="a:b"}',)),
        ("histogram_quantile(0.95, rate(h_bucket[5m])) > Inf # comment c", ("h_bucket",)),
        ("a / on(x) group_left(y) b", ("a", "b")),
        ("vector(1)", ()),
        ("a + a", ("a",)),
    ],
)
def test_selectors_are_found(expression: str, found: tuple[str, ...]) -> None:
    """Functions, labels, ranges, texts and numbers are none."""
    assert selectors(expression) == found


def test_what_can_be_true_without_all_of_it() -> None:
    """One side of `or` is enough, and a count of nothing is no result."""
    assert is_alternative("a or b")
    assert not is_alternative('a{x="or"} and b')
    assert counts_nothing('count(up{job="x"}) == 0')
    assert not counts_nothing("count(a) < 1000")
