"""Patterns: one linear subset of regular expressions."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_response.domain.errors import BadInput
from incident_response.domain.patterns import Pattern, _Parser, _Walk, _written, anywhere


@pytest.mark.parametrize(
    ("text", "matching", "others"),
    [
        ("keycloak", ["keycloak"], ["", "Keycloak", "keycloak ", "xkeycloak"]),
        ("^keycloak$", ["keycloak"], ["keycloak\n"]),
        ("a|b|", ["a", "b", ""], ["ab"]),
        (".*", ["", "x\ny", "ä"], []),
        ("lianel_.+", ["lianel_x", "lianel_\n"], ["lianel_"]),
        ("Unauthori[sz]ed.*", ["Unauthorised", "Unauthorized!"], ["Unauthoriked"]),
        (r"\d{2,3}\.\w+", ["12.a", "123.b_9"], ["1.a", "1234.a", "٣٣.a", "12.ä"]),
        (r"[^a-c\d-]+", ["xyz"], ["a", "x1", "-"]),
        ("(?i)Prod|tést", ["PROD", "prod", "TÉST"], ["pro"]),
        ("(?:ab){2}", ["abab"], ["ab", "ababab"]),
        ("(?P<x>a)(b)?c*?", ["a", "abcc"], ["b"]),
        (r"[]a]\[", ["][", "a["], ["b["]),
        (r"10\.0\.0\.\d+(:\d+)?", ["10.0.0.7", "10.0.0.7:9100"], ["10x0.0.7"]),
        ("(a|b)*c(d|e)+", ["c" + "d", "ababcde"], ["ab", "abx"]),
        (".*foo.*bar.*", ["foobar", "a foo b bar c"], ["barfoo"]),
        (r"(\d+\.){3}\d+", ["10.0.0.17"], ["10.0.0", "10.0.0.1.2"]),
    ],
)
def test_a_pattern_means_the_whole_value(text: str, matching: list[str], others: list[str]) -> None:
    """Whichever engine is chosen; classes are those of ASCII, a dot is any character."""
    pattern, walk = Pattern(text), _Walk(_Parser(text).parse())
    for value in matching:
        assert pattern.matches(value), value
        assert walk.matches(value), value
    for value in others:
        assert not pattern.matches(value), value
        assert not walk.matches(value), value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"(a)\1", "referring back"),
        ("(?=a)a", "looking ahead"),
        ("(?!prod).*", "looking ahead"),
        ("(?<=a)b", "looking ahead"),
        ("(?<!a)b", "looking ahead"),
        ("(a+)+", "repeated itself"),
        ("(a*)*b", "repeated itself"),
        ("((ab)*c)*", "repeated itself"),
        ("(a+){2,}", "repeated itself"),
        ("a++", "repetition of a repetition"),
        ("a**", "repetition of a repetition"),
        ("(?>a)b", "begin with (?"),
        ("(?(1)a|b)", "begin with (?"),
        ("a(?i)b", "begin with (?"),
        ("(?s).", "begin with (?"),
        ("*prod", "repeats nothing"),
        ("a^b", "at the ends only"),
        ("(a$)b", "at the ends only"),
        (r"\bprod\b", "means nothing"),
        (r"\p{L}", "means nothing"),
        (r"\Q.\E", "means nothing"),
        ("[[:alpha:]]", "not known"),
        ("[z-a]", "range"),
        ("[a", "without its ]"),
        ("(a", "without its )"),
        ("a)", "without its ("),
        ("a{2000}", "number of times"),
        ("a{5,2}", "number of times"),
        ("a{x}", "begins no number"),
        ("\\", "means nothing"),
        ("(((.{500}){3}){9}){9}", "repeats too much"),
        ("(" * 99 + ")" * 99, "too many groups"),
        ("a" * 3000, "2000 are the most"),
    ],
)
def test_what_is_outside_of_the_subset_is_refused_with_the_reason(text: str, words: str) -> None:
    """The same on every machine, whatever Python can do there."""
    with pytest.raises(BadInput, match=re.escape(words)):
        Pattern(text)


def test_a_pattern_can_be_looked_for_anywhere() -> None:
    """As in the body of a health page; its signs for the ends mean those of the whole text."""
    text = "x" * 60_000 + "\n{status: ok}\n"
    for found in ("status: (ok|fine)", "^xx", "ok}\n$", "^x+.*ok", "s.*s.*o"):
        assert anywhere(found).matches(text), found
    for missing in ("^status", "ok$", "status: down", "^ok.*$"):
        assert not anywhere(missing).matches(text), missing


@pytest.mark.parametrize(
    "text",
    [".*.*.*.*.*x", "(a|a)*b", "(a|aa)+b", "(a?){30}a{30}", ".*a.*a.*a.*b", "(x|a?){50}b", "(a|b|ab)*c"],
)
def test_time_grows_with_the_text_only(text: str) -> None:
    """These hold a search by trying for minutes to ages; a label of 8,000 characters is soon read."""
    pattern = Pattern(text)
    began = time.process_time()
    assert not pattern.matches("a" * 8000 + "!")
    assert time.process_time() - began < 2


pieces = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "a|b", "", r"\w", "ab"])
patterns = st.recursive(
    pieces,
    lambda inner: st.tuples(inner, st.sampled_from(["", "?", "{1,2}", "*", "+"]), inner).map(
        lambda parts: f"(?:{parts[0]}){parts[1]}{parts[2]}"
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(patterns, st.text("ab\nc", max_size=8))
def test_both_engines_and_python_agree(text: str, value: str) -> None:
    """Whichever of them is used for a pattern."""
    try:
        node = _Parser(text).parse()
    except BadInput:
        return
    expected = re.fullmatch(text, value, re.DOTALL) is not None
    assert (re.fullmatch(_written(node), value) is not None) == expected
    assert _Walk(node).matches(value) == expected
    assert Pattern(text).matches(value) == expected
