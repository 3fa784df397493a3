"""Pattern: a regular expression whose time grows with the text and no faster, the same on every machine.

Python's own engine tries ways one after the other: a short pattern of somebody's, met by a long label, can
hold a process for ever. So patterns are of one subset, which every machine reads alike, and what the engine
could try in very many ways is matched by a walk over sets of states instead, one step for each character.

The subset: letters, `.`, classes `[a-z]` and `[^…]`, `\\d \\w \\s` and their opposites (ASCII), groups,
`|`, `* + ? {2,5}`, and `(?i)` at the beginning. It always means the whole text, so `^` and `$` may stand at
the ends only. Not in it: back references, looking ahead or behind, a repetition of what is repeated without
a bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from .errors import BadInput

_LONGEST = 2000  # characters of a pattern
_TIMES = 1000  # of a counted repetition, as in RE2
_STATES = 20_000  # of the whole pattern, counted repetitions written out
_WAYS = 500  # that Python's engine may try at each place of the text
_REMEMBERED = 2000  # steps of the walk, in one pattern

Ranges = tuple[tuple[int, int], ...]  # code points, first and last
_LAST = 0x10FFFF
_DIGITS: Ranges = ((48, 57),)
_WORDS: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACES: Ranges = ((9, 10), (12, 13), (32, 32))
_CLASSES = {"d": _DIGITS, "w": _WORDS, "s": _SPACES}
_ESCAPES = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11}
_SPECIAL = set("\\.+*?()|[]{}^$")


@dataclass(frozen=True)
class _Set:
    """One character of these."""

    ranges: Ranges


@dataclass(frozen=True)
class _All:
    """One after the other."""

    parts: tuple[_Node, ...]


@dataclass(frozen=True)
class _Any:
    """One of these."""

    parts: tuple[_Node, ...]


@dataclass(frozen=True)
class _Repeat:
    """So many times; `most` None: without a bound."""

    part: _Node
    least: int
    most: int | None


_Node = _Set | _All | _Any | _Repeat
_ANYTHING = _Repeat(_Set(((0, _LAST),)), 0, None)


class Pattern:
    """A pattern for whole texts, or for some place in them. Raises BadInput outside of the subset."""

    def __init__(self, text: str, *, anywhere: bool = False) -> None:
        self.text = text
        parser = _Parser(text)
        node = parser.parse()
        if anywhere:
            before = () if parser.begins else (_ANYTHING,)
            node = _All((*before, node, *(() if parser.ends else (_ANYTHING,))))
        degree, ways = _cost(node)
        self._quick = re.compile(_written(node)) if degree <= 1 and ways <= _WAYS else None
        self._walk = None if self._quick else _Walk(node)

    def matches(self, value: str) -> bool:
        """Whether `value` is what the pattern describes."""
        if self._quick is not None:
            return self._quick.fullmatch(value) is not None
        assert self._walk is not None
        return self._walk.matches(value)


@lru_cache(2048)
def pattern(text: str) -> Pattern:
    """The pattern of a text, for whole values. Raises BadInput."""
    return Pattern(text)


@lru_cache(256)
def anywhere(text: str) -> Pattern:
    """The pattern of a text, for any place in a longer one; `^` and `$` are its ends. Raises BadInput."""
    return Pattern(text, anywhere=True)


class _Parser:
    """Reads the subset, and says of everything else what to write instead."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._folds = text, 0, False
        self.begins = self.ends = False  # with ^, with $

    def parse(self) -> _Node:
        if len(self._text) > _LONGEST:
            raise BadInput(f"the pattern has {len(self._text)} characters; {_LONGEST} are the most")
        if self._text.startswith("(?i)"):
            self._folds, self._at = True, 4
        if self._next() == "^":
            self._at += 1
            self.begins = True
        node = self._alternatives(0)
        if self._next() is not None:
            self._refuse("a ) without its (; write \\) for the character itself")
        if _size(node) > _STATES:
            raise BadInput(f"{self._text!r} repeats too much; write smaller numbers in braces")
        return node

    def _next(self) -> str | None:
        return self._text[self._at] if self._at < len(self._text) else None

    def _refuse(self, why: str) -> NoReturn:
        raise BadInput(
            f"{self._text!r} is no regular expression that can be used: {why} (at character {self._at + 1})"
        )

    def _alternatives(self, depth: int) -> _Node:
        if depth > 50:
            self._refuse("too many groups in each other")
        parts = [self._sequence(depth)]
        while self._next() == "|":
            self._at += 1
            parts.append(self._sequence(depth))
        return parts[0] if len(parts) == 1 else _Any(tuple(parts))

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while (sign := self._next()) is not None and sign not in "|)":
            if sign == "$" and self._at == len(self._text) - 1 and not depth:
                self._at += 1
                self.ends = True
                break
            parts.append(self._repeated(self._one(depth)))
        return parts[0] if len(parts) == 1 else _All(tuple(parts))

    def _one(self, depth: int) -> _Node:
        sign = self._text[self._at]
        if sign == "(":
            return self._group(depth)
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign in "*+?":
            self._refuse(f"{sign} repeats nothing; write .{sign} for anything, \\{sign} for the sign itself")
        if sign in "^$":
            self._refuse(f"{sign} may stand at the ends only; a pattern always means the whole value")
        self._at += 1
        return _Set(((0, _LAST),)) if sign == "." else self._set(((ord(sign), ord(sign)),))

    def _group(self, depth: int) -> _Node:
        rest = self._text[self._at :]
        named = re.match(r"\(\?P?<[A-Za-z_]\w*>", rest)
        if rest.startswith("(?:") or named:
            self._at += len(named.group()) if named else 3
        elif rest.startswith(("(?=", "(?!", "(?<=", "(?<!")):
            self._refuse("looking ahead or behind is not possible; write what has to match itself")
        elif rest.startswith("(?"):
            self._refuse("of the groups that begin with (? only (?:…) is known, and (?i) at the beginning")
        else:
            self._at += 1
        node = self._alternatives(depth + 1)
        if self._next() != ")":
            self._refuse("a ( without its ); write \\( for the character itself")
        self._at += 1
        return node

    def _repeated(self, node: _Node) -> _Node:
        least, most = self._count()
        if least is None:
            return node
        if self._next() == "?":  # as little as possible: for a whole text that is the same
            self._at += 1
        if self._next() in ("*", "+", "?") or self._is_count():
            self._refuse("a repetition of a repetition; write one of them")
        if most is None and _is_endless(node):
            self._refuse(
                "a repetition of something that is repeated itself, such as (a+)+; write one of them"
            )
        return _Repeat(node, least, most)

    def _is_count(self) -> bool:
        return re.match(r"\{\d*,?\d*\}", self._text[self._at :]) is not None

    def _count(self) -> tuple[int | None, int | None]:
        sign = self._next()
        if sign in ("*", "+", "?"):
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[str(sign)]
        if sign != "{":
            return None, None
        found = re.match(r"\{(\d{1,6})(,?)(\d{0,6})\}", self._text[self._at :], re.ASCII)
        if not found:
            self._refuse("{ begins no number of times such as {2,5}; write \\{ for the character itself")
        self._at += found.end()
        least = int(found.group(1))
        most = int(found.group(3)) if found.group(3) else None if found.group(2) else least
        if max(least, most or 0) > _TIMES or (most is not None and most < least):
            self._refuse(f"the number of times has to be 0 to {_TIMES}, the smaller one first")
        return least, most

    def _escape(self) -> _Node:
        ranges = self._escaped()
        return self._set(ranges)

    def _escaped(self) -> Ranges:
        sign = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        if sign.lower() in _CLASSES and sign:
            found = _CLASSES[sign.lower()]
            return found if sign.islower() else _others(found)
        if sign in _ESCAPES:
            return ((_ESCAPES[sign], _ESCAPES[sign]),)
        if sign.isdigit():
            self._refuse("referring back to a group is not possible; write what has to match itself")
        if not sign or sign.isalnum() or not sign.isascii():
            self._refuse(f"\\{sign} means nothing here; write the character without \\")
        return ((ord(sign), ord(sign)),)

    def _class(self) -> _Node:
        self._at += 1
        negated = self._next() == "^"
        self._at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while True:
            sign = self._next()
            if sign is None:
                self._refuse("a [ without its ]; write \\[ for the character itself")
            if sign == "]" and not first:
                self._at += 1
                break
            if self._text.startswith("[:", self._at):
                self._refuse("classes such as [:alpha:] are not known; write a-zA-Z")
            first = False
            low = self._member()
            if self._next() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._member()
                if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or low[0][0] > high[0][1]:
                    self._refuse("a range has to go from a character to a later one, such as a-z")
                low = ((low[0][0], high[0][1]),)
            ranges += low
        found = _folded(tuple(ranges)) if self._folds else tuple(ranges)
        return _Set(_others(found) if negated else found)

    def _member(self) -> Ranges:
        sign = self._text[self._at]
        if sign == "\\":
            return self._escaped()
        self._at += 1
        return ((ord(sign), ord(sign)),)

    def _set(self, ranges: Ranges) -> _Set:
        return _Set(_folded(ranges) if self._folds else ranges)


