"""The lake's costs as FOCUS 1.2, for any tool that reads it: what the bill states as it states it, the rest derived.

In: `costs` rows of one bill, lazily. Out: the same rows, lazily, with every column of FOCUS 1.2 first and our own ``x_``
columns last (FOCUS 1.2, ColumnHandling). A value that the bill states is never changed. Where FOCUS forbids null and the
bill is silent, the value follows from the row by the rules below, and ``x_DerivedColumns`` names it: a reader can always
tell a stated amount from ours. Everything else that is not known stays null. The one row that becomes two is the fee of a
commitment that was not used up: FOCUS wants the purchase (effective 0) and the unused part (billed 0) apart; the sums stay.
docs/focus-export.md holds the rules for people, and which checks of the FOCUS validator cannot apply.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.core.regions import region_names
from sagekeeper.core.tables import UTC_TIME
from sagekeeper.reports.focus_services import CATEGORIES, service_category, service_subcategory
from sagekeeper.reports.focus_units import focus_unit, unit_of_usage_type

TEXT, NUMBER = pl.String(), pl.Float64()
COLUMNS: dict[str, pl.DataType] = {
    "AvailabilityZone": TEXT, "BilledCost": NUMBER, "BillingAccountId": TEXT, "BillingAccountName": TEXT,
    "BillingAccountType": TEXT, "BillingCurrency": TEXT, "BillingPeriodEnd": UTC_TIME, "BillingPeriodStart": UTC_TIME,
    "CapacityReservationId": TEXT, "CapacityReservationStatus": TEXT, "ChargeCategory": TEXT, "ChargeClass": TEXT,
    "ChargeDescription": TEXT, "ChargeFrequency": TEXT, "ChargePeriodEnd": UTC_TIME, "ChargePeriodStart": UTC_TIME,
    "CommitmentDiscountCategory": TEXT, "CommitmentDiscountId": TEXT, "CommitmentDiscountName": TEXT,
    "CommitmentDiscountQuantity": NUMBER, "CommitmentDiscountStatus": TEXT, "CommitmentDiscountType": TEXT,
    "CommitmentDiscountUnit": TEXT, "ConsumedQuantity": NUMBER, "ConsumedUnit": TEXT, "ContractedCost": NUMBER,
    "ContractedUnitPrice": NUMBER, "EffectiveCost": NUMBER, "InvoiceId": TEXT, "InvoiceIssuerName": TEXT,
    "ListCost": NUMBER, "ListUnitPrice": NUMBER, "PricingCategory": TEXT, "PricingCurrency": TEXT,
    "PricingCurrencyContractedUnitPrice": NUMBER, "PricingCurrencyEffectiveCost": NUMBER,
    "PricingCurrencyListUnitPrice": NUMBER, "PricingQuantity": NUMBER, "PricingUnit": TEXT, "ProviderName": TEXT,
    "PublisherName": TEXT, "RegionId": TEXT, "RegionName": TEXT, "ResourceId": TEXT, "ResourceName": TEXT,
    "ResourceType": TEXT, "ServiceCategory": TEXT, "ServiceName": TEXT, "ServiceSubcategory": TEXT, "SkuId": TEXT,
    "SkuMeter": TEXT, "SkuPriceDetails": TEXT, "SkuPriceId": TEXT, "SubAccountId": TEXT, "SubAccountName": TEXT,
    "SubAccountType": TEXT, "Tags": TEXT,
}  # fmt: skip
"""FOCUS 1.2, Cost and Usage: every column, in its own order."""

NOT_TOLD = ("x_ChargeDate", "x_ObservedAt")
"""Our bookkeeping of rows, which says nothing about a charge."""
DERIVED = "x_DerivedColumns"
FILLED = (
    "BillingAccountId", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodEnd", "ChargeDescription",
    "ChargeFrequency", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceName", "PricingCategory",
    "PricingQuantity", "PricingUnit", "ConsumedUnit", "EffectiveCost", "ListCost", "ContractedCost", "ResourceId",
    "ResourceType", "RegionName",
    "ListUnitPrice", "ContractedUnitPrice", "CommitmentDiscountQuantity",
)  # fmt: skip
"""Columns of a bill whose silence is filled, and told in `DERIVED`."""
USAGE_TYPE = "x_UsageType"
FEES_OF_COMMITMENTS = ("SavingsPlanRecurringFee", "RIFee")
UNUSED = "unused part of the purchase in the row before"
COUNT = "Units"
"""What is counted where a bill gives a quantity without its unit."""

CATEGORY, PRICED = pl.col("ChargeCategory"), pl.col("ChargeCategory").is_in(["Usage", "Purchase"])


def focus_export(costs: pl.LazyFrame) -> pl.LazyFrame:
    """The rows as FOCUS 1.2. Columns of FOCUS that ``costs`` has beyond the declared ones are kept as they are."""
    stated = costs.collect_schema().names()
    own = [name for name in stated if name.startswith("x_") and name not in NOT_TOLD]
    rows = costs.with_columns(
        *(pl.lit(None, kind).alias(name) for name, kind in COLUMNS.items() if name not in stated)
    ).with_columns(
        *(pl.col(name).is_null().alias(f"no {name}") for name in FILLED), _metered().alias(f"no {USAGE_TYPE}")
    )
    rows = rows.with_columns(_parts().alias("unused")).explode("unused")
    for step in (_unused_part(), _origin(), _quantities(), _costs(), _list_cost(), _prices(), _kinds(), _currency()):
        rows = rows.with_columns(step)
    return rows.select(
        *(pl.col(name).cast(kind) for name, kind in COLUMNS.items()), *own, _derived_columns().alias(DERIVED)
    )


def _metered() -> pl.Expr:
    """Whether the usage type is the meter of a FOCUS bill, which has no usage type of its own since 1.2."""
    return (pl.col("x_Source") == "focus") & pl.col("SkuMeter").eq(pl.col(USAGE_TYPE)).fill_null(value=False)


def _parts() -> pl.Expr:
    """One part of a row, or two: the purchase and what of it was not used (FOCUS 1.2, DiscountHandling-A-017 to 019)."""
    fee = pl.col("x_RecordType").is_in(FEES_OF_COMMITMENTS) | (pl.col("CommitmentDiscountStatus") == "Unused")
    split = (CATEGORY == "Purchase") & fee & (pl.col("EffectiveCost") != 0)
    return pl.when(split.fill_null(value=False)).then(pl.lit([False, True])).otherwise(pl.lit([False]))


def _unused_part() -> list[pl.Expr]:
    unused, bought = (
        pl.col("unused"),
        ~pl.col("unused")
        & (CATEGORY == "Purchase")
        & pl.col("x_RecordType").is_in(FEES_OF_COMMITMENTS).fill_null(value=False),
    )
    plan = pl.col("CommitmentDiscountId")
    return [
        pl.when(unused).then(pl.lit("Usage")).otherwise(CATEGORY).alias("ChargeCategory"),
        pl.when(unused).then(pl.lit("Usage-Based")).otherwise("ChargeFrequency").alias("ChargeFrequency"),
        *(
            pl.when(unused).then(0.0).otherwise(name).alias(name)
            for name in ("BilledCost", "ListCost", "ContractedCost")
        ),
        pl.when(bought).then(0.0).otherwise("EffectiveCost").alias("EffectiveCost"),
        pl.when(unused & plan.is_not_null())
        .then(pl.lit("Unused"))
        .when(bought)
        .then(pl.lit(None, pl.String))
        .otherwise("CommitmentDiscountStatus")
        .alias("CommitmentDiscountStatus"),
        # What is bought or left over is the commitment itself (DiscountHandling-A-012 and 019).
        pl.when(unused | bought).then(pl.coalesce("ResourceId", plan)).otherwise("ResourceId").alias("ResourceId"),
    ]


def _origin() -> list[pl.Expr]:
    """Who, when and what: names and times that FOCUS wants in every row."""
    provider = pl.coalesce("ProviderName", "PublisherName", "InvoiceIssuerName")
    month = pl.col("x_ChargeDate").dt.truncate("1mo")
    names = [pl.coalesce("x_RecordType", "ChargeCategory"), pl.coalesce("ServiceName", provider), pl.col("x_UsageType")]
    service = pl.coalesce("ServiceName", provider)
    # A report's own product family is no category of FOCUS, also where it has the same word.
    written = (pl.col("x_Source") == "focus") & pl.col("ServiceCategory").is_in(CATEGORIES)
    category = pl.coalesce(pl.when(written).then("ServiceCategory"), service_category(service))
    return [
        pl.coalesce("BillingAccountId", "SubAccountId").alias("BillingAccountId"),
        # The bill names the accounts that use; the paying account is one of them where it uses something itself.
        pl.coalesce(
            "BillingAccountName", pl.when(pl.col("SubAccountId") == pl.col("BillingAccountId")).then("SubAccountName")
        ).alias("BillingAccountName"),
        pl.coalesce("BillingPeriodStart", _midnight(month)).alias("BillingPeriodStart"),
        pl.coalesce("BillingPeriodEnd", _midnight(month.dt.offset_by("1mo"))).alias("BillingPeriodEnd"),
        pl.coalesce("ChargePeriodEnd", _midnight(pl.col("x_ChargeDate").dt.offset_by("1d"))).alias("ChargePeriodEnd"),
        provider.alias("ProviderName"),
        pl.coalesce("PublisherName", provider).alias("PublisherName"),
        # Nobody else is named: the provider invoices what it sells.
        pl.coalesce("InvoiceIssuerName", provider).alias("InvoiceIssuerName"),
        service.alias("ServiceName"),
        category.alias("ServiceCategory"),
        pl.coalesce("ServiceSubcategory", service_subcategory(service, category)).alias("ServiceSubcategory"),
        pl.coalesce("ChargeDescription", pl.concat_str(names, separator=", ", ignore_nulls=True)).alias(
            "ChargeDescription"
        ),
        pl.coalesce(
            "ChargeFrequency",
            pl.when(CATEGORY.is_in(["Usage", "Tax"])).then(pl.lit("Usage-Based")).otherwise(pl.lit("One-Time")),
        ).alias("ChargeFrequency"),
        pl.coalesce(
            "RegionName", pl.col("RegionId").replace_strict(region_names(), default=None, return_dtype=pl.String)
        ).alias("RegionName"),
    ]


def _quantities() -> list[pl.Expr]:
    """What was priced. A bill of another format than FOCUS writes AWS's units, and a quantity for taxes too."""
    foreign = pl.col("x_Source") != "focus"
    one = pl.when(PRICED).then(1.0)
    priced = pl.when(~foreign | PRICED).then(pl.coalesce("PricingQuantity", "ConsumedQuantity", one))
    of_type = unit_of_usage_type(pl.col("x_UsageType"))

    def unit(name: str, quantity: pl.Expr) -> pl.Expr:
        written = pl.when(foreign).then(focus_unit(pl.col(name))).otherwise(name)
        return pl.when(quantity.is_not_null()).then(pl.coalesce(written, of_type, pl.lit(COUNT))).alias(name)

    consumed = pl.when(~pl.col("unused")).then("ConsumedQuantity")
    return [
        priced.alias("PricingQuantity"),
        unit("PricingUnit", priced),
        consumed.alias("ConsumedQuantity"),
        unit("ConsumedUnit", consumed),
        pl.coalesce(
            "PricingCategory",
            pl.when(PRICED & (pl.col("CommitmentDiscountStatus").is_not_null() | pl.col("unused")))
            .then(pl.lit("Committed"))
            .when(PRICED & pl.col("x_UsageType").str.contains("(?i)spot"))
            .then(pl.lit("Dynamic"))
            .when(PRICED)
            .then(pl.lit("Standard")),
        ).alias("PricingCategory"),
    ]


