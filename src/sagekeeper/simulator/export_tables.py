"""The tables that Data Exports can query: their columns with types, their settings, and how their rows are made.

In: a table's name and settings (TableConfigurations). Out: its schema as ``bcm-data-exports:GetTable`` gives it, and a
function from the meter's lines to its rows. Columns follow AWS's table dictionary: CUR 2.0 as its console selects them,
FOCUS 1.0 with five and FOCUS 1.2 with three columns of AWS's own. Settings change the schema as AWS's do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from sagekeeper.simulator.bill_grain import Books, at_grain
from sagekeeper.simulator.cur_columns import cur_lines, words
from sagekeeper.simulator.focus_columns import focus_lines

STRING, DOUBLE, MOMENT = "string", "double", "timestamp_milliseconds"
STRINGS, DOUBLES = "map<string,string>", "map<string,double>"
BOOLEAN = ("TRUE", "FALSE")
GRAINS = ("HOURLY", "DAILY", "MONTHLY")


@dataclass(frozen=True)
class Setting:
    """One property of a table: what it may be, and what it is when nobody says."""

    name: str
    values: tuple[str, ...]
    default: str
    description: str


@dataclass(frozen=True)
class Table:
    """A table of the dictionary."""

    name: str
    description: str
    columns: Mapping[str, str]
    settings: tuple[Setting, ...]
    rows: Callable[[pl.DataFrame, Books], pl.DataFrame]

    def settled(self, given: Mapping[str, str]) -> dict[str, str]:
        """All settings, the given ones and the defaults of the others."""
        return {setting.name: given.get(setting.name, setting.default) for setting in self.settings}

    def schema(self, given: Mapping[str, str]) -> dict[str, str]:
        """The columns there are with these settings."""
        settled = self.settled(given)
        return {name: kind for name, kind in self.columns.items() if not _left_out(name, settled)}

    def query(self, lines: pl.DataFrame, books: Books, given: Mapping[str, str]) -> pl.DataFrame:
        """The table's rows with these settings: lines by the hour where HOURLY is asked for."""
        settled = self.settled(given)
        resources = settled.get("INCLUDE_RESOURCES", "TRUE") == "TRUE"
        grained = at_grain(books.seen(lines), self.grain(given), resources=resources)
        return self.rows(grained, books).select(list(self.schema(given)))

    def grain(self, given: Mapping[str, str]) -> str:
        """HOURLY, DAILY or MONTHLY."""
        return self.settled(given).get("TIME_GRANULARITY", "HOURLY")


def _left_out(name: str, settled: Mapping[str, str]) -> bool:
    if name == "line_item_resource_id":
        return settled.get("INCLUDE_RESOURCES") == "FALSE"
    if name.startswith("split_line_item"):
        return settled.get("INCLUDE_SPLIT_COST_ALLOCATION_DATA") == "FALSE"
    if name.startswith("capacity_reservation"):
        return settled.get("INCLUDE_CAPACITY_RESERVATION_DATA") == "FALSE"
    return name in ("discount", "discount_total_discount") and (
        settled.get("INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY") == "TRUE"
    )


