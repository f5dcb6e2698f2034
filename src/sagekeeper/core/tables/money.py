"""Bills, what was made of them, and prices."""

from __future__ import annotations

import polars as pl

from sagekeeper.core.tables.table import UTC_TIME, Table

SAGEMAKER = "Amazon SageMaker"
"""ServiceName of SageMaker, as Cost Explorer and FOCUS spell it."""

COSTS = Table(
    "costs",
    {
        "BillingAccountId": pl.String(),
        "SubAccountId": pl.String(),
        "SubAccountName": pl.String(),
        "BillingPeriodStart": UTC_TIME,
        "BillingPeriodEnd": UTC_TIME,
        "ChargePeriodStart": UTC_TIME,
        "ChargePeriodEnd": UTC_TIME,
        "ChargeCategory": pl.String(),  # Usage, Purchase, Tax, Credit, Adjustment
        "ChargeClass": pl.String(),  # Correction or null
        "ChargeDescription": pl.String(),
        "ChargeFrequency": pl.String(),
        "InvoiceIssuerName": pl.String(),
        "ProviderName": pl.String(),
        "PublisherName": pl.String(),
        "ServiceName": pl.String(),
        "ServiceCategory": pl.String(),
        "RegionId": pl.String(),
        "ResourceId": pl.String(),
        "ResourceName": pl.String(),
        "ResourceType": pl.String(),
        "SkuId": pl.String(),
        "PricingCategory": pl.String(),
        "PricingQuantity": pl.Float64(),
        "PricingUnit": pl.String(),
        "ConsumedQuantity": pl.Float64(),
        "ConsumedUnit": pl.String(),
        "BilledCost": pl.Float64(),
        "EffectiveCost": pl.Float64(),
        "ListCost": pl.Float64(),
        "ContractedCost": pl.Float64(),
        "BillingCurrency": pl.String(),
        "CommitmentDiscountId": pl.String(),
        "CommitmentDiscountType": pl.String(),
        "CommitmentDiscountStatus": pl.String(),
        "Tags": pl.String(),  # a JSON object
        # The rest of FOCUS 1.2, which only FOCUS bills state.
        "AvailabilityZone": pl.String(),
        "BillingAccountName": pl.String(),
        "BillingAccountType": pl.String(),
        "CapacityReservationId": pl.String(),
        "CapacityReservationStatus": pl.String(),
        "CommitmentDiscountCategory": pl.String(),
        "CommitmentDiscountName": pl.String(),
        "CommitmentDiscountQuantity": pl.Float64(),
        "CommitmentDiscountUnit": pl.String(),
        "ContractedUnitPrice": pl.Float64(),
        "InvoiceId": pl.String(),
        "ListUnitPrice": pl.Float64(),
        "PricingCurrency": pl.String(),
        "PricingCurrencyContractedUnitPrice": pl.Float64(),
        "PricingCurrencyEffectiveCost": pl.Float64(),
        "PricingCurrencyListUnitPrice": pl.Float64(),
        "RegionName": pl.String(),
        "ServiceSubcategory": pl.String(),
        "SkuMeter": pl.String(),
        "SkuPriceDetails": pl.String(),  # a JSON object
        "SkuPriceId": pl.String(),
        "SubAccountType": pl.String(),
        "x_UsageType": pl.String(),
        "x_Operation": pl.String(),
        "x_RecordType": pl.String(),  # the provider's own line item type
        "x_Source": pl.String(),  # cost_explorer, cur, focus
        # Which bill: "cost-explorer", or "file:<name>" for an ingested one. Bills are never summed together.
        "x_Dataset": pl.String(),
        "x_ChargeDate": pl.Date(),
        "x_Estimated": pl.Boolean(),
        "x_ObservedAt": UTC_TIME,
    },
    keys=(),
    partition=("x_Dataset", "x_ChargeDate"),
    # A day's hours of one resource side by side: a third less to store, half the time to decode (decisions/0006).
    order=("ResourceId", "x_UsageType"),
)

DAILY_COSTS = Table(
    "daily_costs",
    {
        "day": pl.Date(),
        "dataset": pl.String(),
        "account": pl.String(),
        "region": pl.String(),
        "service": pl.String(),
        "charge_category": pl.String(),
        "usage_family": pl.String(),  # analyzers/usage.py: hosting, training, ..., s3, ..., tax, or unattributed
        "resource_kind": pl.String(),  # endpoint, training_job, ... ; null = unattributed
        "resource_name": pl.String(),
        "resource_arn": pl.String(),
        "owner": pl.String(),
        "attribution": pl.String(),  # measured (bill names the resource), derived (shared by running hours), unattributed
        "billed_cost": pl.Float64(),
        "effective_cost": pl.Float64(),
        "currency": pl.String(),
        "estimated": pl.Boolean(),
        "list_cost": pl.Float64(),
        "contracted_cost": pl.Float64(),
        "team": pl.String(),
        "project": pl.String(),
        "owner_basis": pl.String(),  # which rule named the owner: "endpoint tag owner", "bill tag team", "execution role name"
        "parent_kind": pl.String(),  # pipeline, monitoring_schedule, hyper_parameter_tuning_job, auto_ml_job: the uppermost
        "parent_name": pl.String(),
        "parent_arn": pl.String(),
        "split_rule": pl.String(),  # which split of shared cost gave this row to its owner; null: none did
    },
    keys=(
        "day",
        "dataset",
        "account",
        "region",
        "service",
        "charge_category",
        "usage_family",
        "resource_kind",
        "resource_name",
        "resource_arn",
        "owner",
        "attribution",
        "currency",
        "team",
        "project",
        "owner_basis",
        "parent_arn",
        "split_rule",
    ),
    partition=("dataset", "day"),
    # A quarter less of time to write and a fifth less to store.
    varied=("resource_name", "resource_arn", "billed_cost", "effective_cost", "list_cost", "contracted_cost"),
)

