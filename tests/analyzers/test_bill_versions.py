"""A bill as it was seen at any time, and what moved in between: every reading kept once, no reading lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.bill_versions import as_seen, in_period, moved, period_of, versions
from sagekeeper.core.tables import BILL_VERSIONS, COSTS

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL_3 = datetime(2026, 4, 3, tzinfo=UTC)


def bill(**amounts: float) -> pl.LazyFrame:
    """One row per service."""
    rows = [
        {
            "x_Dataset": "bill",
            "BillingPeriodStart": MARCH,
            "x_ChargeDate": date(2026, 3, 5),
            "SubAccountId": "123456789012",
            "ServiceName": service,
            "ChargeCategory": "Usage",
            "BillingCurrency": "USD",
            "BilledCost": amount,
            "EffectiveCost": amount,
        }
        for service, amount in amounts.items()
    ]
    return pl.DataFrame(rows, schema=COSTS.columns).lazy()


def stood(kept: pl.DataFrame, at: datetime) -> dict[str, float]:
    return dict(as_seen(kept.lazy(), at).select("service", "billed_cost").collect().iter_rows())


def test_march_as_seen_on_april_3_is_kept_when_aws_corrects_it_later() -> None:
    kept = versions(BILL_VERSIONS.empty(), bill(s3=2.0, sagemaker=10.0), APRIL_3 - timedelta(days=1))
    kept = versions(kept, bill(s3=2.0, sagemaker=11.5, glue=1.0), APRIL_3 + timedelta(days=9))
    assert stood(kept, APRIL_3) == {"s3": 2.0, "sagemaker": 10.0}
    assert stood(kept, APRIL_3 + timedelta(days=30)) == {"s3": 2.0, "sagemaker": 11.5, "glue": 1.0}
    after_close = moved(kept.lazy(), APRIL_3, APRIL_3 + timedelta(days=30)).collect()
    assert after_close.select("service", "before", "after", "moved").rows() == [
        ("sagemaker", 10.0, 11.5, 1.5),
        ("glue", 0.0, 1.0, 1.0),
    ]


def test_reading_the_same_again_adds_nothing() -> None:
    kept = versions(BILL_VERSIONS.empty(), bill(s3=2.0), APRIL_3)
    assert versions(kept, bill(s3=2.0), APRIL_3 + timedelta(days=1)).equals(kept)


def test_a_line_that_left_the_bill_has_gone() -> None:
    kept = versions(BILL_VERSIONS.empty(), bill(s3=2.0, glue=1.0), APRIL_3)
    kept = versions(kept, bill(s3=2.0), APRIL_3 + timedelta(days=1))
    assert stood(kept, APRIL_3 + timedelta(hours=1)) == {"s3": 2.0, "glue": 1.0}
    assert stood(kept, APRIL_3 + timedelta(days=1)) == {"s3": 2.0}


readings = st.lists(
    st.dictionaries(st.sampled_from(["s3", "glue", "ecs"]), st.integers(0, 3).map(float), max_size=3),
    min_size=1,
    max_size=6,
)


@given(readings)
@settings(deadline=None)
def test_every_reading_can_be_seen_again(history: list[dict[str, float]]) -> None:
    kept = BILL_VERSIONS.empty()
    for number, reading in enumerate(history):
        kept = versions(kept, bill(**reading), APRIL_3 + timedelta(hours=number))
    for number, reading in enumerate(history):
        assert stood(kept, APRIL_3 + timedelta(hours=number, minutes=30)) == reading
    assert not kept.select(BILL_VERSIONS.keys).is_duplicated().any()


@given(readings)
@settings(deadline=None)
def test_what_moved_is_the_difference_of_the_totals(history: list[dict[str, float]]) -> None:
    kept = BILL_VERSIONS.empty()
    for number, reading in enumerate(history):
        kept = versions(kept, bill(**reading), APRIL_3 + timedelta(hours=number))
    last = APRIL_3 + timedelta(hours=len(history) - 1)
    total = moved(kept.lazy(), APRIL_3, last).select(pl.col("moved").sum()).collect().item()
    assert round(total, 9) == round(sum(history[-1].values()) - sum(history[0].values()), 9)


def test_a_line_is_in_the_period_that_its_bill_states_else_in_that_of_its_charge() -> None:
    march, april = date(2026, 3, 1), date(2026, 4, 1)
    begun = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        (begun, date(2026, 4, 2), march),  # a fee that comes later
        (begun + timedelta(days=31, microseconds=-1), march, march),
        (begun + timedelta(days=31), march, april),
        (None, date(2026, 3, 31), march),
        (None, april, april),
    ]
    columns = {"BillingPeriodStart": COSTS.columns["BillingPeriodStart"], "x_ChargeDate": pl.Date(), "is": pl.Date()}
    lines = pl.DataFrame(rows, schema=columns, orient="row")
    assert lines.select(period_of()).to_series().to_list() == lines["is"].to_list()
    for period in (march, april):
        assert lines.filter(in_period(period)).equals(lines.filter(pl.col("is") == period))
