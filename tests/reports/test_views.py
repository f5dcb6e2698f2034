"""Sums that people see: checked against sums made by hand from the sample's rows."""

from __future__ import annotations

import doctest
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from sagekeeper.core.lake import Scope
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.findings import record_findings
from sagekeeper.core.settings import Budget
from sagekeeper.core.tables import DAILY_COSTS
from sagekeeper.reports import charts, export, wording
from sagekeeper.reports.views import bills, budgets, freshness, models, overview, proposals, resources, savings, spend
from sagekeeper.reports.views.findings import finding_lines


@pytest.fixture
def cube(house, sample) -> pl.DataFrame:
    return spend.load_cube(house[0], "cost-explorer", sample.AS_OF)


def test_wording_does_what_its_examples_say() -> None:
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize("by", ["service", "usage_family", "owner", "account", "region", "charge_category"])
def test_every_grouping_sums_to_the_bill_with_the_unattributed_by_name(cube, sample, by) -> None:
    first, last = date(2026, 10, 1), date(2026, 10, 31)
    october = sample.month_total(first)
    assert round(spend.by_group(cube, by, "billed", first, last)["cost"].sum(), 2) == october
    days = spend.grouped(spend.between(cube, first, last), by, "billed", most=2)
    assert round(days["cost"].sum(), 2) == october
    if by == "owner":
        assert spend.UNATTRIBUTED in days["group"].to_list() and spend.OTHERS in days["group"].to_list()


def test_resources_sum_to_the_bill_and_an_unknown_time_before_stays_unknown(house, sample) -> None:
    lake, _ = house
    october = resources.by_resource(lake, "cost-explorer", "USD", "billed", date(2026, 10, 1), date(2026, 10, 31))
    assert round(october["cost"].sum(), 2) == sample.month_total(date(2026, 10, 1))
    demo = october.filter(pl.col("resource_name") == "demo-for-the-board-2025").row(0, named=True)
    assert round(demo["cost"], 2) == round(27 * 24.72, 2) and round(demo["change"], 2) == round(-4 * 24.72, 2)
    all_days = resources.by_resource(lake, "cost-explorer", "USD", "billed", sample.FIRST_DAY, sample.LAST_DAY)
    assert all_days["before"].null_count() == all_days.height


def test_months_shown_equal_the_bills_rows_and_a_lost_row_is_noticed(house, sample) -> None:
    lake, _ = house
    months = bills.month_agreement(lake, "cost-explorer")
    assert months["difference"].to_list() == [0.0] * 4
    assert months["shown"].to_list() == [sample.month_total(date(2026, month, 1)) for month in (11, 10, 9, 8)]
    day = date(2026, 10, 5)
    rows = lake.scan(DAILY_COSTS).filter((pl.col("dataset") == "cost-explorer") & (pl.col("day") == day)).collect()
    lost = rows.filter(pl.col("resource_name") == "fraud-scoring-prod")["billed_cost"].sum()
    kept = rows.filter(pl.col("resource_name").ne_missing("fraud-scoring-prod"))
    lake.replace(DAILY_COSTS, kept, Scope({"dataset": "cost-explorer", "day": day}))
    months = bills.month_agreement(lake, "cost-explorer")
    assert months.filter(pl.col("month") == date(2026, 10, 1))["difference"].to_list() == [-lost]


def test_file_total_that_differs_by_a_cent_does_not_agree(house) -> None:
    lake, ledger = house
    bill = next(bill for bill in bills.bills(lake, ledger) if bill.file)
    assert bill.file is not None
    assert all(total.agrees for total in bills.file_agreement(lake, bill))
    bill.file.totals = {"Usage": {"rows": 3, "BilledCost": "248.45"}, "Tax": {"rows": 1, "BilledCost": "0.00"}}
    assert [total.agrees for total in bills.file_agreement(lake, bill)] == [False, False]


def test_young_days_are_provisional_and_final_days_are_not(cube, sample) -> None:
    days = spend.per_day(cube, "billed")
    assert days.filter("provisional")["day"].to_list() == [sample.LAST_DAY - timedelta(days=1), sample.LAST_DAY]


