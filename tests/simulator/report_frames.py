"""Bills read back as frames: orders for them, sums by key that are equal to the cent, amortised cost by AWS's rule."""

from __future__ import annotations

from typing import Any

import polars as pl

from sagekeeper.simulator.export_tables import TABLES

CENT = 0.005
COVERED, NEGATION = "SavingsPlanCoveredUsage", "SavingsPlanNegation"
LEGACY = {
    "ReportName": "legacy",
    "TimeUnit": "DAILY",
    "Format": "Parquet",
    "Compression": "Parquet",
    "AdditionalSchemaElements": ["RESOURCES"],
    "S3Bucket": "bills",
    "S3Prefix": "cur",
    "S3Region": "us-east-1",
    "ReportVersioning": "OVERWRITE_REPORT",
}


def added(frame: pl.DataFrame, keys: list[str], amount: str) -> dict[tuple[Any, ...], float]:
    """Sums by key; what is nothing is no key."""
    summed = frame.group_by(keys).agg(pl.col(amount).sum()).filter(pl.col(amount).abs() > CENT / 10)
    return {row[:-1]: row[-1] for row in summed.rows()}


def same(found: dict[tuple[Any, ...], float], expected: dict[tuple[Any, ...], float]) -> None:
    """To the cent, each sum, and nothing besides."""
    differing = {
        key: (found.get(key, 0.0), expected.get(key, 0.0))
        for key in found.keys() | expected.keys()
        if abs(found.get(key, 0.0) - expected.get(key, 0.0)) >= CENT
    }
    assert expected
    assert differing == {}


def order(table: str, settings: dict[str, str], parquet: bool = True) -> dict[str, Any]:
    output = {
        "OutputType": "CUSTOM",
        "Format": "PARQUET" if parquet else "TEXT_OR_CSV",
        "Compression": "PARQUET" if parquet else "GZIP",
        "Overwrite": "OVERWRITE_REPORT",
    }
    target = {"S3Bucket": "bills", "S3Prefix": "de", "S3Region": "us-east-1", "S3OutputConfigurations": output}
    statement = f"SELECT {', '.join(TABLES[table].schema(settings))} FROM {table}"
    return {
        "ExportArn": "arn:aws:bcm-data-exports:us-east-1:123456789012:export/x-1",
        "Name": table,
        "DataQuery": {"QueryStatement": statement, "TableConfigurations": {table: settings}},
        "DestinationConfigurations": {"S3Destination": target},
        "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
    }


def amortised(report: pl.DataFrame) -> pl.DataFrame:
    """The usual rule of amortised cost (AWS's CUR query library), column by column."""
    kind = pl.col("line_item_line_item_type")
    unused = pl.col("savings_plan_total_commitment_to_date") - pl.col("savings_plan_used_commitment")
    rule = (
        pl.when(kind == COVERED)
        .then(pl.col("savings_plan_savings_plan_effective_cost"))
        .when(kind == "SavingsPlanRecurringFee")
        .then(unused)
        .when(kind.is_in([NEGATION, "SavingsPlanUpfrontFee"]))
        .then(0.0)
        .otherwise(pl.col("line_item_unblended_cost"))
    )
    return report.with_columns(
        rule.alias("amortized"),
        pl.col("line_item_usage_start_date").dt.date().alias("day"),
        pl.col("line_item_resource_id").alias("resource_id"),
        pl.col("line_item_unblended_cost").alias("cost"),
        pl.col("product_servicecode").alias("service_code"),
    )
