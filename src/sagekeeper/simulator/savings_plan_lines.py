"""Savings Plans on the bill: which usage they cover hour by hour, and what they cost, used or not.

In: usage by the hour, with the list price of a unit, and the plans with their owners. Out: rows (`bill_lines.ROWS`), as
AWS writes them (aws-facts 4.4): covered usage at its list cost, a negation that takes the same off again, and the
recurring fee, with the whole commitment and what of it was used. Amortised cost is the plan's rate on covered usage, and
what is left of the commitment on the fee. AWS covers the owner's usage first, then the organisation's, the highest
discount first, and of equal ones the lowest rate; usage at the edge of the commitment is covered in part.

Amounts are counted in whole ten-thousandths of a millionth of a dollar, as integers: what is used never is more than
the commitment, and used and unused are the commitment, exactly.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from sagekeeper.simulator.bill_lines import DIGITS, empty, rows
from sagekeeper.simulator.charges import Daily, Run
from sagekeeper.simulator.commitments import COVERED, DISCOUNT, HOURS_A_YEAR, SavingsPlan
from sagekeeper.simulator.world import World

SAGEMAKER, EC2, LAMBDA, ECS = (
    "Amazon SageMaker",
    "Amazon Elastic Compute Cloud - Compute",
    "AWS Lambda",
    "Amazon Elastic Container Service",
)
FEES = {
    "MachineLearning": ("Savings Plans for AWS Machine Learning", "MachineLearningSP", "Machine Learning"),
    "Compute": ("Savings Plans for AWS Compute usage", "ComputeSP", "Compute"),
}
WHOLE = 10**DIGITS
ROUNDING = 6
"""Digits of a plan's rate (`commitments.offered_rate`)."""


class Owned(NamedTuple):
    """A plan, and the account that bought it."""

    account: str
    plan: SavingsPlan

    @property
    def first(self) -> datetime:
        """The hour that the plan begins with."""
        return self.plan.start.replace(minute=0, second=0, microsecond=0)

    @property
    def until(self) -> datetime:
        """The first hour after the term."""
        return self.first + timedelta(hours=HOURS_A_YEAR * self.plan.term_years)

    @property
    def discount(self) -> float:
        """Off the list price."""
        return DISCOUNT[self.plan.type, self.plan.term_years, self.plan.payment_option]


def plans_of(world: World) -> list[Owned]:
    """All plans that are paid for, in the order in which they are applied: the best discount first, then the oldest."""
    found = [
        Owned(here.account, plan)
        for here in world.standing.values()
        for plan in here.savings_plans.values()
        if plan.cancelled is None
    ]
    return sorted(found, key=lambda item: (-item.discount, item.plan.start, item.plan.arn))


def in_force(plans: list[Owned], begin: datetime, end: datetime) -> list[Owned]:
    """Those with an hour in [begin, end)."""
    return [item for item in plans if item.first < end and item.until > begin]


def coverable(item: Run | Daily) -> bool:
    """Whether plans of any type may cover this usage: what has to be known by the hour."""
    spot = isinstance(item, Run) and item.spot
    return not spot and any(_covers(kind, item.service, item.usage_type) for kind in FEES)


def eligible(kind: str) -> pl.Expr:
    """The same for a frame of usage, and one type of plan."""
    usage = pl.col("usage_type")
    if kind == "MachineLearning":
        found = usage.str.contains(rf"(?:^|-)(?:{'|'.join(COVERED)}):(?:[A-Za-z]+-)?ml\.")
        return (pl.col("service") == SAGEMAKER) & found
    return (
        ((pl.col("service") == EC2) & usage.str.contains("BoxUsage:"))
        | ((pl.col("service") == LAMBDA) & usage.str.contains("GB-Second"))
        | ((pl.col("service") == ECS) & usage.str.contains("Fargate-"))
    )


