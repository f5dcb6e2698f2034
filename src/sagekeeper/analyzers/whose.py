"""Whose a resource is, on each day: owner, team and project by the tags it had then, or by those of what it belongs to.

In: (resource, day) pairs; observations of the inventory (`INVENTORY` rows, any number per resource); `JOBS`; `OwnerRules`. Out:
owner, team, project and the words for the rule that decided.

A resource's own tags come first; then, in the order of ``fallbacks``, those of its endpoint configuration, its model, the
endpoint it is part of, its parent (pipeline, schedule, tuning job), its execution role, and the user profile that made it, each
followed further by the same rule. Tags are those last seen on or before that day; of a day before the first look, the first
that were seen. So a resource that was deleted since is still its owner's.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from sagekeeper.analyzers.owners import NAMES, OwnerRules, names_in, spelled, tag
from sagekeeper.core.settings import Fallback

FARTHEST = 5
"""Job, schedule, endpoint, model, role: no chain is longer."""
USER_PROFILE_TAG, SPACE_TAG = "sagemaker:user-profile-arn", "sagemaker:space-arn"
"""Studio puts them on what is made there (SageMaker developer guide, "Custom tag propagation")."""
REFERENCES = pl.Struct(
    {
        "EndpointConfigName": pl.String(),
        "EndpointName": pl.String(),
        "ModelName": pl.String(),
        "RoleArn": pl.String(),
        "ExecutionRoleArn": pl.String(),
        "DomainId": pl.String(),
        "UserProfileName": pl.String(),
        "SpaceName": pl.String(),
        "OwnershipSettings": pl.Struct({"OwnerUserProfileName": pl.String()}),
        "ProductionVariants": pl.List(pl.Struct({"ModelName": pl.String()})),
        "Specification": pl.Struct({"ModelName": pl.String()}),
    }
)
ALWAYS = date(1, 1, 1)


class Owners:
    """The inventory and the jobs, read once; asked for the resources of some days at a time."""

    def __init__(self, observations: pl.DataFrame, jobs: pl.DataFrame, links: pl.DataFrame, rules: OwnerRules) -> None:
        """``links`` are `parents` of the jobs."""
        self._links, self._rules = links, rules
        told = _told(observations, jobs, rules)
        self._states, self._edges = _without_texts(told), _edges(told, told, links, rules)
        self._leads, self._changed = _leads(self._edges, self._states), _changed(self._states)
        self._answers = self._asked(pl.DataFrame(schema={"key": pl.String(), "day": pl.Date()}))

    def of(self, asked: pl.DataFrame) -> pl.DataFrame:
        """[key, day, owner, team, project, basis] and the last four with ``own_`` before: of every pair in ``asked`` [key, day].

        ``key`` is an ARN in lower case. ``own_...`` is what the resource's own tags say. The answer is the same for every day
        from ``since`` (null: from ever) until before ``until`` (null: for ever).
        """
        pairs = asked.select("key", "day").unique()
        day = pl.col("day")
        holds = (day >= pl.col("since")).fill_null(value=True) & (day < pl.col("until")).fill_null(value=True)
        known = pairs.join(self._answers.drop("day"), on="key", how="inner").filter(holds)
        new = pairs.join(known, on=["key", "day"], how="anti")
        answers = known if new.is_empty() else pl.concat([known, self._asked(new).select(known.columns)])
        self._answers = answers.filter(day == day.max())  # most of what is asked for a day was asked for the day before
        return answers

    def _asked(self, pairs: pl.DataFrame) -> pl.DataFrame:
        states, edges = self._with_apps(pairs)
        leads, changed = self._leads, self._changed
        if states is not self._states:
            leads, changed = _leads(edges, states), _changed(states)
        reached = _reached(pairs, leads)
        spans = _spans(pairs, reached, changed)
        firsts = spans.group_by("key", "since").agg(pl.col("day").min())
        # Few resources are asked for at a time: the states of all others are in the way.
        there = states.join(reached, left_on="key", right_on="node", how="semi").sort("since")
        found = _walked(firsts.select("key", "day"), there, edges, self._rules)
        return (
            spans.join(firsts.rename({"day": "first"}), on=["key", "since"], nulls_equal=True)
            .join(found.rename({"day": "first"}), on=["key", "first"])
            .drop("first")
        )

    def _with_apps(self, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """A Studio app that was never looked at still says in its ARN whose it was."""
        apps = pairs.filter(pl.col("key").str.contains(":app/", literal=True)).select("key").unique()
        if not apps.is_empty():
            apps = apps.join(self._states, on="key", how="anti").sort("key")
        if apps.is_empty():
            return self._states, self._edges
        named = apps.select(
            "key",
            arn="key",
            kind=pl.lit("app"),
            tags=pl.lit("{}"),
            config=pl.lit("{}"),
            since=pl.lit(ALWAYS),
        )
        more = _numbered(named, self._rules).with_columns(pl.col("state") + self._states.height)
        states = pl.concat([self._states, _without_texts(more)])
        return states, pl.concat([self._edges, _edges(more, states, self._links, self._rules)])


def _told(observations: pl.DataFrame, jobs: pl.DataFrame, rules: OwnerRules) -> pl.DataFrame:
    """What each resource said of itself, since when: [state, key, arn, since, kind, tags, config, *NAMES, named_by]."""
    columns = ["arn", "kind", "tags", "config", "since"]
    things = pl.concat(
        [
            observations.with_columns(since="observed_on").select(columns),
            jobs.with_columns(since=pl.lit(ALWAYS)).select(columns),
        ]
    )
    named = things.filter(pl.col("arn").is_not_null() & (pl.col("arn") != ""))
    return _numbered(named.with_columns(key=pl.col("arn").str.to_lowercase()).sort("key", "since"), rules)


def _numbered(named: pl.DataFrame, rules: OwnerRules) -> pl.DataFrame:
    """Observations in the order of resource and time; the first of each holds for all time before it."""
    first = (pl.col("key") != pl.col("key").shift()).fill_null(True)
    return named.with_columns(
        pl.int_range(pl.len()).alias("state"), since=pl.when(first).then(pl.lit(ALWAYS)).otherwise("since")
    ).join(_words(named["tags"], rules), on="tags", how="left", nulls_equal=True, maintain_order="left")


def _words(tags: pl.Series, rules: OwnerRules) -> pl.DataFrame:
    return names_in(tags, rules).with_columns(named_by=pl.lit("tag ") + pl.col("named_by"))


def _without_texts(told: pl.DataFrame) -> pl.DataFrame:
    return told.select("state", "key", "arn", "since", "kind", *NAMES, "named_by")


def _leads(edges: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """[node, target]: where any state of a resource leads to."""
    leads = edges.join(states.select("state", node="key"), on="state")
    return leads.select("node", target=pl.col("arn").str.to_lowercase()).unique()


def _changed(states: pl.DataFrame) -> pl.DataFrame:
    """[node, on]: when a resource was seen to say something new."""
    return states.filter(pl.col("since") > ALWAYS).select(node="key", on="since")


def _reached(pairs: pl.DataFrame, leads: pl.DataFrame) -> pl.DataFrame:
    """[key, node]: everything that a resource may lead to, itself included."""
    reached = pairs.select("key").unique().with_columns(node="key")
    found = [reached]
    for _ in range(FARTHEST):
        reached = reached.join(leads, on="node", how="inner").select("key", node="target").unique()
        if reached.is_empty():
            break
        found.append(reached)
    return pl.concat(found)


def _spans(pairs: pl.DataFrame, reached: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    """[key, day, since, until]: days of a resource between which nothing that it may lead to has changed are of one span.

    A month has thirty days and few changes: one day of each span is asked, and the answer holds for the others.
    """
    changes = reached.join(changed, on="node", how="inner").select("key", "on").unique().sort("on")
    begun = pairs.sort("day").join_asof(
        changes.select("key", "on", since="on"),
        left_on="day",
        right_on="on",
        by="key",
        strategy="backward",
        check_sortedness=False,
    )
    return begun.join_asof(
        changes.select("key", "on", until="on"),
        left_on="day",
        right_on="on",
        by="key",
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    ).select("key", "day", "since", "until")


def _walked(pairs: pl.DataFrame, states: pl.DataFrame, edges: pl.DataFrame, rules: OwnerRules) -> pl.DataFrame:
    """The answer for each of ``pairs`` [key, day]: everything that a resource leads to on that day, nearest first."""
    here = pairs.with_columns(node="key", arn="key", path=pl.lit(""), kind=pl.lit(None, pl.String))
    walked = _stood(here, states)
    seen = [walked]
    for _ in range(FARTHEST):
        onward = walked.filter(pl.any_horizontal(pl.col(*NAMES).is_null()) & pl.col("state").is_not_null())
        nodes = onward.select("key", "day", "path", "state").join(edges, on="state", how="inner")
        if nodes.is_empty():
            break
        reached = nodes.select(
            "key",
            "day",
            "arn",
            node=pl.col("arn").str.to_lowercase(),
            path=pl.col("path") + pl.col("step"),
            kind="target_kind",
        )
        walked = _stood(reached, states)
        seen.append(walked)
    told = _by_name(pl.concat(seen, how="diagonal"), rules)
    basis = pl.concat_str(pl.col("kind").str.replace_all("_", " "), pl.lit(" "), pl.col("named_by"))
    own = pl.col("path") == ""
    # Paths sort as the chain is followed: the resource itself, its configuration, what that leads to, its model ...
    return (
        told.with_columns(
            *(spelled(pl.col(name), rules) for name in NAMES),
            basis=pl.when(pl.col("owner").is_not_null()).then(basis),
        )
        .sort("key", "day", "path", "node")
        .group_by("key", "day", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().first() for name in (*NAMES, "basis")),
            *(pl.col(name).filter(own).first().alias(f"own_{name}") for name in (*NAMES, "basis")),
        )
    )


def _stood(pairs: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Each pair with the state that its node was in on that day; what is not known has none. ``states`` in order of time."""
    known = states.select("state", "since", *NAMES, "named_by", node="key", its_kind="kind")
    return (
        pairs.sort("day")
        .join_asof(known, left_on="day", right_on="since", by="node", strategy="backward", check_sortedness=False)
        .with_columns(kind=pl.coalesce("its_kind", "kind"))
        .drop("its_kind", "since")
    )