def test_month_that_aws_calls_estimated_is_not_provisional_as_a_whole(house, sample) -> None:
    lake, _ = house
    estimated = sample.daily_rows().with_columns(estimated=pl.col("day") >= date(2026, 11, 1))
    sample.fill_costs(lake, estimated)
    days = spend.per_day(spend.load_cube(lake, "cost-explorer", sample.AS_OF), "billed")
    assert days.filter("provisional")["day"].to_list() == [sample.LAST_DAY - timedelta(days=1), sample.LAST_DAY]


def test_day_without_a_bill_is_a_gap_and_not_zero(cube) -> None:
    holed = cube.filter(pl.col("day") != date(2026, 11, 5))
    assert spend.missing_days(holed, date(2026, 11, 1), date(2026, 11, 19)) == [date(2026, 11, 5)]
    figure = charts.spend_by_day(
        spend.grouped(holed, "service", "billed"), "USD", "Billed", date(2026, 11, 1), date(2026, 11, 19)
    )
    assert all(bar.y[4] is None for bar in figure.data)
    assert figure.layout.yaxis.title.text == "Billed cost, USD per day"


def test_provisional_bars_are_hatched(cube) -> None:
    rows = spend.grouped(cube, "service", "billed")
    figure = charts.spend_by_day(rows, "USD", "Billed", date(2026, 11, 10), date(2026, 11, 19))
    sagemaker = next(bar for bar in figure.data if bar.name == "Amazon SageMaker")
    assert list(sagemaker.marker.pattern.shape) == [""] * 8 + ["/"] * 2


def test_names_in_figures_are_escaped(sample) -> None:
    rows = pl.DataFrame(
        {
            "day": [date(2026, 11, 1)],
            "group": ["<a href='http://evil.example'>x</a>"],
            "cost": [1.0],
            "provisional": [False],
        }
    )
    figure = charts.spend_by_day(rows, "USD", "Billed", date(2026, 11, 1), date(2026, 11, 1))
    assert "<" not in figure.data[0].name


def test_what_is_only_for_information_comes_last_however_much_money_it_names(sqlite_ledger, sample) -> None:
    nobodys = sample.finding(
        "unattributed_cost", "toxicity-filter", "info", "Nobody's cost", "No tag.", impact=Decimal(9000)
    )
    retired = sample.finding("retired_hardware", "churn-old-experiment", "high", "Retired", "ml.p3.2xlarge is gone.")
    dear = sample.finding("overspend", "search-ranking-prod", "medium", "Dearer", "Twice the cost.", impact=Decimal(50))
    drifted = sample.finding("feature_drift", "fraud-scoring-prod", "critical", "Drifted", "Other amounts.")
    with sqlite_ledger.session() as session:
        kinds = ["unattributed_cost", "retired_hardware", "overspend", "feature_drift"]
        record_findings(session, kinds, [nobodys, retired, dear, drifted], sample.AS_OF)
    found = [line.title for line in finding_lines(sqlite_ledger)]
    assert found == ["Drifted", "Dearer", "Retired", "Nobody's cost"]


def test_proposals_that_exclude_each_other_count_once(house) -> None:
    lines = proposals.proposal_lines(house[1])
    assert len(lines) == 4
    gain = savings.potential(lines)
    assert (gain.low, gain.expected, gain.high) == (Decimal("2585.00"), Decimal("2888.32"), Decimal("2998.32"))
    assert (gain.counted, gain.excluded, gain.one_click) == (3, 1, 3)


def test_undone_change_keeps_what_it_saved_but_saves_nothing_more(house) -> None:
    from sagekeeper.core.ledger.models import ActionRow

    ledger = house[1]
    assert savings.proven(ledger).per_month == Decimal("751.90")
    with ledger.session() as session:
        session.get_one(ActionRow, 1).state = "undone"
    after = savings.proven(ledger)
    assert (after.saved_to_date, after.per_month) == (Decimal("494.40"), Decimal(0))


def test_budget_breaks_on_the_day_the_sum_passes_it(cube, sample, house) -> None:
    rows = budgets.all_budgets(
        house[1], [Budget(name="b", amount=Decimal("5000")), Budget(name="s", amount=Decimal("3000"), owner="search")]
    )
    states = {state.name: state for state in budgets.budget_states(cube, rows, sample.AS_OF)}
    sums, crossed = 0.0, None
    for day, cost in (
        spend.per_day(spend.between(cube, date(2026, 11, 1), sample.LAST_DAY), "billed")
        .select("day", "cost")
        .iter_rows()
    ):
        sums += cost
        crossed = crossed or (day if sums >= 5000 else None)
    assert states["b"].breaks_on == crossed
    assert [item.reached for item in states["b"].thresholds] == [True, True, True]
    search = cube.filter((pl.col("owner") == "search") & (pl.col("day") >= date(2026, 11, 1)))["billed"].sum()
    assert states["s"].spent == pytest.approx(search)


