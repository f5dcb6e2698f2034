"""What the expressions of a pipeline's definition stand for while it runs: references, Std:Join, Std:JsonGet, conditions.

In: an expression and the `Scope` of an execution. Out: its value, or `Unresolved` with the reason that fails the step.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PATH_PART = re.compile(r"\.?([A-Za-z0-9_-]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


class Unresolved(Exception):
    """An expression has no value: why."""


@dataclass(frozen=True)
class Scope:
    """What an execution's expressions may refer to."""

    parameters: dict[str, Any]
    execution: dict[str, Any]
    outputs: Callable[[str], dict[str, Any]]
    """What a step that has ended offers."""
    property_file: Callable[[str, str], Any]
    """The document behind a step's property file: (step, its name)."""
    document: Callable[[str], Any]
    """The JSON document at an S3 address; None where there is none."""


def resolved(found: Any, scope: Scope) -> Any:
    """The expression with all that it refers to put in its place."""
    if isinstance(found, list):
        return [resolved(item, scope) for item in found]
    if not isinstance(found, dict):
        return found
    if set(found) == {"Get"} and isinstance(found["Get"], str):
        return _got(found["Get"], scope)
    if set(found) == {"Std:Join"}:
        joined = found["Std:Join"]
        return str(resolved(joined.get("On", ""), scope)).join(
            _text(resolved(item, scope)) for item in joined["Values"]
        )
    if set(found) == {"Std:JsonGet"}:
        return _json_got(found["Std:JsonGet"], scope)
    return {key: resolved(value, scope) for key, value in found.items()}


def holds(condition: dict[str, Any], scope: Scope) -> bool:
    """Whether a condition of a condition step is true."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition" if "Condition" in condition else "Expression"], scope)
    if kind == "Or":
        return any(holds(item, scope) for item in condition["Conditions"])
    if kind == "In":
        value = resolved(condition["QueryValue"], scope)
        return any(_alike(value, item) for item in resolved(condition["Values"], scope))
    if kind not in COMPARED:
        raise Unresolved(f"Unknown condition type {kind}.")
    left, right = resolved(condition["LeftValue"], scope), resolved(condition["RightValue"], scope)
    if kind == "Equals":
        return _alike(left, right)
    if isinstance(left, bool) or isinstance(right, bool) or not _comparable(left, right):
        raise Unresolved(f"The values {left!r} and {right!r} can not be compared with {kind}.")
    return COMPARED[kind](left, right)


def at_path(found: Any, path: str) -> Any:
    """What lies at ``A.B['name'][0]``; a name in brackets finds the item of a list that is called so."""
    position = 0
    while position < len(path):
        match = PATH_PART.match(path, position)
        if match is None:
            raise Unresolved(f"Invalid property path '{path}'.")
        position = match.end()
        name, number, quoted = match.groups()
        found = _member(found, name, number, quoted)
        if found is None:
            raise Unresolved(f"The property '{path}' does not exist.")
    return found


def _got(text: str, scope: Scope) -> Any:
    sort, _, rest = text.partition(".")
    if sort == "Parameters":
        return scope.parameters[rest]
    if sort == "Execution":
        if rest not in scope.execution:
            raise Unresolved(f"The execution variable '{rest}' does not exist.")
        return scope.execution[rest]
    cut = re.match(r"[A-Za-z0-9_-]+", rest)
    step = cut.group(0) if cut else rest
    return at_path(scope.outputs(step), rest[len(step) :])


def _json_got(asked: dict[str, Any], scope: Scope) -> Any:
    path = str(resolved(asked["Path"], scope)).removeprefix("$")
    if "S3Uri" in asked:
        uri = resolved(asked["S3Uri"], scope)
        document = scope.document(uri)
        if document is None:
            raise Unresolved(f"Failed to read the JSON file at {uri}.")
        return at_path(document, path)
    _, step, _, name = asked["PropertyFile"]["Get"].split(".", 3)
    return at_path(scope.property_file(step, name), path)


def _member(found: Any, name: str | None, number: str | None, quoted: str | None) -> Any:
    if isinstance(found, list):
        if number is not None:
            return found[int(number)] if int(number) < len(found) else None
        wanted = quoted or name
        return next((item for item in found if isinstance(item, dict) and wanted in _names(item)), None)
    key = name if name is not None else quoted if quoted is not None else str(number)
    return found.get(key) if isinstance(found, dict) else None


def _names(item: dict[str, Any]) -> list[str | None]:
    return [value for key, value in item.items() if key.endswith("Name") and isinstance(value, str)]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        return _text(left) == _text(right)
    return bool(left == right)


def _comparable(left: Any, right: Any) -> bool:
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return numbers or (isinstance(left, str) and isinstance(right, str))
