"""The legacy Cost and Usage Report: one billing month of it as the files that AWS puts into the bucket.

In: a report definition as ``cur:PutReportDefinition`` takes it, the month's lines, whose bill, and the id of this
assembly. Out: object keys and bytes. Columns and manifest follow the real reports in the shared billing data: csv names
in csv (``lineItem/UnblendedCost``), snake names in parquet; product, reservation and net columns only where something
has a value, tag columns only for keys seen. Folders: with CREATE_NEW_REPORT one for each assembly and its manifest in it
and above it; with OVERWRITE_REPORT the same names again; with the ATHENA artifact ``year=/month=`` partitions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from sagekeeper.simulator.bill_files import ROWS_A_FILE, SUFFIXES, chunks, csv, parquet
from sagekeeper.simulator.bill_grain import Books, at_grain, following
from sagekeeper.simulator.cur_columns import cur_lines, snake, tag_key, words

TEXT, NUMBER, MOMENT, INTERVAL = "OptionalString", "OptionalBigDecimal", "DateTime", "Interval"
ALWAYS: dict[str, str] = {
    "identity/LineItemId": "String",
    "identity/TimeInterval": INTERVAL,
    "bill/InvoiceId": TEXT,
    "bill/InvoicingEntity": TEXT,
    "bill/BillingEntity": "String",
    "bill/BillType": "String",
    "bill/PayerAccountId": "String",
    "bill/BillingPeriodStartDate": MOMENT,
    "bill/BillingPeriodEndDate": MOMENT,
    "lineItem/UsageAccountId": "String",
    "lineItem/LineItemType": "String",
    "lineItem/UsageStartDate": MOMENT,
    "lineItem/UsageEndDate": MOMENT,
    "lineItem/ProductCode": "String",
    "lineItem/UsageType": TEXT,
    "lineItem/Operation": TEXT,
    "lineItem/AvailabilityZone": TEXT,
    "lineItem/ResourceId": TEXT,
    "lineItem/UsageAmount": NUMBER,
    "lineItem/NormalizationFactor": NUMBER,
    "lineItem/NormalizedUsageAmount": NUMBER,
    "lineItem/CurrencyCode": "String",
    "lineItem/UnblendedRate": TEXT,
    "lineItem/UnblendedCost": NUMBER,
    "lineItem/BlendedRate": TEXT,
    "lineItem/BlendedCost": NUMBER,
    "lineItem/LineItemDescription": TEXT,
    "lineItem/TaxType": TEXT,
    "lineItem/LegalEntity": TEXT,
    "product/ProductName": TEXT,
}
IF_ANY: dict[str, str] = {
    **{
        f"product/{name}": TEXT
        for name in words(
            "instanceFamily instanceType location locationType operation productFamily region regionCode servicecode "
            "servicename sku usagetype"
        )
    },
    **{f"pricing/{name}": TEXT for name in ("LeaseContractLength", "OfferingClass", "PurchaseOption")},
}
PRICING: dict[str, str] = {
    "pricing/RateCode": TEXT,
    "pricing/RateId": TEXT,
    "pricing/currency": TEXT,
    "pricing/publicOnDemandCost": NUMBER,
    "pricing/publicOnDemandRate": TEXT,
    "pricing/term": TEXT,
    "pricing/unit": TEXT,
    **{
        f"reservation/{name}": NUMBER
        if name.startswith(("Amortized", "Effective", "Recurring", "Unused", "Up"))
        else TEXT
        for name in words(
            "AmortizedUpfrontCostForUsage AmortizedUpfrontFeeForBillingPeriod EffectiveCost EndTime ModificationStatus "
            "NormalizedUnitsPerReservation NumberOfReservations RecurringFeeForUsage ReservationARN StartTime "
            "SubscriptionId TotalReservedNormalizedUnits TotalReservedUnits UnitsPerReservation "
            "UnusedAmortizedUpfrontFeeForBillingPeriod UnusedNormalizedUnitQuantity UnusedQuantity UnusedRecurringFee "
            "UpfrontValue"
        )
    },
}
PLANS: dict[str, str] = {
    "savingsPlan/TotalCommitmentToDate": NUMBER,
    "savingsPlan/SavingsPlanARN": TEXT,
    "savingsPlan/SavingsPlanRate": NUMBER,
    "savingsPlan/UsedCommitment": NUMBER,
    "savingsPlan/SavingsPlanEffectiveCost": NUMBER,
    "savingsPlan/AmortizedUpfrontCommitmentForBillingPeriod": NUMBER,
    "savingsPlan/RecurringCommitmentForBillingPeriod": NUMBER,
    **{
        f"savingsPlan/{name}": TEXT
        for name in words("StartTime EndTime InstanceTypeFamily OfferingType PaymentOption PurchaseTerm Region")
    },
}
NET: dict[str, str] = {
    "lineItem/NetUnblendedRate": TEXT,
    "lineItem/NetUnblendedCost": NUMBER,
    "discount/TotalDiscount": NUMBER,
    "savingsPlan/NetSavingsPlanEffectiveCost": NUMBER,
    "savingsPlan/NetAmortizedUpfrontCommitmentForBillingPeriod": NUMBER,
    "savingsPlan/NetRecurringCommitmentForBillingPeriod": NUMBER,
}
STAMP = "%Y%m%dT%H%M%S.000Z"


class Delivered(NamedTuple):
    """One object of a delivery."""

    key: str
    data: bytes


def report_files(
    definition: Mapping[str, Any],
    lines: pl.DataFrame,
    books: Books,
    period: date,
    assembly: str,
    rows: int = ROWS_A_FILE,
) -> list[Delivered]:
    """The data files of one month, and the manifests after them, as AWS writes them last."""
    types, frame = report_table(definition, lines, books)
    folder, data = _folders(definition, period, assembly)
    name, kind = definition["ReportName"], definition["Compression"]
    files = [
        Delivered(f"{data}/{name}-{number:05d}{SUFFIXES[kind]}", _bytes(part, kind, f"{name}-{number:05d}.csv"))
        for number, part in enumerate(chunks(frame, rows), 1)
    ]
    manifest = _manifest(definition, books, period, assembly, types, [file.key for file in files])
    folders = (folder,) if definition["ReportVersioning"] == "OVERWRITE_REPORT" else (f"{folder}/{assembly}", folder)
    return [*files, *(Delivered(f"{place}/{name}-Manifest.json", manifest) for place in folders)]


def report_table(
    definition: Mapping[str, Any], lines: pl.DataFrame, books: Books
) -> tuple[dict[str, str], pl.DataFrame]:
    """Columns with their manifest types, and the rows, named as the report's format names them."""
    elements = definition.get("AdditionalSchemaElements", [])
    resources = "RESOURCES" in elements
    whole = cur_lines(at_grain(books.seen(lines), definition["TimeUnit"], resources=resources), books)
    types, tags = _columns(whole, resources), _tags(whole)
    parquet_names = definition["Format"] == "Parquet"
    named = [pl.col(snake(name)).alias(snake(name) if parquet_names else name) for name in types]
    found = whole.join(tags, on="tags", how="left", maintain_order="left")
    keys = tags.columns[1:]
    frame = found.select(
        *named,
        *(pl.col(key).alias(f"resource_tags_{tag_key(key)}" if parquet_names else _tag_column(key)) for key in keys),
    )
    return types | {_tag_column(key): TEXT for key in keys}, frame


