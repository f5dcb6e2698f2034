"""Credits, discounts, refunds, corrections and tax, on bills small enough to add up by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagekeeper.simulator.adjustments import (
    charges_by_day,
    corrected,
    credit_rows,
    discount_rows,
    discounted,
    refund_rows,
    tax_rows,
)
from sagekeeper.simulator.bill_lines import rows
from sagekeeper.simulator.commercial import Commercial, Correction, Credit, PrivateDiscount, Refund
from sagekeeper.simulator.free_offers import free_shares, with_free

OCTOBER = date(2026, 10, 1)
PAYER, OTHER = "111111111111", "222222222222"
SAGEMAKER, LOGS = "Amazon SageMaker", "AmazonCloudWatch"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def line(day: int, cost: float, account: str = PAYER, service: str = SAGEMAKER, **more: Any) -> dict[str, Any]:
    told = {
        "start": datetime(2026, 10, day, tzinfo=UTC),
        "account": account,
        "region": "us-east-1",
        "service": service,
        "usage_type": "USE1-Host:ml.m5.xlarge" if service == SAGEMAKER else "DataProcessing-Bytes",
        "quantity": cost / 0.5,
        "rate": 0.5,
        "record_type": "Usage",
    }
    return told | dict.fromkeys(("list_cost", "cost", "net_cost", "amortized", "net_amortized"), cost) | more


def bill(*found: dict[str, Any]) -> pl.DataFrame:
    schema = {"start": pl.Datetime("us", "UTC")}
    return rows(pl.DataFrame(list(found), schema_overrides=schema, infer_schema_length=None))


def paid(*credits: Credit, on: pl.DataFrame) -> list[tuple[int, str, str, float]]:
    made = credit_rows(charges_by_day(on), list(credits)).sort("start", "note", "account", "service")
    return [(row["start"].day, row["account"], row["service"], row["cost"]) for row in made.to_dicts()]


def credit(amount: float, first: int = 1, until: int = 31, account: str = PAYER, **more: Any) -> Credit:
    return Credit("gift", amount, date(2026, 10, first), date(2026, 10, until), account, **more)


def test_a_credit_pays_day_by_day_until_it_is_used_up() -> None:
    used = bill(line(2, 40.0), line(3, 40.0), line(4, 40.0))
    assert paid(credit(100.0), on=used) == [
        (2, PAYER, SAGEMAKER, -40.0),
        (3, PAYER, SAGEMAKER, -40.0),
        (4, PAYER, SAGEMAKER, -20.0),
    ]


def test_what_is_left_of_a_credit_is_lost_on_the_day_it_expires() -> None:
    used = bill(line(2, 40.0), line(3, 40.0), line(4, 40.0))
    assert paid(credit(100.0, first=3, until=4), on=used) == [(3, PAYER, SAGEMAKER, -40.0)]


def test_a_credit_pays_its_owner_first_and_its_services_alone() -> None:
    used = bill(line(2, 40.0), line(2, 30.0, OTHER), line(2, 9.0, OTHER, LOGS))
    assert paid(credit(50.0, account=OTHER, services=(SAGEMAKER,)), on=used) == [
        (2, PAYER, SAGEMAKER, -20.0),
        (2, OTHER, SAGEMAKER, -30.0),
    ]


def test_the_credit_that_expires_first_is_used_first() -> None:
    used = bill(line(2, 30.0), line(9, 30.0))
    early, late = (
        Credit("early", 20.0, OCTOBER, date(2026, 10, 5), PAYER),
        Credit("late", 99.0, OCTOBER, NOW.date(), PAYER),
    )
    assert paid(late, early, on=used) == [
        (2, PAYER, SAGEMAKER, -20.0),
        (2, PAYER, SAGEMAKER, -10.0),
        (9, PAYER, SAGEMAKER, -30.0),
    ]


amounts = st.floats(0, 500).map(lambda found: round(found, 6))


@given(
    st.lists(st.tuples(st.integers(1, 30), amounts, st.sampled_from([PAYER, OTHER])), min_size=1, max_size=30),
    st.lists(st.tuples(amounts, st.integers(1, 20), st.integers(1, 12), st.sampled_from([PAYER, OTHER])), max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_credits_never_pay_more_than_they_are_or_than_is_owed(
    used: list[tuple[int, float, str]], given_: list[tuple[float, int, int, str]]
) -> None:
    credits = [
        Credit(f"c{number}", amount, date(2026, 10, first), date(2026, 10, first) + timedelta(days=days), account)
        for number, (amount, first, days, account) in enumerate(given_)
    ]
    charges = charges_by_day(bill(*(line(day, cost, account) for day, cost, account in used)))
    made = credit_rows(charges, credits)
    for item in credits:
        mine = made.filter(pl.col("note") == f"Credit {item.name}")
        assert -mine["cost"].sum() <= item.amount + 1e-6
        assert mine["start"].dt.date().is_between(item.begins, item.expires, closed="left").all()
    keys = ["start", "account", "region", "service"]
    owed = charges.join(made.group_by(keys).agg(pl.col("cost").sum()), on=keys, how="left").fill_null(0.0)
    assert (owed["owed"] + owed["cost"] >= -1e-6).all()


def test_discounts_lower_the_net_cost_and_stand_beside_it() -> None:
    discounts = [
        PrivateDiscount("PrivateRateDiscount", 0.5, OCTOBER, usage_types=("DataProcessing-Bytes",)),
        PrivateDiscount("EdpDiscount", 0.1, date(2026, 10, 3)),
    ]
    before = bill(line(2, 100.0), line(3, 100.0), line(3, 20.0, service=LOGS), line(3, -7.0, record_type="Refund"))
    net = discounted(before, discounts)
    assert net["net_cost"].to_list() == pytest.approx([100.0, 90.0, 9.0, -7.0])
    off = discount_rows(net, discounts)
    assert off.select("record_type", "service", "cost").sort("cost").rows() == [
        ("PrivateRateDiscount", LOGS, -10.0),
        ("EdpDiscount", SAGEMAKER, -10.0),
        ("EdpDiscount", LOGS, -1.0),
    ]
    assert off["net_cost"].sum() == off["net_amortized"].sum() == 0
    whole = pl.concat([net, off])
    assert whole["cost"].sum() == pytest.approx(whole["net_cost"].sum())
    assert whole["amortized"].sum() == pytest.approx(whole["net_amortized"].sum())


def test_a_discount_ends_with_its_contract_and_keeps_to_its_services() -> None:
    discounts = [PrivateDiscount("EdpDiscount", 0.1, OCTOBER, date(2026, 10, 3), services=(LOGS,))]
    net = discounted(bill(line(2, 10.0, service=LOGS), line(3, 10.0, service=LOGS), line(2, 10.0)), discounts)
    assert net["net_cost"].to_list() == pytest.approx([9.0, 10.0, 10.0])


def test_covered_usage_is_not_discounted_but_its_plans_fee_and_rate_are() -> None:
    plan = {"plan_arn": "arn", "plan_cost": 6.0, "amortized": 6.0, "net_amortized": 6.0}
    fee = {
        "service": "Savings Plans for AWS Machine Learning",
        "record_type": "SavingsPlanRecurringFee",
        "plan_arn": "arn",
    }
    net = discounted(
        bill(
            line(2, 10.0, **plan, record_type="SavingsPlanCoveredUsage"),
            line(2, -10.0, amortized=0.0, net_amortized=0.0, record_type="SavingsPlanNegation"),
            line(2, 8.0, **fee, amortized=2.0, net_amortized=2.0),
        ),
        [PrivateDiscount("EdpDiscount", 0.1, OCTOBER)],
    )
    assert net["net_cost"].to_list() == pytest.approx([10.0, -10.0, 7.2])
    assert net["net_amortized"].to_list() == pytest.approx([5.4, 0.0, 1.8])


def test_tax_is_by_account_and_service_on_all_but_credits() -> None:
    before = bill(
        line(2, 100.0), line(3, 50.0, OTHER), line(3, 10.0, OTHER, LOGS), line(4, -40.0, record_type="Credit")
    )
    made = tax_rows(before, OCTOBER, Commercial(tax_rate=0.2)).select("account", "service", "cost", "start")
    first = datetime(2026, 10, 1, tzinfo=UTC)
    assert made.rows() == [
        (PAYER, SAGEMAKER, 20.0, first),
        (OTHER, SAGEMAKER, 10.0, first),
        (OTHER, LOGS, 2.0, first),
    ]


def test_refunds_and_corrections_are_in_the_month_they_are_for_once_they_are_posted() -> None:
    before = bill(line(2, 100.0), line(20, 100.0), line(2, 100.0, OTHER))
    change = Correction("Host:ml.m5.xlarge", OCTOBER, date(2026, 10, 10), 0.25, NOW, PAYER)
    back = Refund(OTHER, SAGEMAKER, 12.5, date(2026, 10, 7), NOW)
    early = NOW - timedelta(hours=1)
    assert corrected(before, [change], early).equals(before)
    assert refund_rows([back], OCTOBER, early).is_empty()
    (made,) = corrected(before, [change], NOW).tail(1).to_dicts()
    assert (made["start"].day, made["cost"], made["quantity"], made["list_cost"]) == (2, -75.0, 0.0, -75.0)
    assert made["note"].startswith("Correction")
    assert refund_rows([back], OCTOBER, NOW)["cost"].to_list() == [-12.5]
    assert refund_rows([back], date(2026, 11, 1), NOW).is_empty()


def test_the_first_gigabytes_of_logs_in_a_month_are_free_in_the_order_of_the_days() -> None:
    used = (
        bill(
            line(2, 1.5, service=LOGS),
            line(1, 1.0, service=LOGS),
            line(2, 0.5, OTHER, LOGS),
            line(3, 2.0, service=LOGS),
        )
        .rename({"rate": "price"})
        .drop("note")
    )
    found = with_free(used, free_shares(used)).with_columns(pl.col("start").dt.day().alias("day"))
    free = (
        found.filter(pl.col("price") == 0)
        .group_by("day", "account")
        .agg(pl.col("quantity").sum())
        .sort("day", "account")
    )
    assert free.rows() == [(1, PAYER, 2.0), (2, PAYER, pytest.approx(2.25)), (2, OTHER, pytest.approx(0.75))]
    assert found["quantity"].sum() == pytest.approx(used["quantity"].sum())
    assert found["cost"].sum() == pytest.approx(used["cost"].sum() - 5 * 0.5)
