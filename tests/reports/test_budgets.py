"""Budgets: scopes, periods, currencies, chances: what is judged, what is told, and what cannot be judged says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from sagekeeper.analyzers import budget_scope
from sagekeeper.analyzers.budget_periods import period_of
from sagekeeper.core.settings import Budget
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.reports.budget_alert import alert_key
from sagekeeper.reports.views.budget_rows import Means, covers
from sagekeeper.reports.views.budgets import BudgetState, budget_states, row_of
from sagekeeper.reports.views.spend import CUBE

NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)


def cube(*days: tuple[date, float], **more: Any) -> pl.DataFrame:
    rows = [
        dict.fromkeys(CUBE)
        | {"day": day, "billed": cost, "effective": cost / 2, "currency": "USD", "charge_category": "Usage"}
        | {"provisional": False, "account": "1", "owner": "risk", "service": "Amazon SageMaker"}
        | more
        for day, cost in days
    ]
    return pl.DataFrame(rows, schema=CUBE)


def every_day(
    cost: float, first: date = date(2026, 9, 1), last: date = date(2026, 11, 14), **more: Any
) -> pl.DataFrame:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    # Not quite the same every day: a forecast of a constant has no range.
    return cube(*((day, cost * (1 + 0.1 * (number % 3 - 1))) for number, day in enumerate(days)), **more)


def state(rows: pl.DataFrame, means: Means | None = None, **given: Any) -> BudgetState:
    budget = Budget.model_validate({"name": "b", "amount": 1000} | given)
    return budget_states(rows, [row_of(budget, "settings")], NOW, means)[0]


def test_a_budget_in_another_currency_is_unknown_without_a_rate_and_reaches_nothing() -> None:
    seen = state(every_day(100.0), currency="EUR")
    assert (seen.spent, seen.p_breach, seen.forecast) == (None, None, None)
    assert not any(item.reached for item in seen.thresholds)
    assert seen.why == (
        "Unknown: other currency. The bill is in USD, the budget in EUR; give a rate in currency_rates ('EUR/USD')."
    )


def test_a_scope_that_was_never_on_the_bill_is_asked_about() -> None:
    billed, misspelt = (state(every_day(100.0, owner="risk"), owner=name) for name in ("risk", "rsik"))
    assert not any("is it spelt" in note for note in billed.notes)
    assert (misspelt.spent, misspelt.p_breach) == (0.0, None)
    assert any("is it spelt" in note for note in misspelt.notes)


def test_a_rate_that_is_given_converts_the_bill() -> None:
    dollars, euros = (
        state(every_day(100.0)),
        state(every_day(100.0), Means({"EUR/USD": Decimal("1.25")}), currency="EUR"),
    )
    assert dollars.spent is not None
    assert euros.spent == pytest.approx(dollars.spent * 0.8)


def test_the_chance_falls_with_the_amount_and_is_certain_once_it_is_spent() -> None:
    chances = [state(every_day(100.0), amount=amount).p_breach for amount in (1000, 2900, 2990, 3050, 5000)]
    assert chances[0] == 1.0
    assert all(one is not None and other is not None and one >= other for one, other in pairwise(chances))
    assert chances[-1] is not None and chances[-1] < 0.01


def test_a_forecast_threshold_asks_for_the_probability_that_it_was_given() -> None:
    rows = every_day(100.0)
    amount = round(state(rows).forecast.expected)  # type: ignore[union-attr]
    likely = state(rows, amount=amount * 1.001, actual_percent=[], forecast_percent=[100], forecast_probability=0.9)
    lower = state(rows, amount=amount * 1.001, actual_percent=[], forecast_percent=[100], forecast_probability=0.05)
    assert (likely.thresholds[0].reached, lower.thresholds[0].reached) == (False, True)
    assert likely.thresholds[0].chance == lower.thresholds[0].chance


@pytest.mark.parametrize(
    ("unit", "first", "words"), [("QUARTERLY", date(2026, 10, 1), "Q4 2026"), ("ANNUALLY", date(2026, 1, 1), "2026")]
)
def test_longer_periods_count_from_their_first_day_and_are_forecast_to_their_last(
    unit: str, first: date, words: str
) -> None:
    seen = state(every_day(10.0), period=unit, amount=2000)
    assert (seen.month, seen.period.words) == (first, words)
    days = 75 if unit == "ANNUALLY" else 45
    assert seen.spent == pytest.approx(10 * days, rel=0.01)
    left = (date(2026, 12, 31) - date(2026, 11, 14)).days
    assert seen.forecast is not None
    assert seen.forecast.expected == pytest.approx(10 * (days + left), rel=0.03)


def test_too_little_history_gives_no_outlook_for_a_long_period() -> None:
    seen = state(every_day(10.0, first=date(2026, 11, 1)), period="ANNUALLY")
    assert (seen.forecast, seen.p_breach) == (None, None)
    assert seen.spent == pytest.approx(140, rel=0.01)


def test_a_custom_period_is_its_own_days_and_a_daily_one_the_last_day_on_the_bill() -> None:
    custom = state(every_day(10.0), period="CUSTOM", first="2026-11-10", last="2026-11-12")
    assert custom.spent == pytest.approx(30, rel=0.1)
    assert state(every_day(10.0), period="DAILY").month == date(2026, 11, 14)


def test_a_planned_amount_holds_from_its_day_on() -> None:
    planned = {"2026-10-01": 5, "2026-11-01": 7, "2026-12-01": 9}
    assert state(every_day(10.0), planned=planned).amount == 7
    assert state(every_day(10.0), planned={"2026-12-01": 9}).amount == 1000


def test_a_scope_of_several_names_is_any_of_them_and_of_several_keys_all() -> None:
    rows = pl.concat([every_day(1.0), every_day(10.0, owner="ads"), every_day(100.0, owner="ads", account="2")])
    whole = {name: state(rows, **scope).spent for name, scope in SCOPES.items()}
    assert whole == pytest.approx({"both": 14 * 111, "ads in 1": 140, "nobody": 0.0}, rel=0.05)


SCOPES: dict[str, dict[str, Any]] = {
    "both": {"owner": ["risk", "ads"]},
    "ads in 1": {"owner": "ads", "account": "1"},
    "nobody": {"owner": "nobody"},
}


def test_effective_cost_is_judged_where_the_budget_asks_for_it() -> None:
    assert state(every_day(100.0), notion="effective").spent == pytest.approx(state(every_day(50.0)).spent)


def test_the_riskiest_budget_is_first() -> None:
    amounts = {"safe": 9000, "gone": 500, "likely": 2500}
    rows = [row_of(Budget(name=name, amount=Decimal(amount)), "settings") for name, amount in amounts.items()]
    assert [item.name for item in budget_states(every_day(100.0), rows, NOW)] == ["gone", "likely", "safe"]


def test_each_period_and_threshold_has_a_letter_of_its_own() -> None:
    month, quarter = state(every_day(100.0)), state(every_day(100.0), period="QUARTERLY")
    keys = [alert_key(item, level) for item in (month, quarter) for level in item.thresholds]
    assert len(set(keys)) == len(keys)
    assert keys[0].startswith("budget:2026-11:actual:80:")


def thing(**columns: str) -> dict[str, str | None]:
    return {"account": "1", "service": "Amazon SageMaker", **columns}


def test_resources_families_and_owners_are_held_against_the_rows_of_the_bill() -> None:
    family = budget_scope.own({"family": "churn-train"})
    run, other = (thing(resource_kind="training_job", resource_name=name) for name in ("churn-train-2026-11-01", "x-1"))
    assert covers(family.where, [run, other]) == [True, False]
    assert family.fine
    endpoint = budget_scope.own({"endpoint": ["a", "b"]})
    assert covers(endpoint.where, [thing(resource_kind="endpoint", resource_name="b"), run]) == [True, False]


TAGS = {"team": "team", "Owner": "owner"}


def test_awss_filters_are_ours_where_we_know_them() -> None:
    old = budget_scope.of_aws({"CostFilters": {"LinkedAccount": ["1"], "TagKeyValue": ["user:team$risk"]}}, TAGS)
    assert covers(old.where, [thing(team="risk"), thing(team="ads"), thing()]) == [True, False, False]
    assert "held against the team" in old.notes[0]
    new = budget_scope.of_aws(
        {
            "Metrics": ["AmortizedCost"],
            "FilterExpression": {
                "And": [
                    {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon SageMaker"]}},
                    {"Not": {"Tags": {"Key": "Owner", "Values": ["ads"]}}},
                ]
            },
        },
        TAGS,
    )
    assert new.notion == "effective"
    assert covers(new.where, [thing(owner="risk"), thing(owner="ads"), thing() | {"service": "S3"}]) == [
        True,
        False,
        False,
    ]


def test_costs_without_tax_and_credit_leave_out_their_rows() -> None:
    scoped = budget_scope.of_aws({"CostTypes": {"IncludeTax": False, "IncludeCredit": False}}, TAGS)
    rows = [thing(charge_category=name) for name in ("Usage", "Tax", "Credit")]
    assert covers(scoped.where, rows) == [True, False, False]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"BudgetType": "USAGE"}, "USAGE budget is not about cost"),
        ({"CostFilters": {"AZ": ["us-east-1a"]}}, "filtered by AZ"),
        ({"CostFilters": {"TagKeyValue": ["user:stage$prod"]}}, "the tag stage"),
        ({"CostTypes": {"IncludeRefund": False}}, "IncludeRefund"),
        ({"CostTypes": {"UseBlended": True}}, "blended"),
        ({"Metrics": ["NetUnblendedCost"]}, "NetUnblendedCost"),
        ({"FilterExpression": {"Dimensions": {"Key": "USAGE_TYPE", "Values": ["x"]}}}, "USAGE_TYPE"),
        ({"FilterExpression": {"Tags": {"Key": "team", "Values": ["r"], "MatchOptions": ["STARTS_WITH"]}}}, "STARTS"),
    ],
)
def test_what_daily_costs_cannot_say_is_never_guessed(document: dict[str, Any], said: str) -> None:
    scoped = budget_scope.of_aws(document, TAGS)
    assert said in scoped.why_not
    assert covers(scoped.where, [thing()]) == [False]


def test_own_scopes_by_unknown_keys_or_of_a_model_and_more_are_refused() -> None:
    assert "cannot be scoped by planet" in budget_scope.own({"planet": "x"}).why_not
    assert "no other scope" in budget_scope.own({"model": "m", "owner": "o"}).why_not


def test_every_day_of_a_year_is_in_exactly_one_quarter() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    spans = {(period.first, period.last) for period in (period_of("QUARTERLY", day) for day in days)}
    assert len(spans) == 4
    assert sum((last - first).days + 1 for first, last in spans) == 365


def test_the_scope_columns_are_those_of_the_daily_costs() -> None:
    assert set(budget_scope.COLUMNS) <= set(DAILY_COSTS.columns)


def test_a_period_that_began_before_the_bill_says_that_its_spend_is_not_all() -> None:
    year = state(every_day(10.0), period="ANNUALLY")
    assert year.notes == (
        "The bill here begins on 1 September 2026: what was spent of this period before is not counted.",
    )
    assert state(every_day(10.0)).notes == ()


def test_the_fee_of_a_plan_is_fixed_to_the_end_of_a_month_and_of_a_quarter_and_only_as_billed() -> None:
    used = every_day(100.0, first=date(2026, 7, 1))
    both = pl.concat([used, cube(*((day, 50.0) for day in used["day"]), charge_category="Purchase")])
    ends = {"MONTHLY": date(2026, 11, 30), "QUARTERLY": date(2026, 12, 31)}
    starts = {"MONTHLY": date(2026, 11, 1), "QUARTERLY": date(2026, 10, 1)}
    for period, last in ends.items():
        alone, fixed = (state(rows, period=period).forecast for rows in (used, both))
        assert alone is not None and fixed is not None
        fee = 50.0 * ((last - starts[period]).days + 1)
        assert fixed.expected - alone.expected == pytest.approx(fee)
        assert fixed.high - fixed.low == pytest.approx(alone.high - alone.low)
        assert sum(fixed.path) - sum(alone.path) == pytest.approx(50.0 * (last - date(2026, 11, 14)).days)
    # By effective cost the unused part is on the line of the fee: it moves as the usage does, and is forecast with it.
    alone, learned = (state(rows, notion="effective").forecast for rows in (used, both))
    assert alone is not None and learned is not None
    assert learned.high - learned.low != pytest.approx(alone.high - alone.low)
