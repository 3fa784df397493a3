"""Runbooks are read as they are meant, and can put no markup of their own into the page."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from incident_response.web.markdown import render
from tests.support.shipped import library

ALLOWED = {"p", "b", "em", "code", "pre", "ul", "li"}


def test_what_runbooks_use_is_rendered() -> None:
    """Paragraphs, numbered steps with their further lines, strong, emphasis, code."""
    text = "**Symptoms.** It *hangs*\nfor minutes.\n\n1. **Look** at `a * b`\n   and `c`.\n2. Then restart."
    assert str(render(text)) == (
        "<p><b>Symptoms.</b> It <em>hangs</em> for minutes.</p>\n"
        '<ol start="1"><li><b>Look</b> at <code>a * b</code> and <code>c</code>.</li>'
        "<li>Then restart.</li></ol>"
    )


def test_fences_headings_and_bullets_are_rendered() -> None:
    """Code keeps its lines; a list may follow a sentence at once."""
    text = "# By hand\nEither\n- one\n- two\n```sh\ndocker ps\n  <x>\n```\nafter"
    assert str(render(text)) == (
        "<p><b>By hand</b></p>\n<p>Either</p>\n<ul><li>one</li><li>two</li></ul>\n"
        "<pre>docker ps\n  &lt;x&gt;</pre>\n<p>after</p>"
    )


def test_a_fence_without_an_end_loses_nothing() -> None:
    """Half a text is better than none at night."""
    assert str(render("```\na\n\nb")) == "<pre>a\n\nb</pre>"


def test_stars_that_mean_nothing_stay() -> None:
    """SQL has them, and so have file names."""
    assert str(render("SELECT count(*) FROM a * b")) == "<p>SELECT count(*) FROM a * b</p>"


def test_html_links_and_images_are_text() -> None:
    """A file is content, never markup."""
    evil = "<script>x</script> [a](javascript:x) ![b](http://x) **<img src=x>** `<i>`"
    shown = str(render(evil))
    assert set(re.findall(r"<(\w+)", shown)) == {"p", "b", "code"}
    assert "href" not in shown


@given(st.text(alphabet="*`#- \n1.<>&\"'ab", max_size=60))
def test_no_text_makes_other_tags_or_loses_letters(text: str) -> None:
    """Whatever is written."""
    shown = str(render(text))
    assert set(re.findall(r"</?(\w+)", shown)) <= ALLOWED | {"ol"}
    assert not re.search(r"<\w+ (?!start=\"\d+\">)", shown)
    bare = re.sub(r"<[^>]*>", "", shown)
    assert [c for c in text if c in "ab"] == [
        c for c in re.sub(r"&\w+;", "", bare) if c in "ab"
    ] or "```" in text


def test_every_shipped_runbook_can_be_read() -> None:
    """Nothing of their marks is left over."""
    for runbook in library().runbooks().values():
        shown = re.sub(r"<code>.*?</code>", "", str(render(runbook.text)))
        assert "**" not in shown
        assert "`" not in shown
        assert "<p>" in shown
