"""Text from outside stays text in every medium."""

from __future__ import annotations

import logging
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from incident_response.domain.logs import logger
from incident_response.domain.safe_text import for_header, for_markdown, for_slack, lines, visible

_OURS = {f"{kind}_{side}" for kind in ("paragraph", "bullet_list", "list_item") for side in ("open", "close")}
UNSEEN = "\u202e\u2066\u200b\u200d\ufeff\u00ad\x07\x9b\U000e0041"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("lianel_energy answers 503", "lianel_energy answers 503"),
        ("Störung: größer ✓ 日本", "Störung: größer ✓ 日本"),
        ("a\r\nb\nc\u2028d\x0be\x85f\tg", "a b c d e f g"),
        ("\x1b[31;1mred\x1b[0m \x1b]8;;http://evil\x1b\\\\link\x1b]0;title\x07", "red link"),
        (f"ad{UNSEEN}min", "admin"),
        ("half \ud800", "half \ufffd"),
    ],
)
def test_only_what_can_be_seen_is_left_in_one_line(text: str, seen: str) -> None:
    """Letters of every language are kept; breaks become spaces."""
    assert visible(text.replace("\\\\", "\\")) == seen


def test_lines_of_people_are_kept() -> None:
    """Without what nobody sees."""
    assert lines(f"one\r\n- two{UNSEEN}\n\tthree\x1b[2J") == "one\n- two\n\tthree"


@pytest.mark.parametrize(
    "text", ["=?utf-8?b?Qm9zcw==?=", "a =?UTF-8?Q?=42oss?= b", "==??utf-8?q?x?=", "=?=?utf-8?q?x?=\n y"]
)
def test_no_encoded_word_reaches_a_header(text: str) -> None:
    """Whoever reads the mail would see another subject than the one that was checked."""
    assert str(make_header(decode_header(for_header(text)))) == for_header(text)


@pytest.mark.parametrize(
    "text",
    [
        "# Resolved", "## x", "- item", "+ item", "* item", "1. one", "7) seven", "> quoted",
        "---", "===", "```",
        "~~~", "| a | b |", "**bold**", "_soft_", "`code`", "[click](http://evil)", "![x](http://evil/x.png)",
        "<img src=x>", "&lt;b&gt;", "~~gone~~", "a\n# Resolved", "   # x", "\\# x", "<!-- x", "[x]: http://evil",
    ],
)  # fmt: skip
def test_no_markup_of_markdown_is_left(text: str) -> None:
    """Neither at the beginning of a line nor within it, and it is one line."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for words in (for_markdown(text), f"- 03:00 - {for_markdown(text)} (system)"):
        tokens = [token for token in reader.parse(words) if token.type not in _OURS]
        assert [token.type for token in tokens] == ["inline"], words
        assert {inner.type for inner in tokens[0].children or ()} <= {"text", "text_special"}, words
    shown = "".join(inner.content for inner in reader.parse(for_markdown(text))[1].children or ())
    assert shown.strip() == visible(text).strip(), "what is read is what was said"


@pytest.mark.parametrize(
    "text",
    [
        "lianel_energy is down",
        "INC-42",
        "2026-01-15 03:00:00 CET",
        "95 % of 1.5 GB",
        "a - b (c), 3.2 s",
        "~3 h",
    ],
)
def test_ordinary_words_read_as_before(text: str) -> None:
    """In the file, too."""
    assert for_markdown(text) == text


def test_nobody_is_mentioned_in_slack() -> None:
    """And no link has another name than its own."""
    text = for_slack("<!channel> <@U123> <http://evil|the board> & \n <!here>")
    assert "<" not in text
    assert text.startswith("&lt;!channel&gt; &lt;@U123&gt;")
    assert "\n" not in text


@given(st.text())
def test_whatever_it_is_it_can_be_written(text: str) -> None:
    """In UTF-8 and in one line."""
    for safe in (visible, for_header, for_markdown, for_slack):
        assert len(safe(text).encode().decode().splitlines()) <= 1
    lines(text).encode()


def test_what_an_alert_says_forges_no_line_of_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever kind of argument it comes in; figures stay figures."""
    evil = "x\n2026-01-15 CRITICAL all is well\x1b[2J"
    log = logger("incident_response.test_safe_text")
    log.warning("%s failed %d times in %.1f s: %s", evil, 3, 1.5, ValueError(evil))
    log.warning("%(who)s", {"who": evil})
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert "\x1b" not in record.getMessage()
    assert "failed 3 times in 1.5 s" in caplog.text
    assert len(logging.getLogger("incident_response.test_safe_text").filters) == 1
    logger("incident_response.test_safe_text")
    assert len(log.filters) == 1
