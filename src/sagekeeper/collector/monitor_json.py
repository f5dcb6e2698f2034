"""A JSON file of Model Monitor or Clarify: read strictly enough to be trusted, and nothing in it overlooked.

In: the file's bytes. Out: the parsed document and what a person should know of it, or `BadInput` with one sentence that says what
is wrong and where. ``NaN`` and ``Infinity`` (AWS's containers write them, JSON has none) are read as such; a key that stands
twice in one object is told, its last value counts, as in every JSON reader. `unknown_keys` lists the paths that a shape does
not name: what nobody here reads is shown, never ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sagekeeper.core.errors import BadInput

ANY: Mapping[str, Any] = {"*": None}
"""A shape: keys with the shape of what is below them, None for a value that is read whole; ``*`` stands for every other key.
Lists have the shape of their items."""
LONGEST_SHOWN = 60
MALFORMED = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
"""What reading a document raises that is JSON, but not of its shape."""


@dataclass(frozen=True)
class Parsed:
    """A document that is an object, or a list of them, and what is odd about its text."""

    value: Any
    notes: list[str] = field(default_factory=list)


def parsed(content: bytes, name: str) -> Parsed:
    """The JSON in ``content``. ``name`` is only for the sentence that says what is wrong."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not UTF-8 text (byte {error.start}). Model Monitor writes UTF-8.") from error
    if not text.strip():
        raise BadInput(f"{name} is empty.")
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            twice.extend(key for key in made if keys.count(key) > 1)
        return made

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise BadInput(f"{name} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from error
    except ValueError as error:  # an integer of thousands of digits
        raise BadInput(f"{name} holds a number that cannot be read: {error}.") from error
    except RecursionError as error:
        raise BadInput(f"{name} is nested too deeply to be read.") from error
    notes = [
        f"{name}: the key {shown(key)} stands twice in one object; its last value counts."
        for key in dict.fromkeys(twice)
    ]
    return Parsed(value, notes)


def unknown_keys(value: Any, shape: Mapping[str, Any] | None) -> list[str]:
    """Paths in ``value`` that ``shape`` does not name, each once, ``[]`` for every item of a list.

    >>> unknown_keys({"a": 1, "b": [{"c": 2, "d": 3}]}, {"a": None, "b": {"c": None}})
    ['b[].d']
    """
    return list(dict.fromkeys(_unknown(value, shape, "")))


def shown(text: object) -> str:
    """A piece of an untrusted file, short enough for a sentence."""
    said = str(text)
    return said if len(said) <= LONGEST_SHOWN else f"{said[: LONGEST_SHOWN - 1]}…"


def _unknown(value: Any, shape: Mapping[str, Any] | None, path: str) -> Iterator[str]:
    if shape is None:
        return
    if isinstance(value, list):
        for item in value:
            yield from _unknown(item, shape, f"{path}[]")
    elif isinstance(value, dict):
        for key, below in value.items():
            here = f"{path}.{key}" if path else str(key)
            if key in shape or "*" in shape:
                yield from _unknown(below, shape.get(key, shape.get("*")), here)
            else:
                yield here
