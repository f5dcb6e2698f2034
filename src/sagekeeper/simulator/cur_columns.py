"""The meter's lines as a Cost and Usage Report: every column of the legacy report, and of CUR 2.0, in one typed frame.

In: lines at an export's grain (`bill_grain`). Out: a frame named as AWS's parquet files name the columns
(``line_item_unblended_cost``). Column names, order and empty values follow the real reports in the shared billing data
and the CUR 2.0 query that AWS's console writes; what a line item type fills in follows aws-facts 4.2 to 4.4:
amortised cost computed from these columns by the rule there is the meter's own. Maps (tags, product, discount) are JSON
text here; `bill_files` makes them maps where the file can hold them.
"""

from __future__ import annotations

import json
import re

import polars as pl

from sagekeeper.simulator.bill_grain import Books, following, invoices
from sagekeeper.simulator.bill_products import with_products

INVOICER = "Amazon Web Services, Inc."
CURRENCY = "USD"
COVERED, FEE, UPFRONT = "SavingsPlanCoveredUsage", "SavingsPlanRecurringFee", "SavingsPlanUpfrontFee"
USED = ("Usage", COVERED)
TIME = pl.Datetime("ms")
OFFERINGS = {"MachineLearning": "SageMakerSavingsPlans", "Compute": "ComputeSavingsPlans"}


def words(text: str) -> tuple[str, ...]:
    """Names in a row, apart: tables of a hundred columns stay readable so."""
    return tuple(text.split())


RESERVATION_TEXTS = words(
    "availability_zone end_time modification_status normalized_units_per_reservation number_of_reservations "
    "reservation_a_r_n start_time subscription_id total_reserved_normalized_units total_reserved_units "
    "units_per_reservation"
)
RESERVATION_NUMBERS = words(
    "amortized_upfront_cost_for_usage amortized_upfront_fee_for_billing_period effective_cost recurring_fee_for_usage "
    "unused_amortized_upfront_fee_for_billing_period unused_normalized_unit_quantity unused_quantity "
    "unused_recurring_fee upfront_value"
)
NET_RESERVATION_NUMBERS = words(
    "amortized_upfront_cost_for_usage amortized_upfront_fee_for_billing_period effective_cost recurring_fee_for_usage "
    "unused_amortized_upfront_fee_for_billing_period unused_recurring_fee upfront_value"
)
EMPTY_TEXTS = (
    "line_item_availability_zone",
    "pricing_lease_contract_length",
    "pricing_offering_class",
    "pricing_purchase_option",
    *(
        f"product_{name}"
        for name in words(
            "comment fee_code fee_description from_location from_location_type from_region_code instancesku "
            "to_location to_location_type to_region_code"
        )
    ),
    *(f"reservation_{name}" for name in RESERVATION_TEXTS),
    *(f"capacity_reservation_capacity_reservation_{name}" for name in ("arn", "status", "type")),
    "split_line_item_parent_resource_id",
)
EMPTY_NUMBERS = (
    "line_item_normalization_factor",
    "line_item_normalized_usage_amount",
    "discount_bundled_discount",
    *(f"reservation_{name}" for name in RESERVATION_NUMBERS),
    *(f"reservation_net_{name}" for name in NET_RESERVATION_NUMBERS),
    *(
        f"split_line_item_{name}"
        for name in words(
            "actual_usage net_split_cost net_unused_cost public_on_demand_split_cost public_on_demand_unused_cost "
            "reserved_usage split_cost split_usage split_usage_ratio unused_cost"
        )
    ),
)
"""Columns that exist in every report and that nothing in this account fills: no reservations, no split allocation."""


def cur_lines(lines: pl.DataFrame, books: Books) -> pl.DataFrame:
    """The report's rows, all columns there are."""
    told = _with_plans(with_products(lines), books)
    frame = told.select(
        *_identity_and_bill(told, books),
        *_line_item(books),
        *_product(),
        *_pricing(),
        *_plan(),
        *_maps(),
        *(pl.lit(None, pl.String).alias(name) for name in EMPTY_TEXTS),
        *(pl.lit(None, pl.Float64).alias(name) for name in EMPTY_NUMBERS),
    )
    return frame.join(_tag_maps(lines["tags"]), on="tags", how="left", maintain_order="left")


def snake(name: str) -> str:
    """AWS's parquet name of a csv column: ``savingsPlan/SavingsPlanARN`` is ``savings_plan_savings_plan_a_r_n``."""
    parts = [re.sub(r"(?<!^)([A-Z])", r"_\1", part).lower() for part in name.split("/")]
    return re.sub(r"[^a-z0-9_]", "_", "_".join(parts))


