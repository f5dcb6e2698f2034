"""Which resource, and whose, each bill line is: daily costs by account, service, usage family, resource and owner.

In: bill rows (`COSTS`), observations of everything that ever stood (`INVENTORY`), `JOBS`, the rules for owners. Out:
`DAILY_COSTS`, with the same sum per bill, day, account and currency of each of the four costs. A line that names its resource
is *measured*. A line of instance hours or volume months that does not is shared over what ran that day in that account and
region on that instance type, by its hours (`running.py`): *derived*. Hours that nothing known can explain stay *unattributed*.
Usage types: `usage.py`; owners: `whose.py`; parents: `parents.py`.

The line's own quantity is the cap of all: hours that are only assumed are given no more than the sure ones leave over.
"""

from __future__ import annotations

import polars as pl

from sagekeeper.analyzers.owners import NAMES, OwnerRules, names_in, spelled
from sagekeeper.analyzers.parents import parents, uppermost
from sagekeeper.analyzers.running import LINE, running, runs
from sagekeeper.analyzers.usage import VOLUME, Kinds
from sagekeeper.analyzers.whose import Owners
from sagekeeper.core.tables import DAILY_COSTS

ARN = r"^arn:[\w-]+:([\w-]+):[^:]*:\d*:(.+)$"
SLACK = {True: 0.10, False: 0.005}
"""How far a line's quantity may exceed the known running time and still be all of it. Volumes: AWS divides by the hours of the
month itself (672 to 744), we by 730."""

VERSION = 5
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

MEASURED, DERIVED, UNATTRIBUTED = "measured", "derived", "unattributed"
PARTS = {"row": pl.Int64(), **DAILY_COSTS.columns, "since": pl.Date(), "until": pl.Date()}

LEAST = 1e-6
"""Amounts below this are what rounding left of a line that the bill gave to resources: they belong to nobody."""


def attribute(costs: pl.DataFrame, inventory: pl.DataFrame, jobs: pl.DataFrame, rules: OwnerRules) -> pl.DataFrame:
    """``costs`` by day and resource, in the schema `DAILY_COSTS`. For several lots of days: one `Attribution`, asked for each."""
    return Attribution(inventory, jobs, rules).of(costs)


class Attribution:
    """What stood and what ran, read once: most of the work where there are many resources, and the same for every day.

    ``inventory`` holds observations: of each life of a resource at least the last, and the first of each state it was in.
    """

    def __init__(self, inventory: pl.DataFrame, jobs: pl.DataFrame, rules: OwnerRules) -> None:
        # Read from many files, they come in as many pieces: what follows takes a multiple of the time on those.
        inventory, jobs = inventory.rechunk(), jobs.rechunk()
        links = parents(jobs)
        self._rules, self._tops, self._kinds = rules, uppermost(links), Kinds()
        self._known, self._runs = _known(inventory, jobs), runs(inventory, jobs)
        self._owners = Owners(inventory, jobs, links, rules)

    def of(self, costs: pl.DataFrame) -> pl.DataFrame:
        """``costs`` (rows of `COSTS`, or sums of them) by day and resource, in the schema `DAILY_COSTS`."""
        return summed(self.parts(costs)).sort(DAILY_COSTS.keys)

    def parts(self, costs: pl.DataFrame) -> pl.DataFrame:
        """`PARTS`: each line whole, or split over what it was for; ``row`` counts the lines of ``costs``.

        A line that names its resource is one part, in which nothing but the amounts is of that day alone: it is given to the same
        on all days from ``since`` (null: from ever) until before ``until`` (null: for ever).
        """
        if costs.is_empty():
            return pl.DataFrame(schema=PARTS)
        lines = self._kinds.of(_lines(costs, self._rules)).drop("usage_type", "description")
        named = _named(lines.filter(pl.col("arn").is_not_null()), self._known)
        shared = _shared(lines.filter(pl.col("arn").is_null()).drop("arn"), self._runs)
        parts = _owned(pl.concat([named, shared], how="diagonal_relaxed"), self._owners)
        parts = parts.join(self._tops, on="key", how="left", maintain_order="left")
        return parts.select(pl.col(name).cast(dtype) for name, dtype in PARTS.items())


def summed(parts: pl.DataFrame) -> pl.DataFrame:
    """`PARTS` summed to rows of `DAILY_COSTS`, in any order."""
    return (
        parts.group_by(DAILY_COSTS.keys)
        .agg(
            # A null amount is unknown and stays unknown only where nothing at all is known.
            *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in AMOUNTS),
            pl.col("estimated").any(),
            pl.col("parent_kind", "parent_name").first(),
        )
        .select(DAILY_COSTS.columns.keys())
    )


