"""The meter's lines as FOCUS 1.2 with AWS's own columns, and the part of them that FOCUS 1.0 knows.

In: lines at an export's grain (`bill_grain`). Out: a typed frame with the 57 columns of FOCUS 1.2 and AWS's five. How
the money of a line is told (FOCUS 1.2, cost columns; aws-facts 4.3):
* BilledCost is net: discounts are in the charges they belong to, so that discount lines themselves fall away.
* Usage covered by a Savings Plan bills 0 and costs its rate of the plan; what cancels it elsewhere (negation) falls away.
* A plan's fee is a Purchase that bills and costs 0 effectively; what of it was not used is a row of its own: Usage,
  Unused, billed 0. So the billed sum is the invoice, and the effective sum the net amortised cost.
* Tax, credit and refund bill what they cost. A refund is an Adjustment; a correction carries ChargeClass Correction.
"""

from __future__ import annotations

import json

import polars as pl

from sagekeeper.simulator.bill_grain import Books, following, invoices
from sagekeeper.simulator.bill_products import region_name, with_products
from sagekeeper.simulator.cur_columns import COVERED, CURRENCY, FEE, INVOICER, TIME, UPFRONT, plain

DISCOUNTS = ("EdpDiscount", "PrivateRateDiscount", "BundledDiscount", "Discount")
NEGATION = "SavingsPlanNegation"
FALLING_AWAY = (*DISCOUNTS, NEGATION)
CATEGORIES = {
    "Usage": "Usage",
    COVERED: "Usage",
    FEE: "Purchase",
    UPFRONT: "Purchase",
    "Fee": "Purchase",
    "Tax": "Tax",
    "Credit": "Credit",
}
FREQUENCIES = {"Usage": "Usage-Based", COVERED: "Usage-Based", "Tax": "Usage-Based", FEE: "Recurring"}
UNITS = {
    "Hrs": "Hours",
    "GB-Mo": "GB-Months",
    "GB-Hrs": "GB-Hours",
    "Second": "Seconds",
    "Lambda-GB-Second": "Lambda-GB-Seconds",  # as AWS writes it in the FOCUS sample
}
SERVICES: dict[str, tuple[str, str]] = {
    "AmazonSageMaker": ("AI and Machine Learning", "Machine Learning"),
    "MachineLearningSavingsPlans": ("AI and Machine Learning", "Machine Learning"),
    "AmazonS3": ("Storage", "Object Storage"),
    "AmazonCloudWatch": ("Management and Governance", "Observability"),
    "AmazonEC2": ("Compute", "Virtual Machines"),
    "ComputeSavingsPlans": ("Compute", "Other (Compute)"),
    "AWSLambda": ("Compute", "Serverless Compute"),
    "AmazonECS": ("Compute", "Containers"),
    "AmazonECR": ("Compute", "Containers"),
    "AmazonKinesis": ("Analytics", "Streaming Analytics"),
    "AWSGlue": ("Analytics", "Data Processing"),
    "AmazonRDS": ("Databases", "Relational Databases"),
    "AmazonDynamoDB": ("Databases", "NoSQL Databases"),
    "AmazonSNS": ("Integration", "Messaging"),
    "AWSDataTransfer": ("Networking", "Other (Networking)"),
}
"""FOCUS 1.2: ServiceCategory and ServiceSubcategory by AWS's service code."""
OTHER = ("Other", "Other (Other)")
CORRECTED = "(?i)^correction"


def focus_lines(lines: pl.DataFrame, books: Books) -> pl.DataFrame:
    """The export's rows, all columns there are."""
    kept = with_products(lines.filter(~pl.col("record_type").is_in(FALLING_AWAY)))
    fees = kept.filter((pl.col("record_type") == FEE) & (pl.col("net_amortized") != 0))
    rows = pl.concat(
        [kept.with_columns(pl.lit(value=False).alias("unused")), fees.with_columns(pl.lit(value=True).alias("unused"))]
    )
    money = rows.with_columns(*_costs())
    return money.select(
        *_accounts(money, books),
        *_charge(),
        *_amounts(),
        *_commitment(),
        *_quantities(),
        *_where_and_what(money),
        *_provider_columns(),
    )


