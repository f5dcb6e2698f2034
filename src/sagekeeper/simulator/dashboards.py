"""CloudWatch's dashboards: kept and given back, one set per account whatever the Region.

Rules from botocore's texts of PutDashboard, ListDashboards and DeleteDashboards. What a widget shows is not checked, only
that the body is a JSON object with a list of widgets of known types.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.watch import Dashboard
from sagekeeper.simulator.world import REGIONS

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
MOST_LISTED, MOST_WIDGETS = 1000, 500
WIDGETS = ("metric", "text", "log", "alarm", "explorer", "custom")


def put_dashboard(ask: Ask) -> dict[str, Any]:
    """Create a dashboard, or replace it whole."""
    name, body = ask.params["DashboardName"], ask.params["DashboardBody"]
    if NAME.fullmatch(name) is None:
        raise Refused("InvalidParameterInput", "The value for field DashboardName contains invalid characters.")
    warnings = _checked(body)
    _dashboards(ask)[name] = Dashboard(body, ask.now)
    return {"DashboardValidationMessages": warnings}


def _checked(body: str) -> list[dict[str, str]]:
    try:
        read = json.loads(body)
    except ValueError as wrong:
        raise Refused("InvalidParameterInput", "The field DashboardBody must be a valid JSON object") from wrong
    widgets = read.get("widgets", []) if isinstance(read, dict) else None
    if not isinstance(widgets, list) or len(widgets) > MOST_WIDGETS:
        raise Refused("InvalidParameterInput", "The dashboard body is invalid, there are 1 validation errors")
    return [
        {"DataPath": f"/widgets/{place}/type", "Message": f"Should be one of {', '.join(WIDGETS)}"}
        for place, widget in enumerate(widgets)
        if not isinstance(widget, dict) or widget.get("type") not in WIDGETS
    ]


def get_dashboard(ask: Ask) -> dict[str, Any]:
    """One dashboard's body as it was put."""
    name = ask.params["DashboardName"]
    found = _dashboards(ask).get(name)
    if found is None:
        raise Refused("ResourceNotFound", f"Dashboard {name} does not exist")
    return {"DashboardArn": _arn(ask, name), "DashboardBody": found.body, "DashboardName": name}


def list_dashboards(ask: Ask) -> dict[str, Any]:
    """Dashboards by prefix."""
    prefix = ask.params.get("DashboardNamePrefix") or ""
    found = [
        {
            "DashboardName": name,
            "DashboardArn": _arn(ask, name),
            "LastModified": dashboard.modified,
            "Size": len(dashboard.body.encode()),
        }
        for name, dashboard in sorted(_dashboards(ask).items())
        if name.startswith(prefix)
    ]
    part, more = page(found, ask.params, most=MOST_LISTED)
    return {"DashboardEntries": part} | more


def delete_dashboards(ask: Ask) -> dict[str, Any]:
    """Delete all of these dashboards, or none where one does not exist."""
    names, there = ask.params["DashboardNames"], _dashboards(ask)
    missing = [name for name in names if name not in there]
    if missing:
        raise Refused("ResourceNotFound", f"Dashboard {missing[0]} does not exist")
    for name in names:
        there.pop(name, None)
    return {}


def _dashboards(ask: Ask) -> dict[str, Dashboard]:
    return ask.house.world.at(ask.account, REGIONS[0]).watch.dashboards


def _arn(ask: Ask, name: str) -> str:
    return f"arn:aws:cloudwatch::{ask.account}:dashboard/{name}"


HANDLERS: dict[str, Handler] = {
    "PutDashboard": put_dashboard,
    "GetDashboard": get_dashboard,
    "ListDashboards": list_dashboards,
    "DeleteDashboards": delete_dashboards,
}
MUTATING = {"PutDashboard", "DeleteDashboards"}