def _lines(costs: pl.DataFrame, rules: OwnerRules) -> pl.DataFrame:
    resource = pl.col("ResourceId").replace(["", "NoResourceId"], None)
    words = pl.col("ChargeDescription") if "ChargeDescription" in costs.columns else pl.lit(None, pl.String)
    lines = costs.select(
        row=pl.int_range(pl.len(), dtype=pl.Int64),
        day="x_ChargeDate",
        dataset="x_Dataset",
        account="SubAccountId",
        region="RegionId",
        service="ServiceName",
        charge_category="ChargeCategory",
        usage_type="x_UsageType",
        description=words,
        arn=resource,
        tags="Tags",
        quantity="ConsumedQuantity",
        **AMOUNTS,
        currency="BillingCurrency",
        estimated=pl.col("x_Estimated").fill_null(False),
    )
    told = names_in(lines["tags"], rules, of_bill=True).select(
        "tags",
        *(spelled(pl.col(name), rules).alias(f"bill_{name}") for name in NAMES),
        bill_basis=pl.lit("bill tag ") + pl.col("named_by"),
    )
    return lines.join(told, on="tags", how="left", nulls_equal=True, maintain_order="left").drop("tags")


def _known(inventory: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """[key, known_kind, known_name]: SageMaker writes some ARNs in lower case, they are compared so."""
    known = pl.concat(
        frame.select(key=pl.col("arn").str.to_lowercase(), known_kind="kind", known_name="name")
        for frame in (inventory, jobs)
    ).filter(pl.col("key").is_not_null() & (pl.col("key") != ""))
    return known.unique("key", keep="last", maintain_order=True)


def _named(lines: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Lines that name their resource, with its kind and name as the inventory knows them, else as the ARN says."""
    service, path = pl.col("arn").str.extract(ARN, 1), pl.col("arn").str.extract(ARN, 2)
    kind = pl.when(path.str.contains("[:/]")).then(path.str.extract(r"^([^:/]+)", 1).str.replace_all("-", "_"))
    name = path.str.replace(r"^[^:/]+[:/]", "")
    return (
        lines.with_columns(key=pl.col("arn").str.to_lowercase())
        .join(known, on="key", how="left", maintain_order="left")
        .with_columns(
            resource_kind=pl.coalesce("known_kind", kind, service, pl.lit("resource")),
            resource_name=pl.coalesce("known_name", name, "arn"),
            resource_arn="arn",
            attribution=pl.lit(MEASURED),
        )
        .drop("component", "machine", "quantity", "key", "arn", "known_kind", "known_name")
    )


def _owned(rows: pl.DataFrame, owners: Owners) -> pl.DataFrame:
    """Whose each row is: by its resource's own tags that day, by the bill's, by those of what the resource belongs to."""
    keyed = rows.with_columns(key=pl.col("resource_arn").str.to_lowercase())
    asked = keyed.select("key", "day").drop_nulls("key").unique()
    told = keyed.join(owners.of(asked), on=["key", "day"], how="left", maintain_order="left")
    basis = [pl.when(pl.col(f"{where}owner").is_not_null()).then(f"{where}basis") for where in ("own_", "bill_", "")]
    return told.with_columns(
        owner_basis=pl.coalesce(*basis),
        split_rule=pl.lit(None, pl.String),
        **{name: pl.coalesce(f"own_{name}", f"bill_{name}", name) for name in NAMES},
    )


def _shared(lines: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
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
    machines = keyed.filter("usable").select(LINE[1:]).unique()
    ran = running(runs.join(machines, on=LINE[1:], how="semi"), keyed["day"])
    amount, sure = pl.col("amount"), pl.col("sure")
    totals = ran.group_by(LINE).agg(sure_known=amount.filter(sure).sum(), unsure_known=amount.filter(~sure).sum())
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
        matched.join(ran, on=list(LINE), how="inner")
        .with_columns(
            share=pl.when(pl.col("given") > 0).then(pl.col("explained") * part / pl.col("given")).otherwise(0.0),
            resource_kind="kind",
            resource_name="name",
            resource_arn="arn",
            attribution=pl.lit(DERIVED),
        )
        .filter(pl.col("share") > 0)
    )
    rest = matched.filter(pl.col("explained") < 1.0).with_columns(share=1.0 - pl.col("explained"))
    alone = keyed.join(matched.select("row"), on="row", how="anti").with_columns(share=pl.lit(1.0))
    parts = pl.concat([split, rest, alone], how="diagonal_relaxed").with_columns(
        pl.col("attribution").fill_null(UNATTRIBUTED)
    )
    return parts.with_columns(pl.col(*AMOUNTS) * pl.col("share"))