def _costs() -> list[pl.Expr]:
    kind, unused = pl.col("record_type"), pl.col("unused")
    covered, fee = kind == COVERED, kind.is_in([FEE, UPFRONT])
    billed = pl.when(covered | unused).then(0.0).otherwise(pl.col("net_cost"))
    effective = (
        pl.when(unused | covered).then(pl.col("net_amortized")).when(fee).then(0.0).otherwise(pl.col("net_amortized"))
    )
    metered = kind.is_in(["Usage", COVERED])
    # What was agreed in general, before any commitment: the list price with the discount that this line got.
    agreed = pl.when((kind == "Usage") & (pl.col("cost") != 0)).then(
        pl.col("list_cost") * pl.col("net_cost") / pl.col("cost")
    )
    return [
        billed.alias("billed"),
        effective.alias("effective"),
        pl.when(metered).then(pl.col("list_cost")).otherwise(billed).alias("list"),
        pl.when(metered).then(pl.coalesce(agreed, "list_cost").round(10)).otherwise(billed).alias("contracted"),
        pl.when(unused)
        .then(pl.lit("Usage"))
        .otherwise(kind.replace_strict(CATEGORIES, default="Adjustment", return_dtype=pl.String))
        .alias("category"),
        metered.alias("metered"),
    ]


def _accounts(rows: pl.DataFrame, books: Books) -> list[pl.Expr]:
    ends = {period: following(period) for period in rows["period"].unique().to_list()}
    return [
        pl.lit(books.payer).alias("BillingAccountId"),
        pl.lit(books.names.get(books.payer, books.payer)).alias("BillingAccountName"),
        pl.lit("Management Account").alias("BillingAccountType"),
        pl.lit(CURRENCY).alias("BillingCurrency"),
        pl.col("period").replace_strict(ends, return_dtype=pl.Date).cast(TIME).alias("BillingPeriodEnd"),
        pl.col("period").cast(TIME).alias("BillingPeriodStart"),
        pl.col("account").alias("SubAccountId"),
        pl.col("account").replace(books.names).alias("SubAccountName"),
        pl.when(pl.col("account") == books.payer)
        .then(pl.lit("Management Account"))
        .otherwise(pl.lit("Member Account"))
        .alias("SubAccountType"),
        invoices(rows, books).alias("InvoiceId"),
        *(pl.lit(INVOICER).alias(name) for name in ("InvoiceIssuerName", "PublisherName")),
        pl.lit("AWS").alias("ProviderName"),
    ]


def _charge() -> list[pl.Expr]:
    correction = pl.col("description").str.contains(CORRECTED) & pl.col("metered")
    return [
        pl.col("category").alias("ChargeCategory"),
        pl.when(correction).then(pl.lit("Correction")).alias("ChargeClass"),
        pl.col("description").alias("ChargeDescription"),
        pl.when(pl.col("unused"))
        .then(pl.lit("Usage-Based"))
        .otherwise(pl.col("record_type").replace_strict(FREQUENCIES, default="One-Time", return_dtype=pl.String))
        .alias("ChargeFrequency"),
        pl.col("end").dt.replace_time_zone(None).cast(TIME).alias("ChargePeriodEnd"),
        pl.col("start").dt.replace_time_zone(None).cast(TIME).alias("ChargePeriodStart"),
    ]


def _amounts() -> list[pl.Expr]:
    quantity = pl.when(pl.col("metered") & (pl.col("quantity") > 0)).then(pl.col("quantity"))
    unit_price = (pl.col("contracted") / quantity).round(10)
    list_price = pl.when(pl.col("metered")).then(pl.col("rate"))
    return [
        pl.col("billed").alias("BilledCost"),
        pl.col("effective").alias("EffectiveCost"),
        pl.col("list").alias("ListCost"),
        pl.col("contracted").alias("ContractedCost"),
        unit_price.alias("ContractedUnitPrice"),
        list_price.alias("ListUnitPrice"),
        pl.lit(CURRENCY).alias("PricingCurrency"),
        unit_price.alias("PricingCurrencyContractedUnitPrice"),
        pl.col("effective").alias("PricingCurrencyEffectiveCost"),
        list_price.alias("PricingCurrencyListUnitPrice"),
    ]


