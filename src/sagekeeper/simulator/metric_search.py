"""SEARCH expressions: which metrics a search text means.

In: the text of a SEARCH, the metrics that there are. Out: those that match. Grammar and matching from the CloudWatch User
Guide (search expression syntax): an optional schema in braces, then terms with AND, OR, NOT; a term in double quotes is
exact, another one matches word by word, words being cut at capitals, digits and signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from sagekeeper.simulator.metric_expression import Malformed
from sagekeeper.simulator.metric_store import Key

LONGEST = 1024
MOST_FOUND = 500
SCHEMA = re.compile(r"\s*\{(?P<inside>(?:\"(?:[^\"\\]|\\.)*\"|[^}\"])*)\}\s*,?")
PART = re.compile(r"\s*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<plain>[^,\"]*[^,\"\s]))\s*(?:,|$)")
TOKEN = re.compile(r"\s*(?:\"(?P<exact>(?:[^\"\\]|\\.)*)\"|(?P<sign>[()=])|(?P<word>[^\s()\"=]+))")
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
Matches = Callable[[Key], bool]


class Schema(NamedTuple):
    """What stands in braces."""

    namespace: str
    dimensions: frozenset[str]


def found(text: str, keys: Iterable[Key]) -> list[Key]:
    """The metrics that the search text means, in order; raises Malformed."""
    if len(text) > LONGEST:
        raise Malformed(f"The search expression is longer than {LONGEST} characters")
    schema, rest = _schema(text)
    matches = _terms(rest)
    if schema is None and matches is None:
        raise Malformed("The search expression needs a metric schema or a search term")
    chosen = (key for key in keys if _in_schema(key, schema) and (matches is None or matches(key)))
    return sorted(chosen)[:MOST_FOUND]


def labels(keys: list[Key]) -> list[str]:
    """What tells the found metrics from one another: their names, or the values of their dimensions."""
    names = {key.name for key in keys}
    made = []
    for key in keys:
        values = " ".join(value for _, value in key.dimensions)
        made.append(key.name if len(keys) == 1 or not values else f"{values} {key.name}" if len(names) > 1 else values)
    return made


def _schema(text: str) -> tuple[Schema | None, str]:
    match = SCHEMA.match(text)
    if match is None:
        return None, text
    parts = [_unescaped(item["quoted"] or item["plain"]) for item in PART.finditer(match["inside"])]
    if not parts:
        raise Malformed("The metric schema needs a namespace")
    return Schema(parts[0], frozenset(parts[1:])), text[match.end() :]


def _in_schema(key: Key, schema: Schema | None) -> bool:
    if schema is None:
        return True
    names = {name for name, _ in key.dimensions}
    return key.namespace == schema.namespace and (not schema.dimensions or names == schema.dimensions)


def _terms(text: str) -> Matches | None:
    tokens, position, stripped = [], 0, text.rstrip()
    while position < len(stripped):
        match = TOKEN.match(stripped, position)
        if match is None:
            raise Malformed("The search term has an open quotation mark")
        kind = str(match.lastgroup)
        tokens.append((kind, _unescaped(match[kind]) if kind == "exact" else match[kind]))
        position = match.end()
    if not tokens:
        return None
    reader = _Reader(tokens)
    made = reader.either()
    if reader.left:
        raise Malformed(f"Unexpected '{reader.left[0][1]}' in the search term")
    return made


class _Reader:
    """OR of ANDs of terms, NOT before one; no operator means AND."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.left = tokens

    def either(self) -> Matches:
        choices = [self._all()]
        while self._take("word", "OR"):
            choices.append(self._all())
        return choices[0] if len(choices) == 1 else lambda key: any(choice(key) for choice in choices)

    def _all(self) -> Matches:
        needed = [self._term()]
        while self.left and self.left[0] not in (("word", "OR"), ("sign", ")")):
            self._take("word", "AND")
            needed.append(self._term())
        return needed[0] if len(needed) == 1 else lambda key: all(item(key) for item in needed)

    def _term(self) -> Matches:
        if self._take("word", "NOT"):
            denied = self._term()
            return lambda key: not denied(key)
        if self._take("sign", "("):
            made = self.either()
            if not self._take("sign", ")"):
                raise Malformed("A parenthesis is not closed in the search term")
            return made
        first = self._value()
        if self._take("sign", "="):
            return _property(first[1], self._value())
        return lambda key: any(_means(first, value) for value in _words_of(key))

    def _value(self) -> tuple[str, str]:
        if not self.left or self.left[0][0] == "sign":
            raise Malformed("A search term is missing")
        return self.left.pop(0)

    def _take(self, kind: str, value: str) -> bool:
        if self.left and self.left[0] == (kind, value):
            self.left.pop(0)
            return True
        return False


def _property(name: str, wanted: tuple[str, str]) -> Matches:
    def matches(key: Key) -> bool:
        values = {"MetricName": key.name, "Namespace": key.namespace} | dict(key.dimensions)
        return name in values and _means(wanted, values[name])

    return matches


def _words_of(key: Key) -> list[str]:
    return [key.namespace, key.name, *(part for pair in key.dimensions for part in pair)]


def _means(wanted: tuple[str, str], value: str) -> bool:
    kind, text = wanted
    if kind == "exact":
        return text == value
    asked, there = _words(text), _words(value)
    if asked and "".join(asked) == "".join(there):
        return True
    span = len(asked)
    return span > 0 and any(there[at : at + span] == asked for at in range(len(there) - span + 1))


@lru_cache(maxsize=65_536)
def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in WORD.findall(text))


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