def description_of(column: str) -> str:
    """A sentence for GetTable, from the column's name."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in column).replace("_", " ")
    return f"The {' '.join(words.split())} of the line item."


_CUR_TEXTS = words(
    "bill_bill_type bill_billing_entity bill_invoice_id bill_invoicing_entity bill_payer_account_id "
    "bill_payer_account_name capacity_reservation_capacity_reservation_arn "
    "capacity_reservation_capacity_reservation_status capacity_reservation_capacity_reservation_type "
    "identity_line_item_id identity_time_interval line_item_availability_zone line_item_blended_rate "
    "line_item_currency_code line_item_legal_entity line_item_line_item_description line_item_line_item_type "
    "line_item_net_unblended_rate line_item_operation line_item_product_code line_item_resource_id "
    "line_item_tax_type line_item_unblended_rate line_item_usage_account_id line_item_usage_account_name "
    "line_item_usage_type pricing_currency pricing_lease_contract_length pricing_offering_class "
    "pricing_public_on_demand_rate pricing_purchase_option pricing_rate_code pricing_rate_id pricing_term pricing_unit "
    "product_comment product_fee_code product_fee_description product_from_location product_from_location_type "
    "product_from_region_code product_instance_family product_instance_type product_instancesku product_location "
    "product_location_type product_operation product_pricing_unit product_product_family product_region_code "
    "product_servicecode product_sku product_to_location product_to_location_type product_to_region_code "
    "product_usagetype reservation_availability_zone reservation_end_time reservation_modification_status "
    "reservation_normalized_units_per_reservation reservation_number_of_reservations reservation_reservation_a_r_n "
    "reservation_start_time reservation_subscription_id reservation_total_reserved_normalized_units "
    "reservation_total_reserved_units reservation_units_per_reservation savings_plan_end_time "
    "savings_plan_instance_type_family savings_plan_offering_type savings_plan_payment_option "
    "savings_plan_purchase_term savings_plan_region savings_plan_savings_plan_a_r_n savings_plan_start_time "
    "split_line_item_parent_resource_id"
)
_CUR_NUMBERS = words(
    "discount_bundled_discount discount_total_discount line_item_blended_cost line_item_net_unblended_cost "
    "line_item_normalization_factor line_item_normalized_usage_amount line_item_unblended_cost line_item_usage_amount "
    "pricing_public_on_demand_cost reservation_amortized_upfront_cost_for_usage "
    "reservation_amortized_upfront_fee_for_billing_period reservation_effective_cost "
    "reservation_net_amortized_upfront_cost_for_usage reservation_net_amortized_upfront_fee_for_billing_period "
    "reservation_net_effective_cost reservation_net_recurring_fee_for_usage "
    "reservation_net_unused_amortized_upfront_fee_for_billing_period reservation_net_unused_recurring_fee "
    "reservation_net_upfront_value reservation_recurring_fee_for_usage "
    "reservation_unused_amortized_upfront_fee_for_billing_period reservation_unused_normalized_unit_quantity "
    "reservation_unused_quantity reservation_unused_recurring_fee reservation_upfront_value "
    "savings_plan_amortized_upfront_commitment_for_billing_period "
    "savings_plan_net_amortized_upfront_commitment_for_billing_period "
    "savings_plan_net_recurring_commitment_for_billing_period savings_plan_net_savings_plan_effective_cost "
    "savings_plan_recurring_commitment_for_billing_period savings_plan_savings_plan_effective_cost "
    "savings_plan_savings_plan_rate savings_plan_total_commitment_to_date savings_plan_used_commitment "
    "split_line_item_actual_usage split_line_item_net_split_cost split_line_item_net_unused_cost "
    "split_line_item_public_on_demand_split_cost split_line_item_public_on_demand_unused_cost "
    "split_line_item_reserved_usage split_line_item_split_cost split_line_item_split_usage "
    "split_line_item_split_usage_ratio split_line_item_unused_cost"
)
_CUR_TIMES = words(
    "bill_billing_period_end_date bill_billing_period_start_date line_item_usage_end_date line_item_usage_start_date"
)
CUR_COLUMNS: dict[str, str] = dict(
    sorted(
        {
            **dict.fromkeys(_CUR_TEXTS, STRING),
            **dict.fromkeys(_CUR_NUMBERS, DOUBLE),
            **dict.fromkeys(_CUR_TIMES, MOMENT),
            **dict.fromkeys(("cost_category", "product", "resource_tags"), STRINGS),
            "discount": DOUBLES,
        }.items()
    )
)
_FOCUS_NEW_IN_1_2 = words(
    "BillingAccountType CapacityReservationId CapacityReservationStatus CommitmentDiscountQuantity "
    "CommitmentDiscountUnit InvoiceId PricingCurrency PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost "
    "PricingCurrencyListUnitPrice ServiceSubcategory SkuMeter SkuPriceDetails SubAccountType"
)
_FOCUS_1_0 = words(
    "AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd "
    "BillingPeriodStart ChargeCategory ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart "
    "CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName CommitmentDiscountStatus "
    "CommitmentDiscountType ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost "
    "InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity PricingUnit ProviderName PublisherName "
    "RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName SkuId SkuPriceId "
    "SubAccountId SubAccountName Tags"
)


def _focus_type(name: str) -> str:
    if name in ("Tags", "SkuPriceDetails", "x_CostCategories"):
        return STRINGS
    if name == "x_Discounts":
        return DOUBLES
    if name.endswith(("PeriodStart", "PeriodEnd")):
        return MOMENT
    return DOUBLE if name.endswith(("Cost", "UnitPrice", "Quantity")) else STRING


FOCUS_1_0_COLUMNS = {
    name: _focus_type(name)
    for name in (*_FOCUS_1_0, "x_CostCategories", "x_Discounts", "x_Operation", "x_ServiceCode", "x_UsageType")
}
FOCUS_1_2_COLUMNS = {
    name: _focus_type(name)
    for name in (*sorted((*_FOCUS_1_0, *_FOCUS_NEW_IN_1_2)), "x_Discounts", "x_Operation", "x_ServiceCode")
}
GRANULARITY = Setting("TIME_GRANULARITY", GRAINS, "HOURLY", "The length of time that a line item is about.")
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "COST_AND_USAGE_REPORT",
            "The cost and usage of the accounts of a bill by line item (CUR 2.0).",
            CUR_COLUMNS,
            (
                GRANULARITY,
                Setting("INCLUDE_RESOURCES", BOOLEAN, "FALSE", "Whether line items are told apart by resource."),
                Setting(
                    "INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY",
                    BOOLEAN,
                    "FALSE",
                    "Whether the columns of discounts are left out.",
                ),
                Setting(
                    "INCLUDE_SPLIT_COST_ALLOCATION_DATA",
                    BOOLEAN,
                    "FALSE",
                    "Whether shared resources are split by container.",
                ),
                Setting(
                    "INCLUDE_CAPACITY_RESERVATION_DATA",
                    BOOLEAN,
                    "FALSE",
                    "Whether the columns of capacity reservations are there.",
                ),
            ),
            cur_lines,
        ),
        Table(
            "FOCUS_1_0_AWS",
            "The cost and usage of the accounts of a bill in the columns of FOCUS 1.0, with columns of AWS.",
            FOCUS_1_0_COLUMNS,
            (),
            focus_lines,
        ),
        Table(
            "FOCUS_1_2_AWS",
            "The cost and usage of the accounts of a bill in the columns of FOCUS 1.2, with columns of AWS.",
            FOCUS_1_2_COLUMNS,
            (GRANULARITY,),
            focus_lines,
        ),
    )
}
