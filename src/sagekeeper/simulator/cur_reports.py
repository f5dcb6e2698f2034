"""The service ``cur``: definitions of Cost and Usage Reports, as AWS takes, refuses and shows them.

In: requests of boto3's ``cur`` client. Out: its answers; what the reports hold is delivered by `bill_delivery`.
Rules from the API reference of the service: five reports an account, formats that belong together, a bucket that billing
may write to, ATHENA only for parquet that is written over.
"""

from __future__ import annotations

from typing import Any

from moto.s3.models import s3_backends

from sagekeeper.simulator.bill_delivery import MISSING, problem
from sagekeeper.simulator.bill_orders import HOME, Order, Orders
from sagekeeper.simulator.operations import Ask, Handler, Refused, page

MOST_REPORTS = 5
PAGE = 5
DELIVERY_STAMP = "%Y%m%dT%H%M%SZ"
TEXT_COMPRESSIONS = ("GZIP", "ZIP")


def put_report_definition(ask: Ask) -> dict[str, Any]:
    """Order a report."""
    told = _complete(ask.params["ReportDefinition"])
    reports = _orders(ask).reports
    if told["ReportName"] in reports:
        raise Refused("DuplicateReportNameException", f"Report {told['ReportName']} already exists.")
    if len(reports) >= MOST_REPORTS:
        raise Refused("ReportLimitReachedException", f"This account already has {MOST_REPORTS} reports defined.")
    _check(ask, told)
    tags = {tag["Key"]: tag["Value"] for tag in ask.params.get("Tags", [])}
    arn = f"arn:aws:cur:{HOME}:{ask.account}:definition/{told['ReportName']}"
    reports[told["ReportName"]] = Order(arn, told, ask.now, ask.now, tags)
    return {}


def describe_report_definitions(ask: Ask) -> dict[str, Any]:
    """All of them, five a page."""
    reports = [_shown(order) for _, order in sorted(_orders(ask).reports.items())]
    found, more = page(reports, ask.params, most=PAGE)
    return {"ReportDefinitions": found, **more}


def modify_report_definition(ask: Ask) -> dict[str, Any]:
    """Replace a definition; its name stays, and what it orders is delivered whole with the next run."""
    name, told = ask.params["ReportName"], _complete(ask.params["ReportDefinition"])
    order = _found(ask, name, "ValidationException")
    if told["ReportName"] != name:
        raise Refused("ValidationException", "The name of a report cannot be changed.")
    _check(ask, told)
    order.told, order.changed, order.states = told, ask.now, {}
    return {}


def delete_report_definition(ask: Ask) -> dict[str, Any]:
    """End a report; its files stay."""
    name = ask.params["ReportName"]
    _found(ask, name, "ValidationException")
    del _orders(ask).reports[name]
    return {"ResponseMessage": f"Successfully deleted report {name}"}


def list_tags_for_resource(ask: Ask) -> dict[str, Any]:
    """The tags of a report."""
    order = _found(ask, ask.params["ReportName"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in order.tags.items()]}


def tag_resource(ask: Ask) -> dict[str, Any]:
    """Set tags of a report."""
    order = _found(ask, ask.params["ReportName"])
    order.tags |= {tag["Key"]: tag["Value"] for tag in ask.params["Tags"]}
    return {}


def untag_resource(ask: Ask) -> dict[str, Any]:
    """Take tags off a report."""
    order = _found(ask, ask.params["ReportName"])
    for key in ask.params["TagKeys"]:
        order.tags.pop(key, None)
    return {}


def _orders(ask: Ask) -> Orders:
    return ask.house.world.at(ask.account, HOME).orders


def _found(ask: Ask, name: str, code: str = "ResourceNotFoundException") -> Order:
    order = _orders(ask).reports.get(name)
    if order is None:
        raise Refused(code, f"Report {name} does not exist.")
    return order


def _complete(told: dict[str, Any]) -> dict[str, Any]:
    """A definition with what AWS assumes where nothing is said."""
    whole = {"AdditionalArtifacts": [], "RefreshClosedReports": False, "ReportVersioning": "CREATE_NEW_REPORT"} | told
    whole.pop("ReportStatus", None)
    return whole


def _check(ask: Ask, told: dict[str, Any]) -> None:
    parquet = told["Format"] == "Parquet"
    if parquet != (told["Compression"] == "Parquet"):
        fitting = "Parquet" if parquet else " or ".join(TEXT_COMPRESSIONS)
        raise Refused("ValidationException", f"The format {told['Format']} must be compressed as {fitting}.")
    artifacts = told["AdditionalArtifacts"]
    overwritten = told["ReportVersioning"] == "OVERWRITE_REPORT"
    if "ATHENA" in artifacts and (len(artifacts) > 1 or not parquet or not overwritten):
        reason = "ATHENA needs Parquet, OVERWRITE_REPORT, and no other artifact."
        raise Refused("ValidationException", f"The additional artifacts do not fit the report: {reason}")
    if parquet and set(artifacts) & {"REDSHIFT", "QUICKSIGHT"}:
        raise Refused("ValidationException", "REDSHIFT and QUICKSIGHT need the format textORcsv.")
    refuse_bucket(ask.account, told["S3Bucket"], told["S3Region"])


def refuse_bucket(account: str, bucket: str, region: str) -> None:
    """Raise AWS's refusal of a bucket that billing cannot write to."""
    found = problem(account, bucket)
    there = s3_backends[account]["aws"].buckets.get(bucket)
    if found or there is None or there.region_name != region:
        why = "does not exist" if found == MISSING else "cannot be written to"
        raise Refused(
            "ValidationException",
            f"Failed to verify customer bucket permission. accountId: {account}, bucketName: {bucket}, "
            f"bucketRegion: {region}. The bucket {why} there.",
        )


def _shown(order: Order) -> dict[str, Any]:
    if not order.runs:
        return order.told
    last = order.runs[-1]
    status: dict[str, Any] = {"lastStatus": "SUCCESS"}
    if last.failed:
        status = {"lastStatus": "ERROR_NO_BUCKET" if last.failed == MISSING else "ERROR_PERMISSIONS"}
    delivered = [run.done for run in order.runs if not run.failed]
    if delivered:
        status["lastDelivery"] = delivered[-1].strftime(DELIVERY_STAMP)
    return order.told | {"ReportStatus": status}


HANDLERS: dict[str, Handler] = {
    "PutReportDefinition": put_report_definition,
    "DescribeReportDefinitions": describe_report_definitions,
    "ModifyReportDefinition": modify_report_definition,
    "DeleteReportDefinition": delete_report_definition,
    "ListTagsForResource": list_tags_for_resource,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
MUTATING = {
    "PutReportDefinition",
    "ModifyReportDefinition",
    "DeleteReportDefinition",
    "TagResource",
    "UntagResource",
}