def _costs() -> list[pl.Expr]:
    """Costs that the bill does not state. Charges that are no usage cost by every notion what is billed
    (FOCUS 1.2, ContractedCost-C-008); usage under a commitment may be billed as nothing, and is not agreed at that."""
    billed, used = pl.col("BilledCost"), pl.col("CommitmentDiscountStatus") == "Used"
    agreed = (
        pl.when((CATEGORY == "Usage") & used & (billed == 0))
        .then(pl.coalesce("ListCost", "EffectiveCost"))
        .otherwise(billed)
    )
    return [
        pl.coalesce("EffectiveCost", billed).alias("EffectiveCost"),
        pl.coalesce("ContractedCost", agreed, billed).alias("ContractedCost"),
    ]


def _list_cost() -> list[pl.Expr]:
    return [pl.coalesce("ListCost", "ContractedCost").alias("ListCost")]


def _prices() -> list[pl.Expr]:
    """Unit prices so that price times quantity is the cost (ListCost-C-009), and what a Savings Plan's usage took of it."""
    quantity = pl.when(PRICED & (pl.col("PricingQuantity") != 0)).then("PricingQuantity")

    def price(name: str, cost: str) -> pl.Expr:
        each = pl.col(cost) / quantity + 0.0
        return pl.coalesce(name, pl.when(each >= 0).then(each.abs())).alias(name)

    plan = pl.col("CommitmentDiscountType").str.contains("Savings Plan")
    spent = pl.when(plan & (CATEGORY == "Usage") & pl.col("CommitmentDiscountStatus").is_not_null()).then(
        "EffectiveCost"
    )
    quantity_of_plan = pl.coalesce("CommitmentDiscountQuantity", spent)
    return [
        price("ListUnitPrice", "ListCost"),
        price("ContractedUnitPrice", "ContractedCost"),
        quantity_of_plan.alias("CommitmentDiscountQuantity"),
        pl.coalesce("CommitmentDiscountUnit", pl.when(quantity_of_plan.is_not_null()).then("BillingCurrency")).alias(
            "CommitmentDiscountUnit"
        ),
    ]


