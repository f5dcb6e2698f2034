"""What was done to what costs money: made, resized, deleted, started, tagged anew, and by whom where that is known.

In: the inventory's states over time (`collector/history.py`: the first look at each state, the last of each life) and jobs.
Out: `EVENTS`, one row per change, oldest first. An exact time is AWS's own (CreationTime, LastModifiedTime); where AWS keeps
none (tags, a deletion) it is the look that saw it. ``planned`` says why a change was meant, where its tags say so: of a
change to what stood already only tags that are new with it, or those of the configuration that it brought; a tag from when the
thing was made excuses nothing that comes later. ``by`` is who asked for it, from CloudTrail's history, else the Studio user
profile that SageMaker itself writes into the tags; ``role`` is what it runs as, which is not who did it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from sagekeeper.analyzers.endpoints import described
from sagekeeper.analyzers.facts import EVENTS
from sagekeeper.analyzers.owners import owner, spellings, tag
from sagekeeper.analyzers.parents import parents

TIME = pl.Datetime("us", "UTC")
PLANNED_TAGS = ("change", "change-id", "deployment", "release", "aws:cloudformation:stack-name")
"""Tags by which somebody, or what deploys, says that this was meant."""
KINDS = ("endpoint", "notebook_instance", "studio_app", "inference_component")
"""What costs money by standing there."""
USER = "sagemaker:user-profile-arn"
"""SageMaker writes it on what is made from Studio."""
VERBS = {
    "created": "Create",
    "job_started": "Create",
    "resized": "Update",
    "scaled": "Update",
    "changed": "Update",
    "started": "Start",
}
"""How the call begins that asks for it."""
TAKES, SAME_MOMENT = timedelta(days=1), timedelta(minutes=5)
"""How long after the call a thing may change (jobs wait for machines), and how far clocks are apart."""
SETTLES = timedelta(hours=2)
"""A last change this close to creation is its coming into service."""
LIFE = ["account", "region", "kind", "name", "created_at"]
RUNNING = ("InService", "Running", "Updating", "Creating", "SystemUpdating", "RollingBack", "Pending")


def events_of(
    states: pl.DataFrame,
    jobs: pl.DataFrame,
    activity: pl.DataFrame,
    owner_tags: tuple[str, ...],
    planned_tags: Sequence[str] = PLANNED_TAGS,
) -> pl.DataFrame:
    """`EVENTS` of ``states`` (rows of `INVENTORY`, with ``endpoint_config`` among their kinds), ``jobs`` (rows of `JOBS`) and
    ``activity`` (rows of `ACTIVITY`)."""
    found = pl.concat([_of_things(states, owner_tags, planned_tags), _of_jobs(jobs, owner_tags, planned_tags)])
    return _with_who(found, activity).sort("at", "account", "region", "resource_kind", "name", "kind")


def _with_who(found: pl.DataFrame, activity: pl.DataFrame) -> pl.DataFrame:
    """By whom, where a call for such a change came shortly before it."""
    keys = ["account", "region", "resource_kind", "name", "verb"]
    calls = activity.select(
        "account",
        "region",
        "resource_kind",
        name="resource_name",
        verb=pl.col("operation").str.extract("^(Create|Update|Start)"),
        called=pl.col("at").cast(TIME),
        caller="by",
    ).filter(pl.col("caller").is_not_null() & pl.col("verb").is_not_null())
    asked = found.with_columns(
        verb=pl.col("kind").replace_strict(VERBS, default=None, return_dtype=pl.String),
        until=pl.col("at") + SAME_MOMENT,
    )
    both = asked.sort("until").join_asof(
        calls.sort("called"), left_on="until", right_on="called", by=keys, strategy="backward", tolerance=TAKES,
        check_sortedness=False,
    )  # fmt: skip
    return both.with_columns(by=pl.coalesce("caller", "by")).select(*EVENTS)


def _of_things(states: pl.DataFrame, owner_tags: tuple[str, ...], planned_tags: Sequence[str]) -> pl.DataFrame:
    things = states.filter(pl.col("kind").is_in(KINDS)).with_columns(
        owner=owner("tags", owner_tags),
        by="user profile " + tag("tags", USER).str.extract(r"([^/]+)$"),
        role=pl.coalesce(
            pl.col("config").str.json_path_match("$.RoleArn"),
            pl.col("config").str.json_path_match("$.Models.*.ExecutionRoleArn"),
        ).str.extract(r"role/(?:.*/)?([^/]+)$"),
        meant=_meant("tags", planned_tags),
        set_up=pl.col("config").str.json_path_match("$.EndpointConfigName"),
        models=pl.col("config").str.json_path_match("$.Models"),
        runs=pl.col("status").is_in(RUNNING),
    )
    shaped = things.join(_shapes(things, owner_tags), on=[*LIFE, "observed_on"], how="left", nulls_equal=True)
    configured = _configurations(states, planned_tags)
    both = (
        shaped.join(configured, on=["account", "region", "set_up"], how="left")
        .sort(*LIFE, "observed_on")
        .with_columns(
            first=pl.int_range(pl.len()).over(LIFE) == 0,
            last=pl.int_range(pl.len(), 0, -1).over(LIFE) == 1,
            newest=pl.col("observed_on").max().over("account", "region"),
            **{f"old_{name}": pl.col(name).shift().over(LIFE) for name in COMPARED},
        )
    )
    return pl.concat(_kinds_of_change(both))


COMPARED = ("shape", "instances", "models", "set_up", "meant", "owner", "tags", "runs", "status")


def _kinds_of_change(states: pl.DataFrame) -> list[pl.DataFrame]:
    """One frame of `EVENTS` per kind of change."""
    later = states.filter(~pl.col("first"))
    new_shape = pl.col("shape").ne_missing(pl.col("old_shape"))
    other_setup = pl.col("set_up").ne_missing(pl.col("old_set_up")) | (
        pl.col("models").ne_missing(pl.col("old_models"))
    )
    new_tags = pl.col("tags").ne_missing(pl.col("old_tags"))
    new_owner = pl.col("owner").ne_missing(pl.col("old_owner"))
    changed, seen, made = pl.col("changed_at"), pl.col("observed_at"), pl.coalesce("created_at", "observed_at")
    meant_now = pl.coalesce(
        pl.when(pl.col("meant").ne_missing(pl.col("old_meant"))).then("meant"),
        pl.when(pl.col("set_up").ne_missing(pl.col("old_set_up"))).then("set_up_meant"),
    )
    nothing = pl.lit(None, dtype=pl.String)
    instances, old_instances = (
        pl.col(name).cast(pl.String)
        + pl.when(pl.col(name) == 1).then(pl.lit(" instance")).otherwise(pl.lit(" instances"))
        for name in ("instances", "old_instances")
    )
    # Within one configuration the number of instances is moved by scaling, or by hand.
    scaled = ~new_shape & ~other_setup & (pl.col("instances") != pl.col("old_instances"))
    return [
        _rows(
            states.filter("first"), "created", made, nothing, pl.col("shape"),
            pl.coalesce("meant", "set_up_meant"), exact=pl.col("created_at").is_not_null(),
        ),
        # Changed before anybody looked: what it was then is not known.
        _rows(
            states.filter(pl.col("first") & (changed > pl.col("created_at") + SETTLES)), "changed", changed, nothing,
            pl.col("shape"), nothing,
        ),
        _rows(later.filter(new_shape), "resized", changed, pl.col("old_shape"), pl.col("shape"), meant_now),
        _rows(
            later.filter(other_setup & ~new_shape), "changed", changed, pl.col("old_set_up"), pl.col("set_up"), meant_now
        ),
        _rows(later.filter(scaled), "scaled", changed, old_instances, instances, meant_now),
        _rows(
            later.filter(pl.col("runs") & ~pl.col("old_runs")), "started", changed, pl.col("old_status"), pl.col("shape"),
            meant_now,
        ),
        _rows(
            later.filter(~pl.col("runs") & pl.col("old_runs")), "stopped", changed, pl.col("shape"), pl.col("status"),
            nothing,
        ),
        _rows(
            later.filter(new_tags & new_owner), "owner_changed", seen, pl.col("old_owner"), pl.col("owner"), nothing,
            exact=pl.lit(False),
        ),
        _rows(
            later.filter(new_tags & ~new_owner), "retagged", seen, pl.col("old_tags"), pl.col("tags"), nothing,
            exact=pl.lit(False),
        ),
        _rows(
            states.filter(pl.col("last") & (pl.col("observed_on") < pl.col("newest"))), "deleted", seen, pl.col("shape"),
            nothing, nothing, exact=pl.lit(False),
        ),
    ]  # fmt: skip


def _rows(
    of: pl.DataFrame,
    kind: str,
    at: pl.Expr,
    before: pl.Expr,
    after: pl.Expr,
    planned: pl.Expr,
    exact: pl.Expr | None = None,
) -> pl.DataFrame:
    return of.select(
        at=at.cast(TIME),
        exact=pl.lit(True) if exact is None else exact,
        kind=pl.lit(kind),
        account="account",
        region="region",
        resource_kind="kind",
        name="name",
        before=before,
        after=after,
        by="by",
        role="role",
        owner="owner",
        planned=planned,
    ).select(*EVENTS)


def _shapes(things: pl.DataFrame, owner_tags: tuple[str, ...]) -> pl.DataFrame:
    """[*LIFE, observed_on, shape, instances]: what it is to run on, as "2 x ml.g5.2xlarge", and how many instances run."""
    counted = (
        pl.element().struct.field("InitialInstanceCount").cast(pl.String)
        + " x "
        + pl.element().struct.field("InstanceType")
    )
    looks = things.filter(pl.col("kind") == "endpoint").sort("observed_on")
    # `described` knows an endpoint's document; a look of it is named by its day there.
    of_endpoints = described(looks.with_columns(arn=pl.col("observed_on").cast(pl.String)), owner_tags).select(
        "account", "region", "name", "created_at",
        kind=pl.lit("endpoint"),
        observed_on=pl.col("arn").str.to_date(),
        shape=pl.col("variants").list.eval(counted.drop_nulls()).list.join(" + "), instances="instances",
    )  # fmt: skip
    machine = pl.coalesce(
        pl.col("config").str.json_path_match("$.InstanceType"),
        pl.col("config").str.json_path_match("$.ResourceSpec.InstanceType"),
    )
    of_others = things.filter(pl.col("kind") != "endpoint").select(
        "account",
        "region",
        "name",
        "created_at",
        "kind",
        "observed_on",
        shape="1 x " + machine,
        instances=pl.lit(None, dtype=pl.Int64),
    )
    return pl.concat([of_endpoints, of_others]).with_columns(
        shape=pl.when(pl.col("shape").str.len_chars() > 0).then("shape")
    )


def _configurations(states: pl.DataFrame, planned_tags: Sequence[str]) -> pl.DataFrame:
    """[account, region, set_up, set_up_meant]: why a configuration was made, where its own tags say so."""
    return (
        states.filter(pl.col("kind") == "endpoint_config")
        .select(
            "account", "region", set_up="name", set_up_meant=_meant("tags", planned_tags), observed_on="observed_on"
        )
        .sort("observed_on")
        .unique(["account", "region", "set_up"], keep="last")
        .drop("observed_on")
    )


def _meant(tags: str, keys: Sequence[str]) -> pl.Expr:
    """The first of ``keys`` that says why it was meant, as "change CHG-2041"; or null."""
    return pl.coalesce(
        *(
            pl.lit(f"{'CloudFormation stack' if 'stack-name' in key else key} ") + tag(tags, spelled)
            for key in keys
            for spelled in spellings((key,))
        ),
        pl.lit(None, dtype=pl.String),
    )


def _of_jobs(jobs: pl.DataFrame, owner_tags: tuple[str, ...], planned_tags: Sequence[str]) -> pl.DataFrame:
    """Jobs that were started; what a pipeline's execution starts was meant."""
    of_pipelines = parents(jobs).select("key", parent="parent_arn")
    run = pl.col("parent").str.extract(r"(?i):pipeline/([^/]+/execution/[^/]+)$")
    return (
        jobs.filter(pl.col("kind").is_in(["training_job", "processing_job", "transform_job"]))
        .with_columns(key=pl.col("arn").str.to_lowercase())
        .join(of_pipelines, on="key", how="left")
        .select(
            at=pl.coalesce("started_at", "created_at").cast(TIME),
            exact=pl.lit(True),
            kind=pl.lit("job_started"),
            account="account",
            region="region",
            resource_kind="kind",
            name="name",
            before=pl.lit(None, dtype=pl.String),
            after=pl.col("instance_count").cast(pl.String) + " x " + pl.col("instance_type"),
            by="user profile " + tag("tags", USER).str.extract(r"([^/]+)$"),
            role=pl.col("config").str.json_path_match("$.RoleArn").str.extract(r"role/(?:.*/)?([^/]+)$"),
            owner=owner("tags", owner_tags),
            planned=pl.coalesce(_meant("tags", planned_tags), "pipeline " + run),
        )
        .select(*EVENTS)
    )
