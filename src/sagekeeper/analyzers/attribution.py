"""Which resource, and whose, each bill line is: daily costs by account, service, usage family, resource and owner.

In: bill rows (`COSTS`), everything that ever stood (`INVENTORY`), `JOBS`, the owner tags. Out: `DAILY_COSTS`, with the same sum
per bill, day, account and currency of each of the four costs. A line that names its resource is *measured*. A line of
instance hours or volume months that does not is shared over what ran that day in that account and region on that instance
type, by its hours: *derived*. Hours that nothing known can explain stay *unattributed*. Usage types: `usage.py`.

An endpoint's instance count before its last change is not recorded: today's is assumed, but only for hours of the line that those
whose count is sure leave over. The line's own quantity is the cap of all.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.usage import VOLUME, with_usage
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.core.types import HOURS_PER_MONTH

ARN = r"^arn:[\w-]+:([\w-]+):[^:]*:\d*:(.+)$"
SLACK = {True: 0.10, False: 0.005}
"""How far a line's quantity may exceed the known running time and still be all of it. Volumes: AWS divides by the hours of the
month itself (672 to 744), we by 730."""

VERSION = 2
"""Of the rules below: raised when days that were attributed before would come out differently."""
COLUMNS = (
    "x_Dataset",
    "x_ChargeDate",
    "SubAccountId",
    "RegionId",
    "ServiceName",
    "ChargeCategory",
    "ChargeDescription",
    "x_UsageType",
    "ResourceId",
    "Tags",
    "BillingCurrency",
)
"""What of a bill row is looked at, beside `AMOUNTS`, ConsumedQuantity and x_Estimated: rows that agree in these may be summed
before. Without ChargeDescription a warm pool that only the line's words tell from training is training."""
AMOUNTS = {
    "billed_cost": "BilledCost",
    "effective_cost": "EffectiveCost",
    "list_cost": "ListCost",
    "contracted_cost": "ContractedCost",
}
"""The four costs, by the names of `DAILY_COSTS` and of `COSTS`. Each is split and summed alike; none stands in for another."""

VARIANT = pl.Struct(
    {
        "InstanceType": pl.String(),
        "InitialInstanceCount": pl.Float64(),
        "CurrentInstanceCount": pl.Float64(),
        "VolumeSizeInGB": pl.Float64(),
    }
)
ENDPOINT = pl.Struct(
    {
        "EndpointConfig": pl.Struct(
            {
                "ProductionVariants": pl.List(VARIANT),
                "AsyncInferenceConfig": pl.Struct({"OutputConfig": pl.Struct({"S3OutputPath": pl.String()})}),
            }
        )
    }
)
NOTEBOOK = pl.Struct({"InstanceType": pl.String(), "VolumeSizeInGB": pl.Float64()})
LINE = ("day", "account", "region", "component", "machine")
RUN = {
    "kind": pl.String(),
    "name": pl.String(),
    "arn": pl.String(),
    "owner": pl.String(),
    "account": pl.String(),
    "region": pl.String(),
    "component": pl.String(),
    "machine": pl.String(),
    "size": pl.Float64(),
    "starts": pl.Datetime("us", "UTC"),
    "ends": pl.Datetime("us", "UTC"),
    "sure_from": pl.Datetime("us", "UTC"),
}
LEAST = 1e-6
"""Amounts below this are what rounding left of a line that the bill gave to resources: they belong to nobody."""
COMES_INTO_SERVICE = "2h"
"""An endpoint whose last change is this close to its creation has never been changed: it was coming into service."""


