"""The rule of a composite alarm: ALARM(), OK(), INSUFFICIENT_DATA(), TRUE, FALSE with AND, OR, NOT and parentheses.

In: the text, and later the states of the alarms it names (by name or ARN). Out: the names, and whether the rule holds.
Limits from botocore's text of PutCompositeAlarm: 100 children, 500 elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

MOST_CHILDREN, MOST_ELEMENTS = 100, 500
STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
TOKEN = re.compile(
    r"\s*(?:(?P<test>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"(?P<quoted>[^\"]+)\"|'(?P<single>[^']+)'|(?P<bare>[^()\"']*[^()\"'\s]))\s*\)"
    r"|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<sign>[()]))"
)
Holds = Callable[[Callable[[str], str]], bool]


class BadRule(Exception):
    """A rule that cannot be read; says why."""


class Rule(NamedTuple):
    """A rule, read."""

    children: tuple[str, ...]
    """Names of alarms, in the order they appear, each once."""
    holds: Holds
    """Given a function from an alarm's name to its state."""


@lru_cache(maxsize=1024)
def rule(text: str) -> Rule:
    """Read a rule; raises BadRule."""
    tokens, position, stripped = [], 0, text.rstrip()
    while position < len(stripped):
        match = TOKEN.match(stripped, position)
        if match is None:
            raise BadRule(f"Syntax error at position {position} of the alarm rule")
        if match["test"]:
            tokens.append((match["test"], name_of(match["quoted"] or match["single"] or match["bare"])))
        else:
            tokens.append((match["word"] or match["sign"], ""))
        position = match.end()
    children = tuple(dict.fromkeys(name for kind, name in tokens if kind in STATES))
    if len(children) > MOST_CHILDREN:
        raise BadRule(f"The alarm rule has more than {MOST_CHILDREN} children")
    if sum(kind not in ("AND", "OR", "NOT") for kind, _ in tokens) > MOST_ELEMENTS:
        raise BadRule(f"The alarm rule has more than {MOST_ELEMENTS} elements")
    reader = _Reader(tokens)
    holds = reader.either()
    if reader.left:
        raise BadRule(f"Unexpected {reader.left[0][0]} in the alarm rule")
    return Rule(children, holds)


def name_of(given: str) -> str:
    """The alarm's name, which may be given as its ARN."""
    return given.split(":alarm:", 1)[1] if given.startswith("arn:") and ":alarm:" in given else given


class _Reader:
    """OR of ANDs of possibly denied tests."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.left = tokens

    def either(self) -> Holds:
        choices = [self._all()]
        while self._take("OR"):
            choices.append(self._all())
        return choices[0] if len(choices) == 1 else lambda state: any(choice(state) for choice in choices)

    def _all(self) -> Holds:
        needed = [self._test()]
        while self._take("AND"):
            needed.append(self._test())
        return needed[0] if len(needed) == 1 else lambda state: all(item(state) for item in needed)

    def _test(self) -> Holds:
        if not self.left:
            raise BadRule("The alarm rule ends too early")
        kind, name = self.left.pop(0)
        if kind in STATES:
            return lambda state: state(name) == kind
        if kind in ("TRUE", "FALSE"):
            return lambda _: kind == "TRUE"
        if kind == "NOT":
            denied = self._test()
            return lambda state: not denied(state)
        if kind != "(":
            raise BadRule(f"Unexpected {kind} in the alarm rule")
        made = self.either()
        if not self._take(")"):
            raise BadRule("A parenthesis of the alarm rule is not closed")
        return made

    def _take(self, kind: str) -> bool:
        if self.left and self.left[0][0] == kind:
            self.left.pop(0)
            return True
        return False
