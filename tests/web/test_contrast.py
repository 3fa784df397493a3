"""Colours can be read: 4.5:1 in both themes, computed from the style sheet itself."""

from __future__ import annotations

import re

import pytest

from incident_response.web.rendering import pages

_STYLE = pages().assets.get("page.css")
assert _STYLE is not None
COLOURS = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", _STYLE.content.decode()))

# What stands on what.
READ = [
    *((text, ground) for text in ("text", "quiet", "link", "late") for ground in ("page", "panel")),
    ("text", "bad"),
    ("quiet", "bad"),
    ("late", "bad"),
    ("text", "good"),
    ("on-main", "main"),
    ("on-main", "link"),
    *((severity, ground) for severity in ("p1", "p2", "p3", "p4") for ground in ("page", "panel")),
]
SEEN = [
    ("edge", "page"),
    ("edge", "panel"),
    ("main", "page"),
    ("main", "panel"),
    ("bar", "line"),
    ("late", "line"),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), READ)
def test_text_has_enough_contrast(theme: str, text: str, ground: str) -> None:
    """WCAG AA for text of any size; severities count as text because a shape is all that repeats them."""
    assert contrast(text, ground, theme) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SEEN)
def test_edges_focus_and_bars_can_be_seen(theme: str, shape: str, ground: str) -> None:
    """WCAG for what is not text: 3:1."""
    assert contrast(shape, ground, theme) >= 3


def test_every_colour_is_named_once_with_both_themes() -> None:
    """A colour outside the list would escape this test."""
    style = _STYLE.content.decode().split("}", 1)[1]
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", style)) == set()


def contrast(one: str, other: str, theme: str) -> float:
    light, dark = sorted((_luminance(one, theme), _luminance(other, theme)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(name: str, theme: str) -> float:
    value = COLOURS[name].split(", ")[theme == "dark"]
    parts = [int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = ((p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4) for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
