"""Text from outside, made safe for the medium it goes into: it stays text, whatever it tries to be there.

An alert is written by whoever can make something fail. Its words must not become a header of a mail, a
heading of a report, a mention in Slack, a line of a log or an order to a terminal; and no sign that nobody
sees may turn around or hide what is read.
"""

from __future__ import annotations

import re

# Orders to terminals, and signs without a body: they turn the direction of writing, hide or join words.
_UNSEEN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)"  # colours, titles, links
    "|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_BREAK = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_HALF = re.compile(r"[\ud800-\udfff]")
_MARKUP = re.compile(r"[\\`*\[\]<>]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|&(?=#?\w+;)|!(?=\[)")
_BLOCK = re.compile(r"^(\s*)(#{1,6}(?=\s|$)|[-+=](?=[\s=-]|$)|>|~~~|\|)|^(\s*\d{1,9})([.)])(?=\s|$)")


def visible(text: str) -> str:
    """One line of what can be seen."""
    if text.isascii() and text.isprintable():  # most texts, and a storm has very many
        return text
    return _BREAK.sub(" ", lines(text)).replace("\t", " ")


def lines(text: str) -> str:
    """What can be seen, in its lines: for what people have written, or what was made of safe lines."""
    if text.isascii() and text.isprintable():
        return text
    text = _HALF.sub("\N{REPLACEMENT CHARACTER}", _UNSEEN.sub("", text))
    return _BREAK.sub("\n", text)


def for_header(text: str) -> str:
    """For the header of a mail: what looks like an encoded word would be decoded by who reads it."""
    return visible(text).replace("=?", "= ?")


def for_markdown(text: str) -> str:
    """For one line of Markdown: no heading, list, link, picture, code or HTML."""
    escaped = _MARKUP.sub(lambda found: "\\" + found.group(), visible(text))
    return _BLOCK.sub(_as_text, escaped)


def for_slack(text: str) -> str:
    """For Slack's mrkdwn: no mention of a person or a channel, no link under another name."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _as_text(found: re.Match[str]) -> str:
    indent, sign, number, dot = found.groups()
    return f"{number}\\{dot}" if number else f"{indent}\\{sign}"