def _commitment() -> list[pl.Expr]:
    kind, planned = pl.col("record_type"), pl.col("plan_arn").is_not_null()
    covered = kind == COVERED
    spent = (
        pl.when(covered)
        .then(pl.col("plan_cost"))
        .when(pl.col("unused"))
        .then(pl.col("plan_commitment") - pl.col("plan_used"))
        .otherwise(pl.col("plan_commitment"))
    )
    return [
        pl.lit(None, pl.String).alias("CapacityReservationId"),
        pl.lit(None, pl.String).alias("CapacityReservationStatus"),
        pl.when(planned).then(pl.lit("Spend")).alias("CommitmentDiscountCategory"),
        pl.col("plan_arn").alias("CommitmentDiscountId"),
        pl.lit(None, pl.String).alias("CommitmentDiscountName"),
        pl.when(planned).then(spent).alias("CommitmentDiscountQuantity"),
        pl.when(covered)
        .then(pl.lit("Used"))
        .when(pl.col("unused"))
        .then(pl.lit("Unused"))
        .alias("CommitmentDiscountStatus"),
        pl.when(planned).then(pl.lit("Savings Plan")).alias("CommitmentDiscountType"),
        pl.when(planned).then(pl.lit(CURRENCY)).alias("CommitmentDiscountUnit"),
    ]


def _quantities() -> list[pl.Expr]:
    metered = pl.col("metered")
    unit = pl.when(pl.col("unit") != "").then(pl.col("unit").replace(UNITS))
    spot = pl.col("usage_type").str.contains("(?i)spot")
    priced = pl.col("category").is_in(["Usage", "Purchase"])
    return [
        pl.when(metered).then(pl.col("quantity")).alias("ConsumedQuantity"),
        pl.when(metered).then(unit).alias("ConsumedUnit"),
        pl.when(~priced)
        .then(pl.when(pl.col("category") != "Tax").then(pl.lit("Other")))
        .when((pl.col("record_type") == COVERED) | pl.col("unused"))
        .then(pl.lit("Committed"))
        .when(metered & spot)
        .then(pl.lit("Dynamic"))
        .otherwise(pl.lit("Standard"))
        .alias("PricingCategory"),
        pl.when(priced).then(pl.col("quantity")).alias("PricingQuantity"),
        pl.when(priced).then(unit).alias("PricingUnit"),
    ]


def _where_and_what(rows: pl.DataFrame) -> list[pl.Expr]:
    regions = {code: region_name(code) for code in rows["region"].unique().to_list()}
    place = pl.col("region").replace_strict(regions, default=None, return_dtype=pl.String)
    details = {
        text: json.dumps({"InstanceType": text, "OperatingSystem": "Linux"} if text else {})
        for text in rows["instance_type"].unique().to_list()
    }
    code = pl.col("service_code")
    return [
        pl.lit(None, pl.String).alias("AvailabilityZone"),
        pl.when(place.is_not_null()).then(pl.col("region")).alias("RegionId"),
        place.alias("RegionName"),
        pl.col("resource_id").alias("ResourceId"),
        # AWS does not know the names that its customers give: a published gap of its FOCUS export.
        pl.lit(None, pl.String).alias("ResourceName"),
        pl.col("resource_id").str.extract(r"^arn:(?:[^:]*:){4}([a-z-]+)[:/]").alias("ResourceType"),
        code.replace_strict({key: of[0] for key, of in SERVICES.items()}, default=OTHER[0]).alias("ServiceCategory"),
        pl.col("service").alias("ServiceName"),
        code.replace_strict({key: of[1] for key, of in SERVICES.items()}, default=OTHER[1]).alias("ServiceSubcategory"),
        pl.col("sku").alias("SkuId"),
        pl.when(pl.col("metered")).then(pl.col("usage_type")).alias("SkuMeter"),
        pl.col("instance_type").replace_strict(details, default="{}", return_dtype=pl.String).alias("SkuPriceDetails"),
        pl.col("rate_code").alias("SkuPriceId"),
        pl.col("tags").alias("Tags"),
    ]


def _provider_columns() -> list[pl.Expr]:
    off = (pl.col("net_cost") - pl.col("cost")).round(10)
    reduced = pl.col("metered") & (off != 0)
    return [
        pl.lit("{}").alias("x_CostCategories"),
        pl.when(reduced)
        .then(pl.lit('{"PrivateRateDiscount":') + plain(off) + pl.lit("}"))
        .otherwise(pl.lit("{}"))
        .alias("x_Discounts"),
        pl.when(pl.col("operation") != "").then(pl.col("operation")).alias("x_Operation"),
        pl.col("service_code").alias("x_ServiceCode"),
        pl.when(pl.col("usage_type") != "").then(pl.col("usage_type")).alias("x_UsageType"),
    ]