def _folded(ranges: Ranges) -> Ranges:
    """With the other case of each letter that has exactly one."""
    found = list(ranges)
    for low, high in ranges:
        for code in range(low, min(high, low + 2000) + 1):
            other = chr(code).swapcase()
            if len(other) == 1:
                found.append((ord(other), ord(other)))
    return tuple(found)


def _others(ranges: Ranges) -> Ranges:
    """Every character that is in none of them."""
    found: list[tuple[int, int]] = []
    begin = 0
    for low, high in sorted(ranges):
        if low > begin:
            found.append((begin, low - 1))
        begin = max(begin, high + 1)
    return (*found, (begin, _LAST)) if begin <= _LAST else tuple(found)


def _is_endless(node: _Node) -> bool:
    """Whether a part of it is repeated without a bound."""
    if isinstance(node, _Set):
        return False
    if isinstance(node, _Repeat):
        return node.most is None or _is_endless(node.part)
    return any(_is_endless(part) for part in node.parts)


def _size(node: _Node) -> int:
    """States, counted repetitions written out."""
    if isinstance(node, _Set):
        return 1
    if isinstance(node, _Repeat):
        return 1 + _size(node.part) * max(node.least + (node.most is None), node.most or 0, 1)
    return 1 + sum(map(_size, node.parts))