def test_a_month_before_its_tax_is_held_against_the_last_one_without_it(cube, sample) -> None:
    november = pl.col("day") >= date(2026, 11, 1)
    is_tax = pl.col("charge_category") == "Tax"
    with_tax = overview.month_to_date(cube, sample.AS_OF, "USD")
    before_tax = overview.month_to_date(cube.filter(~(november & is_tax)), sample.AS_OF, "USD")
    assert (with_tax.before_tax, before_tax.before_tax) == (False, True)
    assert with_tax.last_month_same_days is not None and before_tax.last_month_same_days is not None
    assert with_tax.last_month_same_days - before_tax.last_month_same_days == pytest.approx(812.55)


def test_tax_that_is_still_to_come_breaks_a_budget_on_the_last_day_of_the_month_not_before(cube, sample) -> None:
    untaxed = cube.filter(~((pl.col("day") >= date(2026, 11, 1)) & (pl.col("charge_category") == "Tax")))
    forecast = budgets.forecast_of(untaxed, sample.AS_OF)
    assert forecast is not None and forecast.tax_to_come > 100
    amount = Decimal(round(forecast.expected - forecast.tax_to_come / 2))
    (row,) = budgets.all_budgets(open_ledger("sqlite://"), [Budget(name="b", amount=amount)])
    (state,) = budgets.budget_states(untaxed, [row], sample.AS_OF)
    assert state.breaks_on == date(2026, 11, 30)


def test_month_without_a_bill_yet_is_unknown_and_not_zero(cube, house, sample) -> None:
    later = sample.AS_OF.replace(month=12, day=1)
    rows = budgets.all_budgets(house[1], [Budget(name="b", amount=Decimal("100"))])
    seen = overview.overview(cube, house[1], budgets.budget_states(cube, rows, later), later)
    assert seen.spend.billed is None and seen.forecast is None and seen.budgets[0].spent is None
    assert not any(item.reached for item in seen.budgets[0].thresholds)


def test_source_that_failed_in_one_place_is_named_with_its_reason(house, sample) -> None:
    states = {item.source: item for item in freshness.source_states(house[1], sample.AS_OF)}
    assert states["model_monitor"].failed == 1 and states["model_monitor"].last_good is None
    assert states["inventory"].failed == 0 and not states["inventory"].stale
    (failure,) = freshness.failures(house[1])
    assert (failure.region, failure.source) == ("eu-west-1", "model_monitor") and "AccessDenied" in failure.message


def test_shape_of_a_feature_holds_all_records_on_both_sides(house, sample) -> None:
    key = models.ModelKey(sample.PAYER, "us-east-1", "fraud-scoring-prod", "AllTraffic")
    profiles = models.feature_profiles(house[0], key, sample.AS_OF)
    amount = models.feature_now(profiles, "amount")
    assert amount.shares is not None and (amount.baseline_records, amount.now_records) == (5000, 2800)
    assert amount.shares["baseline"].sum() == pytest.approx(1) and amount.shares["now"].sum() == pytest.approx(1)
    country = models.feature_now(profiles, "country")
    assert country.shares is not None
    us = country.shares.filter(pl.col("label") == "US").row(0, named=True)
    assert us["now"] > 0.5 > 0.2 > us["baseline"]
    assert models.feature_now(profiles, "nothing").unknown == "no baseline was ever made for this feature"


def test_export_runs_no_formula_and_keeps_numbers() -> None:
    frame = pl.DataFrame({"owner": ["=1+1", "@x", "-3", "risk", None], "cost": [-1.5, 2.0, 3.25, 4.0, 5.0]})
    lines = export.as_csv(frame).decode("utf-8-sig").splitlines()
    assert lines == ["owner,cost", "'=1+1,-1.5", "'@x,2.0", "'-3,3.25", "risk,4.0", ",5.0"]
