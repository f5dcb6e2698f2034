"""The lake's tables, declared once: columns, types, keys, partition. Checked at every write (`core/lake.py`).

Costs carry FOCUS 1.2 column names; what FOCUS does not name is prefixed ``x_`` as FOCUS asks. Every other table uses snake
case and AWS's own words. Times are UTC. A null amount or value is *unknown*, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Table:
    """A declared table: ``partition`` columns decide what one atomic replacement can cover; ``keys`` are unique in it;
    within a partition, rows are stored in the ``order`` of these columns."""

    name: str
    columns: dict[str, pl.DataType]
    keys: tuple[str, ...]
    partition: tuple[str, ...]
    order: tuple[str, ...] = ()

    def empty(self) -> pl.DataFrame:
        """No rows, all columns."""
        return pl.DataFrame(schema=self.columns)


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

METRICS = Table(
    "metrics",
    {
        "account": pl.String(),
        "region": pl.String(),
        "resource_kind": pl.String(),  # endpoint
        "resource_name": pl.String(),  # EndpointName
        "variant": pl.String(),  # VariantName
        "metric": pl.String(),  # AWS's own name: Invocations, ModelLatency, CPUUtilization ...
        "statistic": pl.String(),  # Sum, Average, Maximum, SampleCount, p95, p99
        "period_seconds": pl.Int32(),
        "start": UTC_TIME,
        "day": pl.Date(),
        "value": pl.Float64(),  # null: asked for, no datapoint
        "unit": pl.String(),  # count, microseconds, percent (normalised 0-100 per core or GPU)
        "observed_at": UTC_TIME,
    },
    keys=(
        "account",
        "region",
        "resource_kind",
        "resource_name",
        "variant",
        "metric",
        "statistic",
        "period_seconds",
        "start",
    ),
    partition=("day",),
)

INVENTORY = Table(
    "inventory",
    {
        "account": pl.String(),
        "region": pl.String(),
        "kind": pl.String(),  # endpoint, model, inference_component, studio_app, pipeline, execution_role ...
        "name": pl.String(),
        "arn": pl.String(),
        "status": pl.String(),
        "created_at": UTC_TIME,
        "changed_at": UTC_TIME,
        "config": pl.String(),  # JSON: the answer of Describe, without transport fields
        "tags": pl.String(),  # JSON object
        "observed_on": pl.Date(),
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "kind", "name", "observed_on"),
    partition=("observed_on", "account", "region"),
)

JOBS = Table(
    "jobs",
    {
        "account": pl.String(),
        "region": pl.String(),
        "kind": pl.String(),  # training_job, processing_job, transform_job, hyper_parameter_tuning_job, pipeline_execution
        "name": pl.String(),
        "arn": pl.String(),
        "status": pl.String(),  # Completed, Failed, Stopped, InProgress
        "failure_reason": pl.String(),
        "instance_type": pl.String(),
        "instance_count": pl.Int32(),
        "volume_gb": pl.Int32(),
        "created_at": UTC_TIME,
        "started_at": UTC_TIME,
        "ended_at": UTC_TIME,
        "run_seconds": pl.Int64(),  # TrainingTimeInSeconds, or end - start for processing
        "billable_seconds": pl.Int64(),  # BillableTimeInSeconds; for processing = run_seconds
        "spot": pl.Boolean(),
        "checkpoint_s3_uri": pl.String(),
        "max_runtime_seconds": pl.Int64(),
        "max_wait_seconds": pl.Int64(),
        "image": pl.String(),
        "parent_arn": pl.String(),  # monitoring schedule, tuning job or pipeline execution
        "tags": pl.String(),
        "config": pl.String(),
        "month": pl.Date(),  # first day of the month of created_at
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "kind", "name"),
    partition=("month", "account", "region", "kind"),
)

TRIAL_COMPONENTS = Table(
    "trial_components",
    {
        "account": pl.String(),
        "region": pl.String(),
        "experiment": pl.String(),
        "trial": pl.String(),
        "component": pl.String(),
        "source_arn": pl.String(),  # the job it is of; null: somebody made it by hand
        "created_at": UTC_TIME,
        "month": pl.Date(),  # first day of the month of created_at
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "experiment", "trial", "component"),
    partition=("month", "account", "region"),
)

FEATURE_PROFILES = Table(
    "feature_profiles",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "variant": pl.String(),
        "feature": pl.String(),
        "role": pl.String(),  # baseline or capture
        "window_start": UTC_TIME,  # for a baseline: when it was made
        "window_end": UTC_TIME,
        "day": pl.Date(),
        "type": pl.String(),  # numeric or categorical
        "records": pl.Int64(),
        "missing": pl.Int64(),
        "mean": pl.Float64(),
        "std": pl.Float64(),  # population standard deviation (ddof 0), as Model Monitor publishes it
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "sketch": pl.Binary(),  # datasketches kll_doubles_sketch, serialised; null for categorical
        "categories": pl.String(),  # JSON {value: count}; null for numeric
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "variant", "feature", "role", "window_start"),
    partition=("day",),
)

TOKEN_USE = Table(
    "token_use",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "variant": pl.String(),
        "day": pl.Date(),
        "answers": pl.Int64(),  # captured
        "told": pl.Int64(),  # of them state their tokens
        "tokens": pl.Int64(),  # prompt and completion, of those
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "variant", "day"),
    partition=("day",),
)

MODEL_REQUESTS = Table(
    "model_requests",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "variant": pl.String(),
        "day": pl.Date(),
        "model": pl.String(),  # TargetModel as the caller told it; empty: the request does not name its model
        "requests": pl.Int64(),  # captured ones: a sample
        "upto": UTC_TIME,  # hours before this are counted
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "variant", "day", "model"),
    partition=("day",),
)

MONITOR_VIOLATIONS = Table(
    "monitor_violations",
    {
        "account": pl.String(),
        "region": pl.String(),
        "endpoint": pl.String(),
        "schedule": pl.String(),
        "execution_time": UTC_TIME,
        "day": pl.Date(),
        "feature": pl.String(),
        "check": pl.String(),  # constraint_check_type
        "description": pl.String(),
        "report_uri": pl.String(),
        "observed_at": UTC_TIME,
    },
    keys=("account", "region", "endpoint", "schedule", "execution_time", "feature", "check"),
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

TABLES: tuple[Table, ...] = (
    COSTS,
    DAILY_COSTS,
    BILL_VERSIONS,
    UNIT_COSTS,
    ESTIMATES,
    METRICS,
    INVENTORY,
    JOBS,
    TRIAL_COMPONENTS,
    FEATURE_PROFILES,
    TOKEN_USE,
    MODEL_REQUESTS,
    MONITOR_VIOLATIONS,
    PRICES,
)
