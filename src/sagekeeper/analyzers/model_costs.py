"""What each model costs inside an endpoint that hosts several: by what it reserves, or by how often it is asked.

In: daily costs of endpoints, observations of the inventory, what instance types are made of, and counted requests per model.
Out: rows of `MODEL_COST`; per bill, endpoint, day and currency they add up to the endpoint's own cost, in each of the four costs.

* One model on a variant: all of the variant.
* Inference components: accelerators reserved of those that its instances have; without any, CPU cores or memory, whichever part
  is larger (aws-facts 1.1). Parts of CPU and of memory may together exceed the machine: then all are cut alike. A component
  that stood a part of the day has that part.
* A multi-model endpoint: by the requests of that day that name their model. CloudWatch has no figures per model (aws-facts 1.1).

What nothing reserves, and requests that name no model, are *unallocated*: ``model`` is null and ``basis`` says why. Variants of
one endpoint share its cost by instances times list price, else by instances.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.attribution import AMOUNTS
from sagekeeper.core.errors import PriceUnknown
from sagekeeper.core.prices import PriceBook
from sagekeeper.core.tables import DAILY_COSTS

PAIR = ["account", "region", "endpoint", "day"]
MODEL_COST: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "dataset": pl.String(),
    "account": pl.String(),
    "region": pl.String(),
    "endpoint": pl.String(),
    "variant": pl.String(),
    "model": pl.String(),  # null: unallocated
    "component": pl.String(),  # the inference component that reserves it
    "basis": pl.String(),
    "share": pl.Float64(),  # of the endpoint's cost of that day
    "currency": pl.String(),
    **{name: DAILY_COSTS.columns[name] for name in AMOUNTS},
}
MACHINES = {
    "machine": pl.String,
    "vcpu": pl.Float64,
    "memory_mib": pl.Float64,
    "accelerators": pl.Float64,
    "usd": pl.Float64,
}
REQUESTS = {**dict.fromkeys((*PAIR[:3], "variant", "model"), pl.String), "day": pl.Date, "requests": pl.Int64}
VARIANT = pl.Struct(
    {
        "VariantName": pl.String(),
        "ModelName": pl.String(),
        "InstanceType": pl.String(),
        "InitialInstanceCount": pl.Float64(),
    }
)
ENDPOINT = pl.Struct(
    {
        "EndpointConfig": pl.Struct({"ProductionVariants": pl.List(VARIANT)}),
        "ProductionVariants": pl.List(pl.Struct({"VariantName": pl.String(), "CurrentInstanceCount": pl.Float64()})),
    }
)
COMPONENT = pl.Struct(
    {
        "EndpointName": pl.String(),
        "VariantName": pl.String(),
        "Specification": pl.Struct(
            {
                "ModelName": pl.String(),
                "ComputeResourceRequirements": pl.Struct(
                    {
                        "NumberOfCpuCoresRequired": pl.Float64(),
                        "NumberOfAcceleratorDevicesRequired": pl.Float64(),
                        "MinMemoryRequiredInMb": pl.Float64(),
                    }
                ),
            }
        ),
        "RuntimeConfig": pl.Struct({"DesiredCopyCount": pl.Float64(), "CurrentCopyCount": pl.Float64()}),
    }
)
CONTAINERS = pl.Struct(
    {"PrimaryContainer": pl.Struct({"Mode": pl.String()}), "Containers": pl.List(pl.Struct({"Mode": pl.String()}))}
)
DAY_SECONDS = 86_400
NOTHING = 1e-9


def model_costs(
    daily: pl.DataFrame, observations: pl.DataFrame, machines: pl.DataFrame, requests: pl.DataFrame
) -> pl.DataFrame:
    """``machines`` in the schema `MACHINES` (``usd`` an hour), ``requests`` in `REQUESTS`, where a null model is not named."""
    whole = _endpoint_days(daily)
    pairs = whole.select(PAIR).unique()
    variants = _variants(pairs, observations, machines)
    shares = pl.concat(
        [_only_models(variants), _components(variants, observations), _asked(variants, requests)], how="diagonal"
    ).filter(pl.col("share") > 0)
    kinds = variants.group_by(PAIR).agg(why=pl.col("why").drop_nulls().first())
    left = (
        pairs.join(shares.group_by(PAIR).agg(pl.col("share").sum()), on=PAIR, how="left")
        .join(kinds, on=PAIR, how="left")
        .with_columns(
            share=1.0 - pl.col("share").fill_null(0.0), basis=pl.col("why").fill_null("what it hosts is not known")
        )
        .filter(pl.col("share") > NOTHING)
        .drop("why")
    )
    found = whole.join(pl.concat([shares, left], how="diagonal"), on=PAIR, how="inner")
    return (
        found.with_columns(pl.col(*AMOUNTS) * pl.col("share"))
        .select(
            (pl.col(name) if name in found.columns else pl.lit(None)).cast(kind).alias(name)
            for name, kind in MODEL_COST.items()
        )
        .sort("day", "account", "region", "endpoint", "variant", "model", "component", nulls_last=True)
    )


def machines(prices: PriceBook) -> pl.DataFrame:
    """What each instance type is made of and costs an hour in us-east-1 (only ratios are used), in the schema `MACHINES`."""
    rows = []
    for spec in prices.specs():
        try:
            usd = prices.hourly(spec.instance_type, "Hosting", "us-east-1").usd
        except PriceUnknown:
            usd = None
        rows.append((spec.instance_type, spec.vcpu, spec.memory_mib, spec.gpus or spec.accelerators, usd))
    return pl.DataFrame(rows, schema=MACHINES, orient="row")


def _endpoint_days(daily: pl.DataFrame) -> pl.DataFrame:
    return (
        daily.filter((pl.col("resource_kind") == "endpoint") & (pl.col("charge_category") == "Usage"))
        .group_by("dataset", "day", "account", "region", "currency", endpoint="resource_name")
        .agg(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in AMOUNTS)
    )


def _then(pairs: pl.DataFrame, things: pl.DataFrame, name: str) -> pl.DataFrame:
    """Each pair with the observation of the thing in column ``name`` that was the last on its day, else the first after it."""
    key = ["account", "region", name]
    seen = things.rename({"name": name}).sort("observed_on").with_columns(since="observed_on")
    before = pairs.sort("day").join_asof(
        seen, left_on="day", right_on="since", by=key, strategy="backward", check_sortedness=False
    )
    known, early = before.filter(pl.col("since").is_not_null()), before.filter(pl.col("since").is_null())
    later = (
        early.select(pairs.columns)
        .sort("day")
        .join_asof(seen, left_on="day", right_on="since", by=key, strategy="forward", check_sortedness=False)
    )
    return pl.concat([known, later]).drop("since")


def _variants(pairs: pl.DataFrame, observations: pl.DataFrame, machines: pl.DataFrame) -> pl.DataFrame:
    """[*PAIR, variant, model, multi, machine's totals, count, part, seconds, why]; ``part`` is of the endpoint's cost."""
    seen = observations.filter(pl.col("kind") == "endpoint").select(
        "account", "region", "name", "config", "observed_on", born="created_at"
    )
    there = _then(pairs, seen, "endpoint").with_columns(pl.col("config").str.json_decode(ENDPOINT).struct.unnest())
    running = (
        there.select(*PAIR, v="ProductionVariants")
        .explode("v")
        .unnest("v")
        .select(*PAIR, variant="VariantName", runs="CurrentInstanceCount")
        .unique([*PAIR, "variant"])
    )
    told = (
        there.select(*PAIR, "born", v=pl.col("EndpointConfig").struct.field("ProductionVariants"))
        .filter(pl.col("v").list.len() > 0)
        .explode("v")
        .unnest("v")
        .rename({"VariantName": "variant", "ModelName": "model", "InstanceType": "machine"})
        .join(running, on=[*PAIR, "variant"], how="left")
        .with_columns(count=pl.coalesce("runs", "InitialInstanceCount"))
        .join(machines, on="machine", how="left")
    )
    several = observations.filter(pl.col("kind") == "model").select(
        "account", "region", "observed_on", pl.col("config").str.json_decode(CONTAINERS).struct.unnest(), model="name"
    )
    modes = pl.concat_list(
        pl.col("PrimaryContainer").struct.field("Mode").fill_null(""),
        pl.col("Containers").fill_null([]).list.eval(pl.element().struct.field("Mode").fill_null("")),
    )
    multi = (
        several.with_columns(multi=modes.list.contains("MultiModel"))
        .sort("observed_on")
        .unique(["account", "region", "model"], keep="last", maintain_order=True)
        .select("account", "region", "model", "multi")
    )
    weight = pl.col("count") * pl.col("usd")
    everywhere = [value.is_not_null().all().over(PAIR) for value in (weight, pl.col("count"))]
    return told.join(multi, on=["account", "region", "model"], how="left").with_columns(
        pl.col("multi").fill_null(False),
        part=pl.when(pl.len().over(PAIR) == 1)
        .then(1.0)
        .when(everywhere[0])
        .then(weight / weight.sum().over(PAIR))
        .when(everywhere[1])
        .then(pl.col("count") / pl.col("count").sum().over(PAIR))
        .fill_nan(None),
        seconds=_overlap("born", None),
        why=pl.when(pl.col("model").is_null())
        .then(pl.lit("reserved by no inference component"))
        .when(pl.col("multi"))
        .then(pl.lit("no counted request names a model")),
    )


def _only_models(variants: pl.DataFrame) -> pl.DataFrame:
    alone = variants.filter(pl.col("model").is_not_null() & ~pl.col("multi"))
    return alone.select(*PAIR, "variant", "model", share="part", basis=pl.lit("only model"))


def _components(variants: pl.DataFrame, observations: pl.DataFrame) -> pl.DataFrame:
    """What components reserved of the variants they stand on."""
    looked = observations.group_by("account", "region").agg(last_look=pl.col("observed_on").max())
    seen = observations.filter(pl.col("kind") == "inference_component").with_columns(
        pl.col("config").str.json_decode(COMPONENT).struct.unnest()
    )
    lives = (
        seen.group_by("account", "region", "name", "created_at")
        .agg(last=pl.col("observed_on").max(), last_at=pl.col("observed_at").max())
        .join(looked, on=["account", "region"])
        # One that a later look did not find is gone since some time after it was last seen.
        .with_columns(gone=pl.when(pl.col("last") < pl.col("last_look")).then("last_at"))
    )
    hosts = variants.filter(pl.col("model").is_null()).drop("model")
    place = seen.select(
        "account", "region", "name", "created_at", endpoint="EndpointName", variant="VariantName"
    ).unique()
    pairs = hosts.join(place, on=["account", "region", "endpoint", "variant"], how="inner")
    there = _then(
        pairs.rename({"name": "component"}),
        seen.select("account", "region", "name", "observed_on", "Specification", "RuntimeConfig", born_as="created_at"),
        "component",
    ).join(lives.rename({"name": "component"}), on=["account", "region", "component", "created_at"], how="left")
    needs = pl.col("Specification").struct.field("ComputeResourceRequirements").struct
    copies = pl.coalesce(
        pl.col("RuntimeConfig").struct.field("CurrentCopyCount"),
        pl.col("RuntimeConfig").struct.field("DesiredCopyCount"),
    )

    def reserved(field: str, there: str) -> pl.Expr:
        return needs.field(field) * copies / (pl.col(there) * pl.col("count"))

    chips = reserved("NumberOfAcceleratorDevicesRequired", "accelerators")
    by_chips = (needs.field("NumberOfAcceleratorDevicesRequired") > 0) & (pl.col("accelerators") > 0)
    general = pl.max_horizontal(
        reserved("NumberOfCpuCoresRequired", "vcpu"), reserved("MinMemoryRequiredInMb", "memory_mib")
    )
    part_of_day = (_overlap("created_at", "gone") / pl.col("seconds")).clip(0.0, 1.0)
    found = there.with_columns(
        reserved=(pl.when(by_chips).then(chips).otherwise(general) * part_of_day).fill_nan(None),
        basis=pl.when(by_chips).then(pl.lit("accelerators reserved")).otherwise(pl.lit("CPU or memory reserved")),
    ).filter(pl.col("reserved").is_finite() & (pl.col("reserved") > 0))
    scale = 1.0 / pl.col("reserved").sum().over(*PAIR, "variant").clip(lower_bound=1.0)
    return found.select(
        *PAIR,
        "variant",
        "component",
        "basis",
        model=pl.coalesce(pl.col("Specification").struct.field("ModelName"), "component"),
        share=pl.col("part") * pl.col("reserved") * scale,
    )


def _asked(variants: pl.DataFrame, requests: pl.DataFrame) -> pl.DataFrame:
    """The models of a multi-model variant, by requests that name them; the rest of the requests name none."""
    counted = requests.group_by(*PAIR, "variant", asked="model").agg(pl.col("requests").sum())
    shared = counted.with_columns(share=pl.col("requests") / pl.col("requests").sum().over(*PAIR, "variant"))
    return (
        variants.filter("multi")
        .drop("model")
        .join(shared.filter(pl.col("asked").is_not_null()), on=[*PAIR, "variant"], how="inner")
        .select(
            *PAIR,
            "variant",
            model="asked",
            basis=pl.lit("requests counted"),
            share=pl.col("part") * pl.col("share").fill_nan(0.0),
        )
    )


def _overlap(born: str, gone: str | None) -> pl.Expr:
    """Seconds of ``day`` that something stood. Unknown ends are open."""
    midnight = pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    after = midnight.dt.offset_by("1d")
    start = pl.max_horizontal(midnight, pl.col(born))
    end = pl.min_horizontal(after, pl.col(gone)) if gone else after
    return ((end - start).dt.total_microseconds() / 1e6).clip(0.0, float(DAY_SECONDS))
