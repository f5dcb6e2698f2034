"""What SageMaker's List operations have in common: filters by name, time and status, two sort orders, pages of ten."""

from __future__ import annotations

from typing import Any

from sagekeeper.simulator.operations import page

FIRST_PAGE = 10
"""Items in a page when the request names no MaxResults (botocore's text of ListEndpoints)."""


def listed(
    rows: list[dict[str, Any]], params: dict[str, Any], name: str, status: str = ""
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The page of ``rows`` that a request asks for. ``name`` and ``status`` are the rows' keys for those."""
    wanted = params.get("StatusEquals")
    found = [
        row
        for row in rows
        if params.get("NameContains", "").lower() in row[name].lower()
        and (wanted is None or row[status] == wanted)
        and all(_within(row, params, key) for key in ("CreationTime", "LastModifiedTime"))
    ]
    key = {"Name": name, "Status": status}.get(params.get("SortBy", "CreationTime"), "CreationTime")
    descending = params.get("SortOrder", "Ascending" if key == name else "Descending") == "Descending"
    found = sorted(sorted(found, key=lambda row: row[name]), key=lambda row: row[key], reverse=descending)
    return page(found, {"MaxResults": FIRST_PAGE} | params)


def _within(row: dict[str, Any], params: dict[str, Any], key: str) -> bool:
    after, before = params.get(f"{key}After"), params.get(f"{key}Before")
    return (after is None or row[key] > after) and (before is None or row[key] < before)