def _columns(whole: pl.DataFrame, resources: bool) -> dict[str, str]:
    discounted = bool((whole["line_item_net_unblended_cost"] != whole["line_item_unblended_cost"]).any())
    some = {name: kind for name, kind in IF_ANY.items() if whole[snake(name)].is_not_null().any()}
    always = {name: kind for name, kind in ALWAYS.items() if resources or name != "lineItem/ResourceId"}
    return {**always, **some, **PRICING, **PLANS, **(NET if discounted else {})}


def _tags(whole: pl.DataFrame) -> pl.DataFrame:
    """Tag text -> one column for each key that any line has."""
    texts = whole["tags"].unique(maintain_order=True).to_list()
    read = [json.loads(text) for text in texts]
    keys = sorted({key for tags in read for key in tags})
    return pl.DataFrame(
        {"tags": texts, **{key: [tags.get(key) for tags in read] for key in keys}},
        schema=dict.fromkeys(("tags", *keys), pl.String()),
    )


def _tag_column(key: str) -> str:
    return f"resourceTags/{key if key.startswith('aws:') else f'user:{key}'}"


def _folders(definition: Mapping[str, Any], period: date, assembly: str) -> tuple[str, str]:
    """Where the manifest goes, and where the data."""
    name = definition["ReportName"]
    base = "/".join(part for part in (definition["S3Prefix"].strip("/"), name) if part)
    folder = f"{base}/{period:%Y%m%d}-{following(period):%Y%m%d}"
    if "ATHENA" in definition.get("AdditionalArtifacts", []):
        return folder, f"{base}/{name}/year={period.year}/month={period.month}"
    return folder, folder if definition["ReportVersioning"] == "OVERWRITE_REPORT" else f"{folder}/{assembly}"


def _bytes(part: pl.DataFrame, kind: str, name: str) -> bytes:
    return parquet(part, {}) if kind == "Parquet" else csv(part, name, kind)


def _manifest(
    definition: Mapping[str, Any], books: Books, period: date, assembly: str, types: dict[str, str], keys: list[str]
) -> bytes:
    columns = []
    for name, kind in types.items():
        category, _, column = name.partition("/")
        shown = snake(column) if definition["Format"] == "Parquet" else column
        columns.append({"category": category, "name": shown, "type": kind})
    told = {
        "assemblyId": assembly,
        "account": books.account,
        "columns": columns,
        "charset": "UTF-8",
        "compression": definition["Compression"],
        "contentType": "Parquet" if definition["Format"] == "Parquet" else "text/csv",
        "reportId": report_id(books.account, definition["ReportName"]),
        "reportName": definition["ReportName"],
        "billingPeriod": {"start": period.strftime(STAMP), "end": following(period).strftime(STAMP)},
        "bucket": definition["S3Bucket"],
        "reportKeys": keys,
        "additionalArtifactKeys": [],
    }
    return json.dumps(told, indent=2).encode()


def report_id(account: str, name: str) -> str:
    """The report's identity in its manifests: 64 hexadecimal digits."""
    return hashlib.sha256(f"{account}/{name}".encode()).hexdigest()
