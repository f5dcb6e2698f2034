"""Does an answer have the shape that botocore's service model gives the operation? Used by the tests of every service.

In: a service, an operation and the answer as boto3 returns it (or as our handler made it). Out: nothing, or an
AssertionError that names every unknown member, missing member, wrong type and value outside its enumeration.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.response import StreamingBody

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "blob": (bytes, bytearray, StreamingBody),
    "timestamp": (datetime,),
}


def check_shape(service: str, operation: str, answer: dict[str, Any]) -> None:
    """Fail with every way in which ``answer`` is not the operation's output shape."""
    wrong = shape_errors(service, operation, answer)
    assert not wrong, f"{service} {operation}: " + "; ".join(wrong)


def shape_errors(service: str, operation: str, answer: dict[str, Any]) -> list[str]:
    """One sentence per difference from the model. boto3's ResponseMetadata is not part of an answer."""
    shape = _model(service).operation_model(operation).output_shape
    told = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
    if shape is None:
        return [f"the operation answers nothing, but has {sorted(told)}"] if told else []
    return list(_differences(told, shape, ""))


@lru_cache(maxsize=64)
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _differences(value: Any, shape: Any, at: str) -> list[str]:
    kind = shape.type_name
    if kind == "structure":
        return _of_structure(value, shape, at)
    if kind == "list" and isinstance(value, list | tuple):
        return [
            found for number, item in enumerate(value) for found in _differences(item, shape.member, f"{at}[{number}]")
        ]
    if kind == "map" and isinstance(value, dict):
        return [found for key, item in value.items() for found in _differences(item, shape.value, f"{at}[{key!r}]")]
    return _of_leaf(value, shape, at or "the answer")


def _of_leaf(value: Any, shape: Any, where: str) -> list[str]:
    kind = shape.type_name
    if not isinstance(value, TYPES.get(kind, ())) or (kind != "boolean" and isinstance(value, bool)):
        return [f"{where} is {type(value).__name__} {value!r}, not {kind}"]
    if kind == "string" and shape.enum and value not in shape.enum:
        return [f"{where} is {value!r}, none of {', '.join(shape.enum)}"]
    return []


def _of_structure(value: Any, shape: Any, at: str) -> list[str]:
    where = at or "the answer"
    if getattr(shape, "is_document_type", False):
        return []
    if not isinstance(value, dict):
        return [f"{where} is {type(value).__name__}, not a structure"]
    found = [f"{where} has the unknown member {key}" for key in value if key not in shape.members]
    found += [f"{where} lacks the member {key}" for key in shape.required_members if value.get(key) is None]
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        found.append(f"{where} is a union and has {len(value)} members")
    for key, item in value.items():
        if key in shape.members:
            found += _differences(item, shape.members[key], f"{at}.{key}" if at else key)
    return found
