"""SageMaker's Search over everything in the account, and GetSearchSuggestions.

In: a resource type, an expression (`search_expression.py`), an order. Out: full records, as the Describe operations show
them, with tags; and how many there are. Types that nothing in the account is of (images, projects, hub contents) have no
results.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.simulator.operations import Ask, Handler, Refused, page, service_model
from sagekeeper.simulator.search_expression import Property, found_at, matching, words
from sagekeeper.simulator.search_rows import ROWS

RECORDS = {
    "ExperimentTrial": "Trial",
    "ExperimentTrialComponent": "TrialComponent",
    "Model": "Model",
}
"""The member of a result that holds the record, where it is not the type's own name."""
MOST_SUGGESTIONS = 100


def search(ask: Ask) -> dict[str, Any]:
    """A page of the records that an expression describes."""
    resource, params = ask.params["Resource"], ask.params
    record = RECORDS.get(resource, resource)
    if resource not in ROWS or params.get("CrossAccountFilterOption") == "CrossAccount":
        return {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}
    shape = service_model("sagemaker").shape_for("SearchRecord").members[record]
    known = Property(shape, resource)
    rows = matching(ROWS[resource](ask), params.get("SearchExpression"), known)
    by = params.get("SortBy", "LastModifiedTime")
    if "SortBy" in params:
        known.check(by)
    descending = params.get("SortOrder", "Descending") == "Descending"
    rows.sort(key=lambda row: _order(row, by), reverse=descending)
    part, more = page(rows, params)
    results = [{record: {key: value for key, value in row.items() if key in shape.members}} for row in part]
    return {"Results": results, "TotalHits": {"Value": len(rows), "Relation": "EqualTo"}} | more


def get_search_suggestions(ask: Ask) -> dict[str, Any]:
    """Names of properties that begin as the hint does: those of the type, and what its resources really have."""
    resource = ask.params["Resource"]
    hint = ask.params.get("SuggestionQuery", {}).get("PropertyNameQuery", {}).get("PropertyNameHint", "")
    members = service_model("sagemaker").shape_for("SearchRecord").members
    record = RECORDS.get(resource, resource)
    if record not in members:
        return {"PropertyNameSuggestions": []}
    rows = ROWS[resource](ask) if resource in ROWS else []
    found = sorted(name for name in words(members[record], rows) if name.lower().startswith(hint.lower()))
    return {"PropertyNameSuggestions": [{"PropertyName": name} for name in found[:MOST_SUGGESTIONS]]}


def _order(row: dict[str, Any], by: str) -> tuple[bool, Any]:
    values = found_at(row, by)
    if not values and by == "LastModifiedTime":
        values = found_at(row, "CreationTime")
    value = values[0] if values else None
    if value is None:
        return (False, 0.0)
    if isinstance(value, datetime):
        return (True, value.timestamp())
    if isinstance(value, dict | list):
        raise Refused("ValidationException", f"The property {by} can not be sorted by.")
    return (True, value)


HANDLERS: dict[str, Handler] = {"Search": search, "GetSearchSuggestions": get_search_suggestions}
MUTATING: set[str] = set()
