"""The arithmetic of Savings Plans on the bill, for any usage and any plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.simulator.adjustments import discounted
from sagekeeper.simulator.bill_lines import by_day
from sagekeeper.simulator.charges import USAGE, Run
from sagekeeper.simulator.commercial import PrivateDiscount
from sagekeeper.simulator.commitments import HOURS_A_YEAR, Payment, SavingsPlan, plan_rate
from sagekeeper.simulator.meter import as_rows
from sagekeeper.simulator.savings_plan_lines import Owned, applied, coverable, eligible

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
HOURS, ACCOUNTS = 5, ("111111111111", "222222222222", "333333333333")
END = BEGIN + timedelta(hours=HOURS)
Row = tuple[int, str, str, float]
COVERED, NEGATION, FEE = "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee"
PRICES = {
    "Host:ml.m5.xlarge": 0.23,
    "Train:ml.g5.2xlarge": 1.515,
    "Host:VolumeUsage.gp2": 0.14,
    "Notebk:ml.t3.medium": 0.05,
}


def usage(*rows: Row, name: str = "endpoint") -> pl.DataFrame:
    """Usage of (hour, account, usage type, quantity)."""
    made = [
        {
            "start": BEGIN + timedelta(hours=hour),
            "account": account,
            "region": "us-east-1",
            "service": "Amazon SageMaker",
            "usage_type": f"USE1-{kind}",
            "operation": "RunInstance",
            "resource_id": f"{name}-{number}",
            "tags": "{}",
            "quantity": quantity,
            "price": PRICES[kind],
            "cost": round(quantity * PRICES[kind], 10),
        }
        for number, (hour, account, kind, quantity) in enumerate(rows)
    ]
    return pl.DataFrame(made, schema=USAGE).with_columns(pl.lit(None, pl.String).alias("note"))


def plan(
    commitment: float,
    account: str = ACCOUNTS[0],
    years: int = 1,
    payment: Payment = "No Upfront",
    start: datetime = BEGIN,
    name: str = "a",
) -> Owned:
    """A plan for machine learning; what is paid up front is as AWS asks."""
    made = SavingsPlan(f"arn:plan/{name}", "MachineLearning", commitment, start, years, payment, 0.0)  # type: ignore[arg-type]
    made.upfront = {"No Upfront": 0.0, "Partial Upfront": made.total / 2, "All Upfront": made.total}[payment]
    return Owned(account, made)


rows = st.lists(
    st.tuples(
        st.integers(0, HOURS - 1),
        st.sampled_from(ACCOUNTS),
        st.sampled_from(sorted(PRICES)),
        st.floats(1e-4, 50, allow_nan=False),
    ),
    max_size=25,
)
plans = st.lists(
    st.builds(
        plan,
        st.floats(0.001, 30).map(lambda found: round(found, 3)),
        st.sampled_from(ACCOUNTS),
        st.sampled_from([1, 3]),
        st.sampled_from(["No Upfront", "Partial Upfront", "All Upfront"]),
        st.integers(-5, HOURS).map(lambda hours: BEGIN + timedelta(hours=hours)),
        st.uuids().map(str),
    ),
    max_size=4,
)


def of(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    return frame.filter(pl.col("record_type") == kind)


@given(rows, plans)
@settings(max_examples=150, deadline=None)
def test_no_hour_is_covered_beyond_the_commitment_and_used_and_unused_are_all_of_it(
    found: list[Row], held: list[Owned]
) -> None:
    made, _ = applied(usage(*found), held, BEGIN, END)
    fees, covered = of(made, FEE), of(made, COVERED)
    spent = covered.group_by("start", "plan_arn").agg(pl.col("plan_cost").sum().alias("spent"))
    both = fees.join(spent, on=["start", "plan_arn"], how="left").with_columns(pl.col("spent").fill_null(0.0))
    assert (both["spent"] <= both["plan_commitment"] + 1e-9).all()
    assert (both["spent"] - both["plan_used"]).abs().max() in (None, pytest.approx(0, abs=1e-9))
    assert ((both["plan_used"] + both["amortized"] - both["plan_commitment"]).abs() < 1e-9).all()
    assert (both["amortized"] >= 0).all()
    assert spent.height == both.filter(pl.col("spent") > 0).height
    hours = sum(max(0, round((END - max(BEGIN, item.first)) / timedelta(hours=1))) for item in held)
    assert fees.height == hours


@given(rows, plans)
@settings(max_examples=150, deadline=None)
def test_what_is_covered_is_cancelled_and_nothing_is_lost(found: list[Row], held: list[Owned]) -> None:
    before = usage(*found)
    made, left = applied(before, held, BEGIN, END)
    keys = ["start", "account", "usage_type", "plan_arn"]
    cancelled = pl.concat([of(made, COVERED), of(made, NEGATION)]).group_by(keys).agg(pl.col("cost").sum().abs())
    assert (cancelled["cost"] < 1e-9).all()
    for amount in ("quantity", "cost"):
        whole = of(made, COVERED)[amount].sum() + left[amount].sum()
        assert whole == pytest.approx(before[amount].sum(), abs=1e-6)
    assert (left["quantity"] > 0).all()
    volumes = left.filter(pl.col("usage_type") == "USE1-Host:VolumeUsage.gp2")
    assert volumes.height == sum(kind == "Host:VolumeUsage.gp2" for _, _, kind, _ in found)


@given(rows, plans)
@settings(max_examples=60, deadline=None)
def test_a_plan_covers_as_much_as_it_can(found: list[Row], held: list[Owned]) -> None:
    """Where usage that a plan could cover is left, its commitment is used up."""
    made, left = applied(usage(*found), held, BEGIN, END)
    open_hours = left.filter(eligible("MachineLearning")).group_by("start").agg(pl.col("cost").sum())
    wanting = of(made, FEE).join(open_hours.filter(pl.col("cost") > 1e-6), on="start", how="semi")
    assert (wanting["amortized"] < 1e-5).all()


@given(
    st.floats(0.01, 20).map(lambda found: round(found, 3)),
    st.sampled_from(["No Upfront", "Partial Upfront", "All Upfront"]),
    st.floats(0, 40),
)
@settings(max_examples=8, deadline=None)
def test_over_the_whole_term_the_amortised_cost_is_the_cost(
    commitment: float, payment: Payment, instances: float
) -> None:
    item = plan(commitment, payment=payment)
    hours = pl.datetime_range(BEGIN, item.until, "1h", closed="left", eager=True, time_zone="UTC")
    one = usage((0, ACCOUNTS[0], "Host:ml.m5.xlarge", max(instances, 1e-3)))
    used = one.drop("start").join(hours.cast(pl.Datetime("us", "UTC")).alias("start").to_frame(), how="cross")
    made, left = applied(used.select(one.columns), [item], BEGIN, item.until)
    assert hours.len() == HOURS_A_YEAR
    assert made["amortized"].sum() == pytest.approx(made["cost"].sum(), abs=1e-3)
    assert made["cost"].sum() == pytest.approx(item.plan.total, abs=1e-3)
    net = discounted(made, [PrivateDiscount("EdpDiscount", 0.1, BEGIN.date())])
    assert net["net_amortized"].sum() == pytest.approx(net["net_cost"].sum(), abs=1e-3)
    assert net["net_cost"].sum() == pytest.approx(0.9 * item.plan.total, abs=1e-3)
    assert left["cost"].sum() == pytest.approx(used["cost"].sum() - of(made, COVERED)["list_cost"].sum(), abs=1e-3)


def test_the_owners_usage_comes_first_then_the_best_discount_and_the_edge_is_split() -> None:
    item = plan(1.0, ACCOUNTS[1])
    hosted = plan_rate(item.plan, 0.23)
    made, left = applied(
        usage(
            (0, ACCOUNTS[0], "Train:ml.g5.2xlarge", 1.0),
            (0, ACCOUNTS[1], "Host:ml.m5.xlarge", 4.0),
            (0, ACCOUNTS[2], "Notebk:ml.t3.medium", 10.0),
        ),
        [item],
        BEGIN,
        END,
    )
    covered = of(made, COVERED).sort("resource_id").to_dicts()
    assert [row["resource_id"] for row in covered] == ["endpoint-1", "endpoint-2"]
    assert covered[0]["plan_cost"] == pytest.approx(4 * hosted)
    assert covered[1]["plan_cost"] == pytest.approx(1.0 - 4 * hosted)
    assert covered[1]["quantity"] == pytest.approx((1.0 - 4 * hosted) / plan_rate(item.plan, 0.05))
    assert covered[1]["list_cost"] == pytest.approx(covered[1]["quantity"] * 0.05)
    assert left.sort("resource_id")["quantity"].to_list() == pytest.approx([1.0, 10 - covered[1]["quantity"]])


def test_hours_added_up_to_a_day_keep_all_sums() -> None:
    made, left = applied(
        usage(*((hour, ACCOUNTS[0], "Host:ml.m5.xlarge", 3.0) for hour in range(5))), [plan(0.4)], BEGIN, END
    )
    hours = pl.concat([made, as_rows(left)])
    days = by_day(hours)
    for amount in ("cost", "amortized", "quantity", "plan_cost", "plan_commitment", "plan_used"):
        assert days[amount].sum() == pytest.approx(hours[amount].sum(), abs=1e-8)
    (fee,) = of(days, FEE).to_dicts()
    assert (fee["plan_commitment"], fee["plan_used"], fee["quantity"]) == (pytest.approx(2.0), pytest.approx(2.0), 5.0)


def test_a_queued_an_ended_and_a_cancelled_plan_cost_nothing() -> None:
    late, past = plan(1.0, start=END), plan(1.0, start=BEGIN - timedelta(days=400))
    made, left = applied(usage((0, ACCOUNTS[0], "Host:ml.m5.xlarge", 1.0)), [late, past], BEGIN, END)
    assert made.is_empty()
    assert left["cost"].sum() == pytest.approx(0.23)


def test_spot_storage_and_serverless_are_not_covered() -> None:
    told = (0.0, 1.0, "Train:ml.m5.xlarge", "RunInstance", "arn", "{}", 1.0, 0.23)
    assert coverable(Run(*told))
    assert not coverable(Run(*told, spot=True))
    for usage_type in ("Train:VolumeUsage.gp2", "ServerlessInf:Mem-2GB", "Host:Data-Bytes-Out"):
        assert not coverable(Run(0.0, 1.0, usage_type, "", "arn", "{}", 1.0, 1.0))