def _identity_and_bill(lines: pl.DataFrame, books: Books) -> list[pl.Expr]:
    ends = {period: following(period) for period in lines["period"].unique().to_list()}
    interval = pl.concat_str(_clock(lines, "start"), pl.lit("/"), _clock(lines, "end"))
    kind = pl.col("record_type")
    bill_type = (
        pl.when(kind == "Refund")
        .then(pl.lit("Refund"))
        .when(kind.is_in([UPFRONT, "Fee"]))
        .then(pl.lit("Purchase"))
        .otherwise(pl.lit("Anniversary"))
    )
    return [
        pl.col("line_id").alias("identity_line_item_id"),
        interval.alias("identity_time_interval"),
        invoices(lines, books).alias("bill_invoice_id"),
        pl.lit(INVOICER).alias("bill_invoicing_entity"),
        pl.lit("AWS").alias("bill_billing_entity"),
        bill_type.alias("bill_bill_type"),
        pl.lit(books.payer).alias("bill_payer_account_id"),
        pl.lit(books.names.get(books.payer, books.payer)).alias("bill_payer_account_name"),
        pl.col("period").cast(TIME).alias("bill_billing_period_start_date"),
        pl.col("period").replace_strict(ends, return_dtype=pl.Date).cast(TIME).alias("bill_billing_period_end_date"),
    ]


