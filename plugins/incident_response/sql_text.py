"""SQL as text: what is a literal, what is a comment, what is left. It reads no grammar, only the tokens."""

from __future__ import annotations

import re

# In this order: a quote inside a comment opens no literal, a dash inside a literal opens no comment. What the
# text was cut in runs to its end.
_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<literal> [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)           # E'it\'s'
               | '(?:[^']|'')*(?:'|\Z)                     # 'it''s'
               | \$(?P<tag>[A-Za-z_]\w*)?\$.*?(?:\$(?(tag)(?P=tag))\$|\Z) )   # $$body$$, $tag$body$tag$
  | (?P<name>    "(?:[^"]|"")*(?:"|\Z) )
    """,
    re.S | re.X,
)
_BIND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")  # SQLAlchemy's own rule for text()
_WRITES = re.compile(
    r"\b(?:into\b|delete\s+from\b|update\s+(?:only\s+)?\S+(?:\s+(?:as\s+)?\w+)?\s+set\b"
    r"|for\s+(?:no\s+key\s+)?update\b|for\s+(?:key\s+)?share\b)",
    re.I,
)


def without_literals(sql: str, mask: str = "?") -> str:
    """`sql` with string literals replaced and comments removed: they may hold secrets or personal data."""

    def shown(token: re.Match[str]) -> str:
        if token.group("comment"):
            return " "
        return f"'{mask}'" if token.group("literal") else token.group()

    return _TOKEN.sub(shown, sql)


def reading(sql: str) -> str:
    """`sql` without its last semicolon, when it is one statement that only reads. Raises ValueError."""
    text = sql.strip()
    bare = _bare(text)
    if bare.rstrip().endswith(";"):
        if not text.endswith(";"):
            raise ValueError("remove the comment behind the last semicolon")
        text, bare = text[:-1].rstrip(), bare.rstrip()[:-1]
    if not bare.strip():
        raise ValueError("is empty; write one SELECT")
    if ";" in bare:
        raise ValueError("must be one statement; make a check of its own from each")
    if not re.match(r"[\s(]*(?:select|with)\b", bare, re.I):
        raise ValueError("must begin with SELECT or WITH: a check reads, a runbook repairs")
    if found := _WRITES.search(bare):
        raise ValueError(f"must only read, but says {found.group()!r}; a runbook repairs")
    return text


def bind_names(sql: str) -> frozenset[str]:
    """The named parameters: `:country`. One in a literal counts, too, unless a backslash stands before it."""
    return frozenset(_BIND.findall(sql))


def all_bound(named: frozenset[str], given: frozenset[str]) -> None:
    """Each value that a SQL names is given, and no other. Raises ValueError."""
    if unbound := sorted(named - given):
        raise ValueError(
            f"the SQL names :{unbound[0]}, `parameters` does not; add it, or write \\:{unbound[0]} "
            "if the colon belongs to the text"
        )
    if unused := sorted(given - named):
        raise ValueError(f"`parameters` has {unused[0]!r}, the SQL does not name :{unused[0]}; remove it")


def _bare(sql: str) -> str:
    """Without comments, literals and quoted names."""
    return _TOKEN.sub(" ", sql)
