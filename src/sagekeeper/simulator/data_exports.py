"""The service ``bcm-data-exports``: exports of billing tables, as AWS takes, refuses and shows them.

In: requests of boto3's ``bcm-data-exports`` client. Out: its answers; what the exports hold is delivered by
`bill_delivery`, the tables are those of `export_tables`. A run that is going on shows as such until its files are
there. Quotas are those of the service's guide: five exports an account of CUR 2.0, two of each FOCUS table.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.simulator.bill_orders import HOME, TAKES, Order, Orders, identity
from sagekeeper.simulator.cur_reports import refuse_bucket
from sagekeeper.simulator.data_export import BadQuery, Query, read_query
from sagekeeper.simulator.export_tables import TABLES, Table, description_of
from sagekeeper.simulator.operations import Ask, Handler, Refused, page

MOST_EXPORTS = {"COST_AND_USAGE_REPORT": 5, "FOCUS_1_0_AWS": 2, "FOCUS_1_2_AWS": 2}
PAGE = 300
DENIED_REASON = "INSUFFICIENT_PERMISSION"
"""The only reason of botocore's enum that tells of the bucket: a missing one is one that cannot be written to."""


def create_export(ask: Ask) -> dict[str, Any]:
    """Order an export."""
    told = dict(ask.params["Export"])
    exports = _orders(ask).exports
    query = _checked(ask, told)
    if any(order.told["Name"] == told["Name"] for order in exports.values()):
        raise Refused("ValidationException", f"An export with the name {told['Name']} already exists.")
    same = [order for order in exports.values() if read_query(order.told["DataQuery"]).table == query.table]
    if len(same) >= MOST_EXPORTS[query.table.name]:
        raise refused_with(
            "ServiceQuotaExceededException",
            f"This account already has {MOST_EXPORTS[query.table.name]} exports of {query.table.name}.",
            QuotaCode="L-" + identity(query.table.name)[:8].upper(),
            ServiceCode="bcm-data-exports",
        )
    unique = identity(ask.account, told["Name"], ask.now.isoformat())
    arn = f"arn:aws:bcm-data-exports:{HOME}:{ask.account}:export/{told['Name']}-{unique}"
    tags = {tag["Key"]: tag["Value"] for tag in ask.params.get("ResourceTags", [])}
    exports[arn] = Order(arn, told | {"ExportArn": arn}, ask.now, ask.now, tags)
    return {"ExportArn": arn}


def get_export(ask: Ask) -> dict[str, Any]:
    """An export and how it is."""
    order = _found(ask)
    return {"Export": order.told, "ExportStatus": _export_status(order)}


def list_exports(ask: Ask) -> dict[str, Any]:
    """All of them, by name."""
    orders = sorted(_orders(ask).exports.values(), key=lambda order: str(order.told["Name"]))
    shown = [
        {"ExportArn": order.arn, "ExportName": order.told["Name"], "ExportStatus": _export_status(order)}
        for order in orders
    ]
    found, more = page(shown, ask.params, most=PAGE)
    return {"Exports": found, **more}


def update_export(ask: Ask) -> dict[str, Any]:
    """Replace an export; its name stays, and the next run delivers it whole."""
    order, told = _found(ask), dict(ask.params["Export"])
    if told["Name"] != order.told["Name"]:
        raise Refused("ValidationException", "The name of an export cannot be changed.")
    _checked(ask, told)
    order.told, order.changed, order.states = told | {"ExportArn": order.arn}, ask.now, {}
    return {"ExportArn": order.arn}


def delete_export(ask: Ask) -> dict[str, Any]:
    """End an export; its files stay."""
    order = _found(ask)
    del _orders(ask).exports[order.arn]
    return {"ExportArn": order.arn}


def list_tables(ask: Ask) -> dict[str, Any]:
    """The tables that can be queried, and what can be set on them."""
    found, more = page([_table(table) for table in TABLES.values()], ask.params, most=PAGE)
    return {"Tables": found, **more}


def get_table(ask: Ask) -> dict[str, Any]:
    """A table's columns with the given properties."""
    table = TABLES.get(ask.params["TableName"])
    if table is None:
        raise Refused("ValidationException", f"The table {ask.params['TableName']} does not exist.")
    given = ask.params.get("TableProperties") or {}
    known = {setting.name: setting.values for setting in table.settings}
    for name, value in given.items():
        if value not in known.get(name, ()):
            raise Refused("ValidationException", f"The table {table.name} has no property {name} of the value {value}.")
    schema = table.schema(given)
    return {
        "TableName": table.name,
        "Description": table.description,
        "TableProperties": table.settled(given),
        "Schema": [{"Name": name, "Type": kind, "Description": description_of(name)} for name, kind in schema.items()],
    }


def list_executions(ask: Ask) -> dict[str, Any]:
    """Every run of an export, the last one first."""
    runs = _executions(_found(ask), ask.now)
    shown = [{"ExecutionId": run_id, "ExecutionStatus": status} for run_id, status in reversed(runs)]
    found, more = page(shown, ask.params, most=PAGE)
    return {"Executions": found, **more}