def attribute(
    costs: pl.DataFrame, inventory: pl.DataFrame, jobs: pl.DataFrame, owner_tags: tuple[str, ...]
) -> pl.DataFrame:
    """``costs`` by day and resource, in the schema `DAILY_COSTS`."""
    if costs.is_empty():
        return DAILY_COSTS.empty()
    lines = _lines(costs, owner_tags)
    named = _named(lines.filter(pl.col("arn").is_not_null()), _known(inventory, jobs, owner_tags))
    nameless = lines.filter(pl.col("arn").is_null()).drop("arn", "bill_owner")
    shared = _shared(nameless, _running(inventory, jobs, owner_tags, lines["day"]))
    return (
        pl.concat([named, shared], how="diagonal_relaxed")
        .group_by(DAILY_COSTS.keys)
        .agg(
            # A null amount is unknown and stays unknown only where nothing at all is known.
            *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in AMOUNTS),
            pl.col("estimated").any(),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in DAILY_COSTS.columns.items())
        .sort(DAILY_COSTS.keys)
    )


def owner(tags: str, owner_tags: tuple[str, ...]) -> pl.Expr:
    """The first of ``owner_tags`` that the JSON object in column ``tags`` has, or null."""
    asked = [name for name in owner_tags if "'" not in name and "\\" not in name]
    found = [pl.col(tags).str.json_path_match(f"$['{name}']") for name in asked]
    return pl.coalesce(*found, pl.lit(None, dtype=pl.String))


def _lines(costs: pl.DataFrame, owner_tags: tuple[str, ...]) -> pl.DataFrame:
    resource = pl.col("ResourceId").replace(["", "NoResourceId"], None)
    told = pl.col("ChargeDescription") if "ChargeDescription" in costs.columns else pl.lit(None, pl.String)
    lines = costs.select(
        row=pl.int_range(pl.len(), dtype=pl.Int64),
        day="x_ChargeDate",
        dataset="x_Dataset",
        account="SubAccountId",
        region="RegionId",
        service="ServiceName",
        charge_category="ChargeCategory",
        usage_type="x_UsageType",
        description=told,
        arn=resource,
        bill_owner=owner("Tags", owner_tags),
        quantity="ConsumedQuantity",
        **AMOUNTS,
        currency="BillingCurrency",
        estimated=pl.col("x_Estimated").fill_null(False),
    )
    return with_usage(lines).drop("usage_type", "description")


def _known(inventory: pl.DataFrame, jobs: pl.DataFrame, owner_tags: tuple[str, ...]) -> pl.DataFrame:
    """Everything with an ARN, once. SageMaker writes some ARNs in lower case: they are compared so."""
    things = [
        frame.select(
            key=pl.col("arn").str.to_lowercase(), known_kind="kind", known_name="name", owner=owner("tags", owner_tags)
        )
        for frame in (inventory, jobs)
    ]
    return pl.concat(things).filter(pl.col("key").is_not_null() & (pl.col("key") != "")).unique("key", keep="last")