BILL_VERSIONS = Table(
    "bill_versions",
    {
        "dataset": pl.String(),
        "period": pl.Date(),  # the first of the billing month
        "day": pl.Date(),
        "account": pl.String(),
        "service": pl.String(),
        "usage_type": pl.String(),
        "charge_category": pl.String(),
        "currency": pl.String(),
        "billed_cost": pl.Float64(),
        "effective_cost": pl.Float64(),
        "rows": pl.Int64(),
        "seen_at": UTC_TIME,
        "gone_at": UTC_TIME,  # null: still what the bill says
    },
    keys=("dataset", "period", "day", "account", "service", "usage_type", "charge_category", "currency", "seen_at"),
    partition=("dataset", "period"),
)

UNIT_COSTS = Table(
    "unit_costs",
    {
        "month": pl.Date(),  # its first day
        "dataset": pl.String(),
        "account": pl.String(),
        "region": pl.String(),
        "subject_kind": pl.String(),  # endpoint, endpoint_variant, training_family, pipeline, experiment ...
        "subject": pl.String(),
        "variant": pl.String(),
        "owner": pl.String(),
        "unit": pl.String(),  # what a unit is, "1,000 invocations"
        "currency": pl.String(),
        "quantity": pl.Float64(),  # how many of it; null = unknown
        # Usage of the days or runs that were counted: what the quantity cost. Null = unknown.
        "billed_cost": pl.Float64(),
        "effective_cost": pl.Float64(),
        "contracted_cost": pl.Float64(),
        "list_cost": pl.Float64(),
        "certainty": pl.String(),  # measured (the bill names the resource) or derived
        "counted": pl.String(),  # what found and expected are: days, hours, runs
        "found": pl.Int64(),
        "expected": pl.Int64(),
        "bill_days": pl.Int64(),  # days of the month that the bill has
        "provisional": pl.Boolean(),  # the bill of some of it may still be restated
        "unknown": pl.String(),  # why there is no cost per unit; null = there is one
    },
    keys=("month", "dataset", "account", "region", "subject_kind", "subject", "variant", "unit", "currency"),
    partition=("dataset", "month"),
)

ESTIMATES = Table(
    "estimates",
    {
        "day": pl.Date(),
        "account": pl.String(),
        "region": pl.String(),
        "usage_type": pl.String(),  # as on the bill, without the region before it
        "usage_family": pl.String(),
        "resource_kind": pl.String(),
        "resource_name": pl.String(),
        "resource_arn": pl.String(),
        "owner": pl.String(),
        "method": pl.String(),  # running, billable time, running so far, requests x ...
        "quantity": pl.Float64(),  # in the bill's unit: hours, GB-months, seconds
        "cost": pl.Float64(),  # null = unknown, and why
        "list_cost": pl.Float64(),
        "currency": pl.String(),
        "rate": pl.Float64(),  # per unit
        "rate_basis": pl.String(),
        "uncertainty": pl.Float64(),  # relative, of the rate
        "unknown": pl.String(),
        "running": pl.Float64(),  # how much of it ran at ``upto``; null where that is not asked
        "upto": UTC_TIME,  # the estimate covers the day up to here
        "observed_at": UTC_TIME,  # when it was made
    },
    keys=("day", "account", "region", "usage_type", "resource_kind", "resource_name"),
    partition=("day",),
)

RUN_RATES = Table(
    "run_rates",
    {
        "hour": UTC_TIME,
        "day": pl.Date(),
        "account": pl.String(),
        "region": pl.String(),
        "resource_kind": pl.String(),  # or all: their sum, also of an hour in which nothing ran
        "currency": pl.String(),
        "per_hour": pl.Float64(),  # running x effective rate or list price, when it was last looked in that hour
        "resources": pl.Int64(),
        "unknown": pl.Int64(),  # uses without a price: they are in no amount
        "observed_at": UTC_TIME,
    },
    keys=("hour", "account", "region", "resource_kind", "currency"),
    partition=("day",),
)

PRICES = Table(
    "prices",
    {
        "sku": pl.String(),  # ml.m5.xlarge/Hosting, or endpoint_storage ...
        "region": pl.String(),
        "effective_on": pl.Date(),  # when AWS published the list
        "unit_price": pl.Float64(),  # null: refused, the source says why
        "unit": pl.String(),  # Hrs
        "currency": pl.String(),
        "quality": pl.String(),  # list or refused
        "source": pl.String(),
    },
    keys=("sku", "region", "effective_on"),
    partition=("effective_on",),
)