def get_execution(ask: Ask) -> dict[str, Any]:
    """One run."""
    order, wanted = _found(ask), ask.params["ExecutionId"]
    status = dict(_executions(order, ask.now)).get(wanted)
    if status is None:
        raise _not_found("execution", wanted)
    return {"ExecutionId": wanted, "Export": order.told, "ExecutionStatus": status}


def list_tags_for_resource(ask: Ask) -> dict[str, Any]:
    """The tags of an export."""
    order = _found(ask, "ResourceArn")
    tags = [{"Key": key, "Value": value} for key, value in order.tags.items()]
    found, more = page(tags, ask.params, most=PAGE)
    return {"ResourceTags": found, **more}


def tag_resource(ask: Ask) -> dict[str, Any]:
    """Set tags of an export."""
    order = _found(ask, "ResourceArn")
    order.tags |= {tag["Key"]: tag["Value"] for tag in ask.params["ResourceTags"]}
    return {}


def untag_resource(ask: Ask) -> dict[str, Any]:
    """Take tags off an export."""
    order = _found(ask, "ResourceArn")
    for key in ask.params["ResourceTagKeys"]:
        order.tags.pop(key, None)
    return {}


def refused_with(code: str, message: str, **members: str) -> Refused:
    """An error with what its shape holds beside the message."""
    refused = Refused(code, message)
    for name, value in members.items():
        setattr(refused, name, value)
    return refused


def _orders(ask: Ask) -> Orders:
    return ask.house.world.at(ask.account, HOME).orders


def _found(ask: Ask, key: str = "ExportArn") -> Order:
    order = _orders(ask).exports.get(ask.params[key])
    if order is None:
        raise _not_found("export", ask.params[key])
    return order


def _not_found(kind: str, name: str) -> Refused:
    return refused_with(
        "ResourceNotFoundException", f"The {kind} {name} does not exist.", ResourceId=name, ResourceType=kind
    )


def _checked(ask: Ask, told: dict[str, Any]) -> Query:
    try:
        query = read_query(told["DataQuery"])
    except BadQuery as wrong:
        raise Refused("ValidationException", str(wrong)) from wrong
    target = told["DestinationConfigurations"]["S3Destination"]
    output = target["S3OutputConfigurations"]
    if (output["Format"] == "PARQUET") != (output["Compression"] == "PARQUET"):
        raise Refused(
            "ValidationException", f"The format {output['Format']} cannot be compressed as {output['Compression']}."
        )
    refuse_bucket(target.get("S3BucketOwner", ask.account), target["S3Bucket"], target["S3Region"])
    return query


def _export_status(order: Order) -> dict[str, Any]:
    told: dict[str, Any] = {"StatusCode": "HEALTHY", "CreatedAt": order.created, "LastUpdatedAt": order.changed}
    if order.runs and order.runs[-1].failed:
        told |= {"StatusCode": "UNHEALTHY", "StatusReason": DENIED_REASON}
    refreshed = [run.done for run in order.runs if not run.failed]
    return told | ({"LastRefreshedAt": refreshed[-1]} if refreshed else {})


def _executions(order: Order, now: datetime) -> list[tuple[str, dict[str, Any]]]:
    """Ids and states, in order; a run that has begun and is not over comes last."""
    found: list[tuple[str, dict[str, Any]]] = []
    for run in order.runs:
        told: dict[str, Any] = {"CreatedAt": run.at, "LastUpdatedAt": run.done, "CompletedAt": run.done}
        state = {"StatusCode": "DELIVERY_SUCCESS"}
        if run.failed:
            state = {"StatusCode": "DELIVERY_FAILURE", "StatusReason": DENIED_REASON}
        found.append((run.id, told | state))
    last = order.runs[-1].at if order.runs else order.created
    for at in order.due(last, now):
        share = (now - at) / TAKES
        state = {"StatusCode": "QUERY_IN_PROCESS" if share < 0.5 else "DELIVERY_IN_PROCESS"}
        found.append((order.run_id(at), {"CreatedAt": at, "LastUpdatedAt": now} | state))
    return found


def _table(table: Table) -> dict[str, Any]:
    return {
        "TableName": table.name,
        "Description": table.description,
        "TableProperties": [
            {
                "Name": setting.name,
                "ValidValues": list(setting.values),
                "DefaultValue": setting.default,
                "Description": setting.description,
            }
            for setting in table.settings
        ],
    }


HANDLERS: dict[str, Handler] = {
    "CreateExport": create_export,
    "GetExport": get_export,
    "ListExports": list_exports,
    "UpdateExport": update_export,
    "DeleteExport": delete_export,
    "ListTables": list_tables,
    "GetTable": get_table,
    "ListExecutions": list_executions,
    "GetExecution": get_execution,
    "ListTagsForResource": list_tags_for_resource,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
MUTATING = {"CreateExport", "UpdateExport", "DeleteExport", "TagResource", "UntagResource"}