def _cost(node: _Node) -> tuple[int, int]:
    """How a search by trying grows: repetitions without a bound, and ways for each place of the text."""
    if isinstance(node, _Set):
        return 0, 1
    if isinstance(node, _Repeat):
        degree, ways = _cost(node.part)
        if node.most is None:
            return (degree + 1, 1) if ways == 1 else (degree + 9, ways)
        choices = node.most - node.least + 1
        return degree * max(node.most, 1), min(choices * ways ** min(node.most, 20), 10**9)
    costs = [_cost(part) for part in node.parts]
    if isinstance(node, _Any):
        return max(d for d, _ in costs), sum(w for _, w in costs)
    product = 1
    for _, ways in costs:
        product = min(product * ways, 10**9)
    return sum(d for d, _ in costs), product


def _written(node: _Node) -> str:
    """As Python writes it, without anything that its versions or their Unicode tables see differently."""
    if isinstance(node, _Set):
        if node.ranges == ((0, _LAST),):
            return r"[\s\S]"
        return "[" + "".join(f"{_code(low)}-{_code(high)}" for low, high in node.ranges) + "]"
    if isinstance(node, _Repeat):
        most = "" if node.most is None else node.most
        return f"(?:{_written(node.part)}){{{node.least},{most}}}"
    parts = [_written(part) for part in node.parts]
    return f"(?:{'|'.join(parts)})" if isinstance(node, _Any) else "".join(parts)


def _code(point: int) -> str:
    return f"\\U{point:08x}"


class _Walk:
    """All ways at once: the states in which the pattern can be after each character."""

    def __init__(self, node: _Node) -> None:
        self._moves: list[tuple[Ranges, int]] = []  # by state: on these characters to that state
        self._free: list[list[int]] = []  # by state: without a character to those
        self._end = self._state()
        begin = self._build(node, self._end)
        self._begin = self._closed({begin})
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, value: str) -> bool:
        """Whether the end can be reached with the whole text."""
        states = self._begin
        for character in value:
            after = self._steps.get((states, character))
            if after is None:
                after = self._step(states, ord(character))
                if len(self._steps) >= _REMEMBERED:
                    self._steps.clear()
                self._steps[states, character] = after
            if not after:
                return False
            states = after
        return self._end in states

    def _step(self, states: frozenset[int], code: int) -> frozenset[int]:
        reached = set()
        for state in states:
            ranges, target = self._moves[state]
            if any(low <= code <= high for low, high in ranges):
                reached.add(target)
        return self._closed(reached)

    def _closed(self, states: set[int]) -> frozenset[int]:
        found, waiting = set(states), list(states)
        while waiting:
            for other in self._free[waiting.pop()]:
                if other not in found:
                    found.add(other)
                    waiting.append(other)
        return frozenset(found)

    def _state(self, ranges: Ranges = (), target: int = 0, free: tuple[int, ...] = ()) -> int:
        self._moves.append((ranges, target))
        self._free.append(list(free))
        return len(self._moves) - 1

    def _build(self, node: _Node, after: int) -> int:
        """The state before `node`, when `after` is the one behind it."""
        if isinstance(node, _Set):
            return self._state(node.ranges, after)
        if isinstance(node, _Any):
            return self._state(free=tuple(self._build(part, after) for part in node.parts))
        if isinstance(node, _All):
            for part in reversed(node.parts):
                after = self._build(part, after)
            return after
        if node.most is None:
            loop = self._state()
            self._free[loop] += [self._build(node.part, loop), after]
            after = loop
        else:
            end = after
            for _ in range(node.most - node.least):
                after = self._state(free=(self._build(node.part, after), end))
        for _ in range(node.least):
            after = self._build(node.part, after)
        return after
