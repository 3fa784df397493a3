"""The small part of Markdown that runbooks are written in, as HTML. Everything else stays text, escaped.

Paragraphs, lists, headings, fenced code; **strong**, *emphasis*, `code`. No links, no images, no HTML: a text
from a file can put no address and no markup of its own into the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_ITEM = re.compile(r"(?:[-*]|(\d{1,4})[.)])\s+(.*)")
_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*$")
_SPAN = re.compile(r"`([^`]+)`|\*\*(?=\S)(.+?)(?<=\S)\*\*|\*(?=[^\s*])([^*]+?)(?<=\S)\*")


def render(text: str) -> Markup:
    """The whole text."""
    return Markup("\n").join(_blocks(text.replace("\t", "    ").split("\n")))


def _blocks(lines: list[str]) -> Iterator[Markup]:
    place = 0
    while place < len(lines):
        line = lines[place].strip()
        if not line:
            place += 1
        elif line.startswith("```"):
            end = next((n for n in range(place + 1, len(lines)) if lines[n].strip() == "```"), len(lines))
            yield Markup("<pre>{}</pre>").format("\n".join(lines[place + 1 : end]))
            place = end + 1
        elif heading := _HEADING.fullmatch(line):
            yield Markup("<p><b>{}</b></p>").format(_inline(heading.group(1)))
            place += 1
        else:
            end = place + 1
            while end < len(lines) and lines[end].strip() and not lines[end].strip().startswith("```"):
                end += 1
            yield from _block([line.strip() for line in lines[place:end]])
            place = end


def _block(lines: list[str]) -> Iterator[Markup]:
    """Lines without an empty one among them: a paragraph, a list, or one after the other."""
    items: list[tuple[str, str]] = []  # number or "", text
    words: list[str] = []
    for line in lines:
        item = _ITEM.fullmatch(line)
        if item is None and items:
            items[-1] = (items[-1][0], f"{items[-1][1]} {line}")
        elif item is None:
            words.append(line)
        else:
            items.append((item.group(1) or "", item.group(2)))
    if words:
        yield Markup("<p>{}</p>").format(_inline(" ".join(words)))
    if items:
        first = items[0][0]
        inner = Markup("").join(Markup("<li>{}</li>").format(_inline(text)) for _, text in items)
        shell = Markup('<ol start="{}">{}</ol>').format(int(first), inner) if first else None
        yield shell or Markup("<ul>{}</ul>").format(inner)


def _inline(text: str) -> Markup:
    found, end = Markup(""), 0
    for span in _SPAN.finditer(text):
        code, strong, emphasis = span.groups()
        found += escape(text[end : span.start()])
        if code:
            found += Markup("<code>{}</code>").format(code)
        elif strong:
            found += Markup("<b>{}</b>").format(_inline(strong))
        else:
            found += Markup("<em>{}</em>").format(_inline(emphasis))
        end = span.end()
    return found + escape(text[end:])
