"""The grammar of metric math: text in, a tree out.

Operators from loose to tight: OR ||, AND &&, comparisons, + -, * /, sign, ^ (CloudWatch User Guide, metric math syntax).
Functions are upper case, identifiers of metrics begin in lower case, texts stand in single or double quotes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Malformed(Exception):
    """An expression that cannot be read or computed; says why."""


class Number(NamedTuple):
    value: float


class Text(NamedTuple):
    value: str


class Name(NamedTuple):
    """An identifier, or a word such as REPEAT or DESC."""

    value: str


class Listing(NamedTuple):
    items: tuple[Node, ...]


class Call(NamedTuple):
    function: str
    arguments: tuple[Node, ...]


class Binary(NamedTuple):
    operator: str
    left: Node
    right: Node


class Negated(NamedTuple):
    operand: Node


Node = Number | Text | Name | Listing | Call | Binary | Negated
TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\""
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>()\[\],]))"
)
LEVELS: tuple[tuple[str, ...], ...] = (("OR",), ("AND",), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/"))
WORDS = {"&&": "AND", "||": "OR"}
DEEPEST = 64


@lru_cache(maxsize=1024)
def tree(expression: str) -> Node:
    """Read an expression; raises Malformed."""
    reader = _Reader(_tokens(expression))
    made = reader.level(0)
    if reader.sign is not None:
        raise Malformed(f"Unexpected '{reader.sign[1]}'")
    return made


def calls(node: object, function: str) -> bool:
    """Whether the tree calls this function anywhere."""
    if isinstance(node, Call) and node.function == function:
        return True
    return isinstance(node, tuple) and any(calls(item, function) for item in node)


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise Malformed(f"Unexpected character '{text[position:].lstrip()[:1]}' at position {position}")
        kind = str(match.lastgroup)
        value = match[kind]
        if kind in ("single", "double"):
            found.append(("text", value))
        elif value in ("AND", "OR"):
            found.append(("sign", value))
        else:
            found.append((kind, WORDS.get(value, value)))
        position = match.end()
    return found


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    @property
    def sign(self) -> tuple[str, str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def level(self, number: int) -> Node:
        if number == len(LEVELS):
            return self._signed()
        made = self.level(number + 1)
        while self.sign is not None and self.sign[0] == "sign" and self.sign[1] in LEVELS[number]:
            operator = self._next()[1]
            made = Binary(operator, made, self.level(number + 1))
        return made

    def _signed(self) -> Node:
        if self.sign == ("sign", "-"):
            self._next()
            return Negated(self._signed())
        if self.sign == ("sign", "+"):
            self._next()
            return self._signed()
        base = self._atom()
        if self.sign == ("sign", "^"):
            self._next()
            return Binary("^", base, self._signed())
        return base

    def _atom(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Malformed("The expression is nested too deeply")
        kind, value = self._next()
        made: Node
        if kind == "number":
            made = Number(float(value))
        elif kind == "text":
            made = Text(value)
        elif kind == "word":
            made = Call(value, self._items(")")) if self._take("(") else Name(value)
        elif value == "(":
            made = self.level(0)
            self._expect(")")
        elif value == "[":
            made = Listing(self._items("]"))
        else:
            raise Malformed(f"Unexpected '{value}'")
        self._depth -= 1
        return made

    def _items(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(closing):
            if items:
                self._expect(",")
            items.append(self.level(0))
        return tuple(items)

    def _next(self) -> tuple[str, str]:
        if self.sign is None:
            raise Malformed("Unexpected end of the expression")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, sign: str) -> bool:
        if self.sign == ("sign", sign):
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise Malformed(f"Expected '{sign}'")