def _clock(lines: pl.DataFrame, name: str) -> pl.Expr:
    """Moments as text. There are as many as hours: each is written once."""
    moments = lines.select(pl.col(name).unique())
    texts = moments.select(pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return pl.col(name).replace_strict(moments[name], texts[name], return_dtype=pl.String)


def _line_item(books: Books) -> list[pl.Expr]:
    used, taxed = pl.col("quantity") > 0, pl.col("record_type") == "Tax"
    rate = pl.when(used).then(pl.coalesce("rate", pl.col("cost") / pl.col("quantity")))
    net_rate = pl.when(used).then((pl.col("net_cost") / pl.col("quantity")).round(10))
    return [
        pl.col("account").alias("line_item_usage_account_id"),
        pl.col("account").replace(books.names).alias("line_item_usage_account_name"),
        pl.col("record_type").alias("line_item_line_item_type"),
        pl.col("start").dt.replace_time_zone(None).cast(TIME).alias("line_item_usage_start_date"),
        pl.col("end").dt.replace_time_zone(None).cast(TIME).alias("line_item_usage_end_date"),
        pl.col("service_code").alias("line_item_product_code"),
        _told("usage_type").alias("line_item_usage_type"),
        _told("operation").alias("line_item_operation"),
        pl.col("resource_id").alias("line_item_resource_id"),
        pl.when(taxed).then(1.0).otherwise(pl.col("quantity")).alias("line_item_usage_amount"),
        pl.lit(CURRENCY).alias("line_item_currency_code"),
        plain(rate).alias("line_item_unblended_rate"),
        pl.col("cost").alias("line_item_unblended_cost"),
        plain(net_rate).alias("line_item_net_unblended_rate"),
        pl.col("net_cost").alias("line_item_net_unblended_cost"),
        plain(rate).alias("line_item_blended_rate"),
        pl.col("cost").alias("line_item_blended_cost"),
        pl.col("description").alias("line_item_line_item_description"),
        pl.when(taxed).then(pl.lit("USSalesTax")).alias("line_item_tax_type"),
        pl.lit(INVOICER).alias("line_item_legal_entity"),
    ]


def _product() -> list[pl.Expr]:
    sold = pl.col("sku").is_not_null()
    placed = pl.when(pl.col("location").is_not_null()).then(pl.col("region"))
    return [
        pl.col("service").alias("product_product_name"),
        pl.col("instance_family").alias("product_instance_family"),
        pl.col("instance_type").alias("product_instance_type"),
        pl.col("location").alias("product_location"),
        pl.col("location_type").alias("product_location_type"),
        pl.when(sold).then(_told("operation")).alias("product_operation"),
        _told("product_family").alias("product_product_family"),
        placed.alias("product_region"),
        placed.alias("product_region_code"),
        pl.col("service_code").alias("product_servicecode"),
        pl.col("service").alias("product_servicename"),
        pl.col("sku").alias("product_sku"),
        pl.when(sold).then(pl.col("usage_type")).alias("product_usagetype"),
        pl.when(sold).then(pl.col("unit")).alias("product_pricing_unit"),
    ]


def _pricing() -> list[pl.Expr]:
    priced = pl.col("record_type").is_in(USED)
    spot = pl.col("usage_type").str.contains("(?i)spot")
    return [
        pl.when(priced).then(pl.col("rate_code")).alias("pricing_rate_code"),
        pl.when(priced).then(pl.col("rate_id")).alias("pricing_rate_id"),
        pl.when(priced).then(pl.lit(CURRENCY)).alias("pricing_currency"),
        pl.col("list_cost").alias("pricing_public_on_demand_cost"),
        plain(pl.when(priced).then(pl.col("rate"))).alias("pricing_public_on_demand_rate"),
        pl.when(priced & spot).then(pl.lit("Spot")).when(priced).then(pl.lit("OnDemand")).alias("pricing_term"),
        _told("unit").alias("pricing_unit"),
    ]


def _plan() -> list[pl.Expr]:
    fee, covered = pl.col("record_type") == FEE, pl.col("record_type") == COVERED
    upfront = pl.when(fee).then((pl.col("plan_commitment") * pl.col("upfront_share")).round(10))
    recurring = pl.when(fee).then(pl.col("plan_commitment") - upfront)
    # An enterprise discount is on the fee, and with it on all that is spread of it.
    net = pl.when(pl.col("cost") != 0).then(pl.col("net_cost") / pl.col("cost")).otherwise(1.0)
    names = words("start_time end_time instance_type_family offering_type payment_option purchase_term region")
    return [
        pl.col("plan_arn").alias("savings_plan_savings_plan_a_r_n"),
        pl.when(covered).then(pl.col("plan_rate")).alias("savings_plan_savings_plan_rate"),
        pl.when(covered).then(pl.col("plan_cost")).alias("savings_plan_savings_plan_effective_cost"),
        pl.when(covered).then(pl.col("net_amortized")).alias("savings_plan_net_savings_plan_effective_cost"),
        pl.when(fee).then(pl.col("plan_commitment")).alias("savings_plan_total_commitment_to_date"),
        pl.when(fee).then(pl.col("plan_used")).alias("savings_plan_used_commitment"),
        upfront.alias("savings_plan_amortized_upfront_commitment_for_billing_period"),
        recurring.alias("savings_plan_recurring_commitment_for_billing_period"),
        (upfront * net).round(10).alias("savings_plan_net_amortized_upfront_commitment_for_billing_period"),
        (recurring * net).round(10).alias("savings_plan_net_recurring_commitment_for_billing_period"),
        *(pl.col(f"plan_{name}").alias(f"savings_plan_{name}") for name in names),
    ]


def _maps() -> list[pl.Expr]:
    off = (pl.col("net_cost") - pl.col("cost")).round(10)
    reduced = pl.col("record_type").is_in(USED) & (off != 0)
    return [
        pl.col("tags"),
        pl.coalesce("attributes", pl.lit("{}")).alias("product"),
        pl.when(reduced)
        .then(pl.lit('{"private_rate_discount":') + plain(off) + pl.lit("}"))
        .otherwise(pl.lit("{}"))
        .alias("discount"),
        pl.when(reduced).then(off).alias("discount_total_discount"),
        pl.lit("{}").alias("cost_category"),
    ]


def _tag_maps(tags: pl.Series) -> pl.DataFrame:
    """Tag text -> CUR 2.0's map: the customer's keys carry ``user_``, in the spelling of the parquet columns."""
    found = tags.unique().to_list()
    maps = [json.dumps({tag_key(key): value for key, value in json.loads(text).items()}) for text in found]
    return pl.DataFrame({"tags": found, "resource_tags": maps}, schema={"tags": pl.String, "resource_tags": pl.String})


def tag_key(key: str) -> str:
    """A cost allocation tag's key in a map or a parquet column."""
    scoped = key if key.startswith("aws:") else f"user:{key}"
    return re.sub(r"[^a-z0-9_]", "_", re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", scoped).lower())


def _with_plans(lines: pl.DataFrame, books: Books) -> pl.DataFrame:
    """What a line says of its Savings Plan beside the money, from the plan itself."""
    clock = "%Y-%m-%dT%H:%M:%S.000Z"
    rows = [
        {
            "plan_arn": plan.arn,
            "plan_start_time": plan.start.strftime(clock),
            "plan_end_time": plan.end.strftime(clock),
            "plan_instance_type_family": None,
            "plan_offering_type": OFFERINGS[plan.type],
            "plan_payment_option": plan.payment_option,
            "plan_purchase_term": f"{plan.term_years}yr",
            "plan_region": "Any",
            "upfront_share": plan.upfront / plan.total,
        }
        for plan in books.plans
    ]
    names = [f"plan_{name}" for name in ("start_time", "end_time", "instance_type_family", "offering_type")]
    texts = ["plan_arn", *names, "plan_payment_option", "plan_purchase_term", "plan_region"]
    schema = dict.fromkeys(texts, pl.String()) | {"upfront_share": pl.Float64()}
    plans = pl.DataFrame(rows, schema=schema, orient="row")
    return lines.join(plans, on="plan_arn", how="left", maintain_order="left").with_columns(
        pl.col("upfront_share").fill_null(0.0)
    )


def _told(name: str) -> pl.Expr:
    """A text that may have nothing to say."""
    return pl.when(pl.col(name) != "").then(pl.col(name))


def plain(number: pl.Expr) -> pl.Expr:
    """A number as text without an exponent, as AWS writes rates: ten places, and no zeros behind them."""
    text = number.round(10).cast(pl.Decimal(38, 10), strict=False).cast(pl.String)
    return (
        pl.when(text.str.contains(".", literal=True))
        .then(text.str.strip_chars_end("0").str.replace(r"\.$", ".0"))
        .otherwise(text)
    )