def _named(lines: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    service, path = pl.col("arn").str.extract(ARN, 1), pl.col("arn").str.extract(ARN, 2)
    kind = pl.when(path.str.contains("[:/]")).then(path.str.extract(r"^([^:/]+)", 1).str.replace_all("-", "_"))
    name = path.str.replace(r"^[^:/]+[:/]", "")
    joined = lines.with_columns(key=pl.col("arn").str.to_lowercase()).join(known, on="key", how="left")
    return joined.select(
        pl.exclude("row", "component", "machine", "quantity", "key", "arn", "bill_owner", "known_kind", "known_name"),
        resource_kind=pl.coalesce("known_kind", kind, service, pl.lit("resource")),
        resource_name=pl.coalesce("known_name", name, "arn"),
        resource_arn="arn",
        attribution=pl.lit("measured"),
    ).with_columns(owner=pl.coalesce("owner", joined["bill_owner"]))


def _running(inventory: pl.DataFrame, jobs: pl.DataFrame, owner_tags: tuple[str, ...], days: pl.Series) -> pl.DataFrame:
    """What ran on each of ``days``: `LINE`, resource, and ``amount`` in the unit of the bill line (hours, GB-months)."""
    stood = _standing(inventory, owner_tags)
    worked = _worked(jobs, owner_tags)
    runs = pl.concat([*stood, *worked]).filter(pl.col("size") > 0, pl.col("ends") > pl.col("starts"))
    calendar = pl.DataFrame({"day": days.unique().sort()}).with_columns(
        midnight=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    end_of_day = pl.col("midnight").dt.offset_by("1d")
    overlapping = runs.join_where(
        calendar.with_columns(next_midnight=end_of_day),
        pl.col("starts") < pl.col("next_midnight"),
        pl.col("ends") > pl.col("midnight"),
    )
    seconds = (
        pl.min_horizontal("ends", "next_midnight") - pl.max_horizontal("starts", "midnight")
    ).dt.total_microseconds() / 1e6
    volume = pl.col("machine") == VOLUME
    hours = seconds / 3600 * pl.col("size")
    unchanged = pl.col("sure_from") <= pl.col("starts").dt.offset_by(COMES_INTO_SERVICE)
    return overlapping.with_columns(
        amount=pl.when(volume).then(hours / HOURS_PER_MONTH).otherwise(hours),
        sure=(unchanged | (pl.col("midnight") >= pl.col("sure_from"))).fill_null(True),
    ).select(*LINE, "kind", "name", "arn", "owner", "amount", "sure")


def _standing(inventory: pl.DataFrame, owner_tags: tuple[str, ...]) -> list[pl.DataFrame]:
    """Endpoints and notebooks, from creation until they were last seen, or on and on while they are there."""
    newest = pl.col("observed_at").max().over("account", "region")
    latest_day = pl.col("observed_on").max().over("account", "region")
    seen = inventory.with_columns(
        owner=owner("tags", owner_tags),
        starts=pl.col("created_at"),
        # One that a later look did not find is gone since some time after it was last seen. The rest may run on: a day beyond.
        ends=pl.when(pl.col("observed_on") < latest_day).then("observed_at").otherwise(newest.dt.offset_by("2d")),
    )
    endpoints = seen.filter(pl.col("kind") == "endpoint").with_columns(
        detail=pl.col("config").str.json_decode(ENDPOINT).struct.field("EndpointConfig")
    )
    asynchronous = pl.col("detail").struct.field("AsyncInferenceConfig").is_not_null()
    variants = (
        endpoints.with_columns(
            component=pl.when(asynchronous).then(pl.lit("AsyncInf")).otherwise(pl.lit("Host")),
            variant=pl.col("detail").struct.field("ProductionVariants"),
        )
        .filter(pl.col("variant").list.len() > 0)
        .explode("variant")
        .unnest("variant")
        .with_columns(count=pl.coalesce("CurrentInstanceCount", "InitialInstanceCount"))
        .filter(pl.col("InstanceType").is_not_null())
        .with_columns(sure_from=pl.coalesce("changed_at", "created_at"))
    )
    notebooks = (
        seen.filter(pl.col("kind") == "notebook_instance")
        .with_columns(pl.col("config").str.json_decode(NOTEBOOK), component=pl.lit("Notebk"))
        .unnest("config")
    )
    # When a stopped notebook ran is not known; since when a running one does, is (it changed when it was started).
    on = notebooks.filter(pl.col("status") == "InService").with_columns(starts=pl.coalesce("changed_at", "created_at"))
    return [
        _runs(variants, pl.col("InstanceType"), pl.col("count")),
        _runs(variants, pl.lit(VOLUME), pl.col("VolumeSizeInGB") * pl.col("count")),
        _runs(on, pl.col("InstanceType"), pl.lit(1.0)),
        _runs(notebooks, pl.lit(VOLUME), pl.col("VolumeSizeInGB")),
    ]


def _worked(jobs: pl.DataFrame, owner_tags: tuple[str, ...]) -> list[pl.DataFrame]:
    """Jobs, from start to end, weighted so that their hours are the billable ones (spot pays for less than it runs)."""
    component = pl.col("kind").replace_strict(
        {"training_job": "Train", "processing_job": "Processing", "transform_job": "Tsform"}, default=None
    )
    wall = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6
    timed = jobs.filter(pl.col("started_at").is_not_null() & pl.col("ended_at").is_not_null()).with_columns(
        owner=owner("tags", owner_tags),
        component=component,
        starts="started_at",
        ends="ended_at",
        billed_share=pl.coalesce("billable_seconds", "run_seconds") / wall,
    )
    count = pl.col("instance_count").cast(pl.Float64)
    return [
        _runs(timed, pl.col("instance_type"), count * pl.col("billed_share")),
        _runs(timed, pl.lit(VOLUME), pl.col("volume_gb").cast(pl.Float64) * count),
    ]


def _runs(things: pl.DataFrame, machine: pl.Expr, size: pl.Expr) -> pl.DataFrame:
    if "sure_from" not in things.columns:
        things = things.with_columns(sure_from="starts")
    return things.with_columns(machine=machine, size=size.cast(pl.Float64)).select(
        pl.col(name).cast(dtype) for name, dtype in RUN.items()
    )


def _shared(lines: pl.DataFrame, running: pl.DataFrame) -> pl.DataFrame:
    """Each line's cost over what ran, in proportion; the part of its quantity that nothing explains stays without a resource."""
    usable = (
        pl.col("service").str.contains("SageMaker")
        & (pl.col("charge_category") == "Usage")
        & pl.col("component").is_not_null()
        & pl.any_horizontal(pl.col(*AMOUNTS).abs() >= LEAST)
    )
    # A day's quantity of one machine may come on several lines (operations): together they are what ran.
    keyed = lines.with_columns(
        usable=usable.fill_null(False),
        whole=pl.col("quantity").sum().over("dataset", *LINE),
    )
    amount, sure = pl.col("amount"), pl.col("sure")
    totals = running.group_by(LINE).agg(sure_known=amount.filter(sure).sum(), unsure_known=amount.filter(~sure).sum())
    matched = keyed.filter("usable").join(totals, on=list(LINE), how="inner")
    stated = pl.col("whole").is_not_null() & (pl.col("whole") > 0)
    left_over = (pl.col("whole") - pl.col("sure_known")).clip(lower_bound=0.0)
    matched = matched.with_columns(
        # Of what is sure and of what is only assumed: how much of it the line's quantity has room for.
        sure_part=pl.when(stated).then((pl.col("whole") / pl.col("sure_known")).clip(upper_bound=1.0)).otherwise(1.0),
        unsure_part=pl.when(stated).then((left_over / pl.col("unsure_known")).clip(upper_bound=1.0)).otherwise(1.0),
    ).with_columns(
        given=pl.col("sure_known") * pl.col("sure_part").fill_nan(0.0)
        + pl.col("unsure_known") * pl.col("unsure_part").fill_nan(0.0)
    )
    slack = pl.when(pl.col("machine") == VOLUME).then(1 + SLACK[True]).otherwise(1 + SLACK[False])
    short = stated & (pl.col("whole") > pl.col("given") * slack)
    matched = matched.with_columns(explained=pl.when(short).then(pl.col("given") / pl.col("whole")).otherwise(1.0))
    part = amount * pl.when(sure).then("sure_part").otherwise("unsure_part")
    split = (
        matched.join(running, on=list(LINE), how="inner")
        .with_columns(
            share=pl.when(pl.col("given") > 0).then(pl.col("explained") * part / pl.col("given")).otherwise(0.0),
            resource_kind="kind",
            resource_name="name",
            resource_arn="arn",
            attribution=pl.lit("derived"),
        )
        .filter(pl.col("share") > 0)
    )
    rest = matched.filter(pl.col("explained") < 1.0).with_columns(share=1.0 - pl.col("explained"))
    alone = keyed.join(matched.select("row"), on="row", how="anti").with_columns(share=pl.lit(1.0))
    parts = pl.concat([split, rest, alone], how="diagonal_relaxed").with_columns(
        pl.col("attribution").fill_null("unattributed")
    )
    return parts.with_columns(pl.col(*AMOUNTS) * pl.col("share")).select(
        pl.col(name).cast(dtype) for name, dtype in DAILY_COSTS.columns.items()
    )
