"""FOCUS exports (1.0 and later) to the lake's costs: the columns already carry the lake's names, so this checks and types
them.

In: text rows of a FOCUS export of any provider. Out: costs rows. Columns of the specification that the file lacks are
null; the text ``NULL`` means null, as exports of the FOCUS sample write it. Names are told without regard to case, blanks
and underscores, because databases that a file went through fold them. Source: FOCUS 1.0 column list, and its preview's
names, which Oracle still writes; x_UsageType and x_Operation as AWS adds them. FOCUS 1.2 has what was metered in a column
of its own, and AWS left out x_UsageType there ("This is now the SkuMeter column", Data Exports user guide, Migrating from
FOCUS 1.0 to FOCUS 1.2): where the file has no usage type of its own, its meter is the usage type.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sagekeeper.collector.bill_file import ROW, BillFile, Check, utc_times
from sagekeeper.collector.bill_format import (
    AMOUNTS,
    CATEGORIES,
    NO_OBJECT,
    BillFormat,
    TurnedRows,
    empty,
    no_numbers,
    no_object,
    no_times,
    quantity,
)
from sagekeeper.core.tables import COSTS, UTC_TIME

NEEDED = ("BilledCost", "EffectiveCost", "BillingCurrency", "ChargeCategory", "ChargePeriodStart")
TIMES = ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")
TYPE_COLUMNS = ("x_UsageType", "x_Operation")
READ = tuple(name for name in COSTS.columns if not name.startswith("x_")) + TYPE_COLUMNS
METER = "SkuMeter"
QUANTITIES = tuple(name for name in READ if COSTS.columns[name] == pl.Float64() and name not in AMOUNTS)
PREVIEW = {
    "ProviderName": "Provider",
    "PublisherName": "Publisher",
    "InvoiceIssuerName": "InvoiceIssuer",
    "RegionId": "Region",
    "ConsumedQuantity": "UsageQuantity",
    "ConsumedUnit": "UsageUnit",
}
"""A column and its name in FOCUS 1.0-preview."""


def _known(columns: Sequence[str]) -> dict[str, str]:
    """Our name -> the file's name: as it is, else with other case, else the preview's."""
    folded: dict[str, str] = {}
    for name in columns:
        folded.setdefault(_folded(name), name)
    known = {}
    for name in READ:
        there = (
            (name,) if name in columns else (folded.get(_folded(name)), folded.get(_folded(PREVIEW.get(name, name))))
        )
        found = next((item for item in there if item is not None), None)
        if found is not None:
            known[name] = found
    return known


def _folded(name: str) -> str:
    return "".join(name.split()).replace("_", "").lower()


def _missing(columns: Sequence[str]) -> list[str]:
    known = _known(columns)
    return [name for name in NEEDED if name not in known]


def _wanted(columns: Sequence[str]) -> list[str]:
    return list(_known(columns).values())


def _unread(columns: Sequence[str]) -> list[str]:
    kept = set(_wanted(columns))
    return [name for name in columns if name not in kept]


def _turn(bill: BillFile, rows: pl.DataFrame) -> TurnedRows:
    rows = rows.rename({theirs: ours for ours, theirs in _known(rows.columns).items()})
    present = set(rows.columns)
    amounts = [name for name in AMOUNTS if name in present]
    times = {name: utc_times(rows, name) for name in TIMES if name in present}
    unknown = pl.col("ChargeCategory").is_in(CATEGORIES).not_()
    bill.refuse(
        rows,
        *empty(NEEDED[:4]),
        *no_numbers([*amounts, *(name for name in QUANTITIES if name in present)]),
        Check(unknown, "ChargeCategory", f"which FOCUS does not know (it knows {', '.join(CATEGORIES)})"),
        *no_times(times, ["ChargePeriodStart"]),
    )
    foreign_tags = no_object(rows, "Tags") if "Tags" in present else pl.lit(value=False)
    exact = [
        (pl.col(name) if name in present else pl.lit(None, pl.String)).alias(terms[0])
        for name, terms in AMOUNTS.items()
    ]
    turned = rows.select(
        ROW,
        *(
            _typed(name, present, times)
            for name in COSTS.columns
            if name in READ and name not in (*AMOUNTS, "Tags", "x_UsageType")
        ),
        _usage_type(present),
        *exact,
        pl.lit(None, pl.String).alias("effective_more"),
        pl.when(~foreign_tags).then("Tags" if "Tags" in present else None).cast(pl.String).alias("Tags"),
        pl.lit(None, pl.String).alias("x_RecordType"),
        pl.lit(None, pl.Boolean).alias("x_Estimated"),
        times["ChargePeriodStart"].dt.date().alias("x_ChargeDate"),
    )
    others = turned.filter(pl.col("ProviderName") != "AWS")["ProviderName"].value_counts(sort=True)
    counts = {f"{{n}} rows of {provider} are kept beside those of AWS.": n for provider, n in others.iter_rows()}
    unread = int(rows.select(foreign_tags.sum()).item() or 0)
    return TurnedRows(turned, counts | {NO_OBJECT: unread})


def _usage_type(present: set[str]) -> pl.Expr:
    stated = [pl.col(name) for name in ("x_UsageType", METER) if name in present]
    return pl.coalesce(*stated, pl.lit(None, pl.String)).alias("x_UsageType")


def _typed(name: str, present: set[str], times: dict[str, pl.Expr]) -> pl.Expr:
    if name not in present:
        return pl.lit(None, COSTS.columns[name]).alias(name)
    if name in times:
        return times[name].cast(UTC_TIME).alias(name)
    return quantity(name).alias(name) if name in QUANTITIES else pl.col(name)


FOCUS = BillFormat(
    name="focus",
    source="focus",
    title="FOCUS export",
    null_texts=("", "NULL", "null"),
    needed=NEEDED,
    missing=_missing,
    wanted=_wanted,
    turner=lambda _files: _turn,
    unread=_unread,
)