def applied(
    hours: pl.DataFrame, plans: list[Owned], begin: datetime, end: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the plans in [begin, end), and the usage that they leave."""
    made, left = [empty()], hours
    for item in in_force(plans, begin, end):
        used, left = _covered(left, item)
        fee = _fees(used, item, max(begin, item.first), min(end, item.until))
        made += [used.select(empty().columns), _negations(used), fee, *_upfront(item, begin, end)]
    return pl.concat(made), left


def _covered(hours: pl.DataFrame, item: Owned) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What one plan covers, as rows, and what it leaves."""
    may = eligible(item.plan.type) & pl.col("start").is_between(item.first, item.until, closed="left")
    may &= pl.col("note").is_null()
    own = pl.col("account") == item.account
    rate = (pl.col("price") * (1 - item.discount)).round(ROUNDING)
    commitment = round(item.plan.commitment_per_hour * WHOLE)
    ranked = (
        hours.filter(may)
        .with_columns(rate.alias("plan_rate"), own.alias("own"), (1 - rate / pl.col("price")).round(4).alias("off"))
        .with_columns((pl.col("quantity") * pl.col("plan_rate") * WHOLE).round().cast(pl.Int64).alias("asked"))
        .filter(pl.col("asked") > 0)
        .sort(
            "start", "own", "off", "plan_rate", "account", "usage_type", "resource_id", "tags", descending=_DESCENDING
        )
        .with_columns((pl.col("asked").cum_sum().over("start") - pl.col("asked")).alias("before"))
        .with_columns((commitment - pl.col("before")).clip(0, pl.col("asked")).alias("taken"))
        .with_columns((pl.col("taken") / pl.col("asked")).alias("share"))
    )
    used = ranked.filter(pl.col("taken") > 0).with_columns(
        pl.col("quantity") * pl.col("share"),
        (pl.col("cost") * pl.col("share")).round(DIGITS).alias("cost"),
        (pl.col("taken") / WHOLE).alias("plan_cost"),
    )
    covered = rows(
        used.rename({"price": "rate"}).with_columns(
            pl.col("cost").alias("list_cost"),
            pl.col("cost").alias("net_cost"),
            pl.col("plan_cost").alias("amortized"),
            pl.col("plan_cost").alias("net_amortized"),
        ),
        record_type="SavingsPlanCoveredUsage",
        plan_arn=item.plan.arn,
    )
    left = ranked.filter(pl.col("share") < 1).with_columns(
        pl.col("quantity") * (1 - pl.col("share")),
        (pl.col("cost") - (pl.col("cost") * pl.col("share")).round(DIGITS)).round(DIGITS).alias("cost"),
    )
    others = hours.filter(~may | ((pl.col("quantity") * rate * WHOLE).round() == 0))
    return covered, pl.concat([others, left.select(hours.columns)])


_DESCENDING = [False, True, True, False, False, False, False, False]


def _negations(used: pl.DataFrame) -> pl.DataFrame:
    """The same amounts taken off again, by account and usage type: a negation is no resource's."""
    keys = ["start", "account", "region", "service", "usage_type", "operation", "plan_arn"]
    off = -pl.col("cost").sum().round(DIGITS)
    words = pl.format("SavingsPlanNegation used by AccountId : {} and UsageType : {}", "account", "usage_type")
    return rows(
        used.group_by(keys, maintain_order=True)
        .agg(off.alias("cost"))
        .with_columns(pl.col("cost").alias("net_cost"), words.alias("note")),
        record_type="SavingsPlanNegation",
    )


def _fees(used: pl.DataFrame, item: Owned, first: datetime, until: datetime) -> pl.DataFrame:
    """The fee of every hour, with what of the commitment was used."""
    plan = item.plan
    hours = pl.datetime_range(first, until, "1h", closed="left", time_zone="UTC", eager=True).alias("start")
    taken = (pl.col("plan_cost") * WHOLE).round().cast(pl.Int64).sum()
    spent = used.group_by("start").agg(taken.alias("taken"))
    commitment, recurring = round(plan.commitment_per_hour * WHOLE), round(plan.recurring_per_hour, DIGITS)
    service, short, _ = FEES[plan.type]
    return rows(
        hours.cast(pl.Datetime("us", "UTC"))
        .to_frame()
        .join(spent, on="start", how="left", maintain_order="left")
        .with_columns(pl.col("taken").fill_null(0))
        .with_columns(
            (pl.col("taken") / WHOLE).alias("plan_used"), ((commitment - pl.col("taken")) / WHOLE).alias("amortized")
        )
        .with_columns(pl.col("amortized").alias("net_amortized")),
        quantity=1.0,
        rate=recurring,
        cost=recurring,
        net_cost=recurring,
        plan_commitment=commitment / WHOLE,
        usage_type=f"{short}:{_term(plan)}",
        record_type="SavingsPlanRecurringFee",
        **_about(item, service),
    )


def _upfront(item: Owned, begin: datetime, end: datetime) -> list[pl.DataFrame]:
    plan = item.plan
    if plan.upfront <= 0 or not begin <= item.first < end:
        return []
    service, short, _ = FEES[plan.type]
    at = pl.DataFrame({"start": [item.first]}, schema={"start": pl.Datetime("us", "UTC")})
    return [
        rows(
            at,
            cost=round(plan.upfront, DIGITS),
            net_cost=round(plan.upfront, DIGITS),
            usage_type=f"{short}:{_term(plan)}",
            record_type="SavingsPlanUpfrontFee",
            **_about(item, service),
        )
    ]


def _about(item: Owned, service: str) -> dict[str, object]:
    words = f"{item.plan.term_years} year {item.plan.payment_option} {FEES[item.plan.type][2]} Savings Plan"
    return {
        "account": item.account,
        "region": "global",
        "service": service,
        "resource_id": item.plan.arn,
        "plan_arn": item.plan.arn,
        "note": words,
    }


def _term(plan: SavingsPlan) -> str:
    return f"{plan.term_years}yr{plan.payment_option.replace(' ', '')}"


def _covers(kind: str, service: str, usage_type: str) -> bool:
    if kind == "MachineLearning":
        family, _, what = usage_type.partition(":")
        return service == SAGEMAKER and family in COVERED and "ml." in what
    return (
        (service == EC2 and usage_type.startswith("BoxUsage:"))
        or (service == LAMBDA and "GB-Second" in usage_type)
        or (service == ECS and usage_type.startswith("Fargate-"))
    )
