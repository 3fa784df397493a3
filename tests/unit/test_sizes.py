"""Sizes in files and for people."""

from __future__ import annotations

import pytest

from incident_response.sizes import parse_size, size_in_words


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("200 GB", 200 * 1024**3),
        ("1.5GiB", 1536 * 1024**2),
        ("64 kb", 65536),
        (1048576, 1048576),
        ("7 bytes", 7),
    ],
)
def test_a_size_is_read_as_postgresql_counts(text: object, size: int) -> None:
    """1 kB is 1024 bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["much", "-1 GB", "1 XB", True, None, ""])
def test_what_is_no_size_is_refused_with_an_example(text: object) -> None:
    """The message tells what to write."""
    with pytest.raises(ValueError, match="200 GB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (7599807, "7.25 MB"),
        (1000 * 1024, "1000 kB"),
        (200 * 1024**3, "200 GB"),
        (1024**4, "1 TB"),
    ],
)
def test_a_size_is_told_in_a_unit_that_fits(size: float, words: str) -> None:
    """Three digits are enough at night."""
    assert size_in_words(size) == words