def _kinds() -> list[pl.Expr]:
    resource, plan = pl.col("ResourceId"), pl.col("CommitmentDiscountType")
    by_id = pl.when(resource.str.contains("^i-[0-9a-f]+$")).then(pl.lit("instance"))
    return [
        pl.coalesce("ResourceType", resource.str.extract(r"^arn:(?:[^:]*:){4}([A-Za-z-]+)[:/]"), by_id).alias(
            "ResourceType"
        ),
        pl.coalesce(
            "CommitmentDiscountCategory",
            pl.when(plan.str.contains("Savings Plan"))
            .then(pl.lit("Spend"))
            .when(plan.str.contains("Reserved"))
            .then(pl.lit("Usage")),
        ).alias("CommitmentDiscountCategory"),
        pl.coalesce("SkuMeter", pl.when(pl.col("SkuId").is_not_null()).then("x_UsageType")).alias("SkuMeter"),
    ]


def _currency() -> list[pl.Expr]:
    """AWS's price lists are in dollars: a bill in dollars is priced in what it is billed in. Another bill's rate is not told."""
    dollars = pl.when(pl.col("BillingCurrency") == "USD")
    return [
        pl.coalesce("PricingCurrency", dollars.then("BillingCurrency")).alias("PricingCurrency"),
        *(
            pl.coalesce(f"PricingCurrency{name}", dollars.then(name)).alias(f"PricingCurrency{name}")
            for name in ("ContractedUnitPrice", "EffectiveCost", "ListUnitPrice")
        ),
    ]


def _derived_columns() -> pl.Expr:
    filled = [
        pl.when(pl.col(f"no {name}") & pl.col(name).is_not_null()).then(pl.lit(name)).alias(f"filled {name}")
        for name in (*FILLED, USAGE_TYPE)
    ]
    named = pl.concat_str(filled, separator=",", ignore_nulls=True)
    # The unused part is a row of ours as a whole: only its effective cost is the bill's.
    return pl.when(pl.col("unused")).then(pl.lit(UNUSED)).when(named != "").then(named)


def _midnight(day: pl.Expr) -> pl.Expr:
    return day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