def _edges(states: pl.DataFrame, all_states: pl.DataFrame, links: pl.DataFrame, rules: OwnerRules) -> pl.DataFrame:
    """[state, step, arn, target_kind]: where the search for an owner goes on from each of ``states``, one of ``all_states``;
    ``step`` sorts by ``fallbacks``."""
    order = {kind: str(number) for number, kind in enumerate(rules.fallbacks)}
    told = states.with_columns(
        pl.col("config").str.json_decode(REFERENCES).struct.unnest(),
        place=pl.col("arn").str.extract(r"(?i)^(arn:[\w-]+:sagemaker:[^:]*:\d*:)", 1),
    )
    place = pl.col("place")
    several = told.explode("ProductionVariants").with_columns(of=pl.col("ProductionVariants").struct.field("ModelName"))
    model = pl.coalesce("ModelName", pl.col("Specification").struct.field("ModelName"))
    inside = pl.col("arn").str.extract("(?i):app/([^/]+/[^/]+)/", 1)
    known = all_states.select(node="key", known="arn").unique("node")
    # An app's ARN names a user profile or a space: it is the one that is known.
    apps = told.filter(inside.is_not_null())
    inside_one = (
        pl.concat(
            apps.select("state", node=(place + kind + inside).str.to_lowercase())
            for kind in ("user-profile/", "space/")
        )
        .join(known, on="node", how="inner")
        .select("state", arn="known")
    )
    made_in_studio = told.filter(pl.col("tags").str.contains("sagemaker", literal=True))
    domain, owner_of_space = pl.col("DomainId") + "/", pl.col("OwnershipSettings").struct.field("OwnerUserProfileName")
    found: list[tuple[Fallback, pl.DataFrame]] = [
        ("endpoint_config", told.select("state", arn=place + "endpoint-config/" + pl.col("EndpointConfigName"))),
        ("model", told.select("state", arn=place + "model/" + model)),
        ("model", several.select("state", arn=place + "model/" + pl.col("of"))),
        ("endpoint", told.select("state", arn=place + "endpoint/" + pl.col("EndpointName"))),
        ("parent", states.join(links, on="key").select("state", arn="parent_arn")),
        ("execution_role", told.select("state", arn=pl.coalesce("RoleArn", "ExecutionRoleArn"))),
        ("user_profile", made_in_studio.select("state", arn=tag("tags", USER_PROFILE_TAG))),
        ("user_profile", made_in_studio.select("state", arn=tag("tags", SPACE_TAG))),
        ("user_profile", told.select("state", arn=place + "user-profile/" + domain + pl.col("UserProfileName"))),
        ("user_profile", told.select("state", arn=place + "user-profile/" + domain + owner_of_space)),
        ("user_profile", told.select("state", arn=place + "space/" + domain + pl.col("SpaceName"))),
        ("user_profile", inside_one),
    ]
    return (
        pl.concat(
            frame.drop_nulls("arn").with_columns(target_kind=pl.lit(kind), step=pl.lit(order[kind]))
            for kind, frame in found
            if kind in order
        )
        .join(states.select("state", own="key"), on="state")
        .filter(pl.col("arn").str.to_lowercase() != pl.col("own"))
        .unique(["state", "step", "arn"])
        .drop("own")
    )


def _by_name(walked: pl.DataFrame, rules: OwnerRules) -> pl.DataFrame:
    """A role or a user profile without tags may still tell whose it is, by its name."""
    last = pl.col("arn").str.extract(r"([^/]+)$", 1)
    roles = {name.lower(): who for name, who in rules.roles.items()}
    role = pl.when(pl.col("kind") == "execution_role").then(
        last.str.to_lowercase().replace_strict(roles, default=None, return_dtype=pl.String)
    )
    is_profile = (pl.col("kind") == "user_profile") & pl.col("node").str.contains(":user-profile/")
    profile = pl.when(is_profile & rules.user_profile_names).then(last)
    name = pl.coalesce(role, profile)
    return walked.with_columns(
        named_by=pl.when(pl.col("owner").is_null() & name.is_not_null()).then(pl.lit("name")).otherwise("named_by"),
        owner=pl.coalesce("owner", name),
    )
