"""What a request breaks of the service's own constraints: enumerations, patterns, lengths and greatest values, worded as
AWS words them.

In: parameters and the input shape of botocore's service model. Out: one sentence per broken constraint. botocore checks
types, required members and least values by itself, but sends unknown enumeration values and malformed names on to the
service, which refuses them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any


def broken_constraints(params: Any, shape: Any, at: str = "") -> list[str]:
    """One sentence per broken constraint, in the order of the request."""
    kind = shape.type_name
    if kind == "structure":
        return [
            found
            for key, value in params.items()
            if key in shape.members
            for found in broken_constraints(value, shape.members[key], _below(at, key[:1].lower() + key[1:]))
        ]
    if kind == "list":
        return _length(params, shape, at) + [
            found
            for number, value in enumerate(params, 1)
            for found in broken_constraints(value, shape.member, _below(at, f"{number}.member"))
        ]
    if kind in ("integer", "long", "float", "double"):
        return _range(params, shape, at)
    return _text(params, shape, at) if kind == "string" else []


def _range(value: Any, shape: Any, at: str) -> list[str]:
    """botocore refuses what is too small, and sends what is too large."""
    most = shape.metadata.get("max")
    if most is not None and value > most:
        return [_sentence(value, at, f"Member must have value less than or equal to {most}")]
    return []


def _text(value: str, shape: Any, at: str) -> list[str]:
    enum, pattern = getattr(shape, "enum", []), shape.metadata.get("pattern")
    if enum and value not in enum:
        return [_sentence(value, at, f"Member must satisfy enum value set: [{', '.join(enum)}]")]
    if pattern and not _matches(pattern, value):
        return [_sentence(value, at, f"Member must satisfy regular expression pattern: {pattern}")]
    return _length(value, shape, at)


def _length(value: Any, shape: Any, at: str) -> list[str]:
    most = shape.metadata.get("max")
    if most is not None and len(value) > most:
        return [_sentence(value, at, f"Member must have length less than or equal to {most}")]
    return []


def _sentence(value: Any, at: str, rule: str) -> str:
    return f"Value '{value}' at '{at}' failed to satisfy constraint: {rule}"


def _below(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None where the pattern is written in a dialect that Python does not read (``\\p{L}``): then it is not checked."""
    try:
        return re.compile(pattern)
    except re.error:
        return None
