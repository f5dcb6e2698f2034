"""A bill with an endpoint and a job that ran away, incidents with what became of them: where the month and a budget end."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.core.lake import Lake, Scope
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.ledger.incidents import decide_incident, record_incidents
from sagekeeper.core.settings import Budget, Settings
from sagekeeper.core.tables import COSTS, DAILY_COSTS
from sagekeeper.core.types import Finding, ResourceRef, Stake
from sagekeeper.reports.views.budgets import BudgetState, all_states
from sagekeeper.reports.views.episodes import gone
from sagekeeper.reports.views.overview import overview
from sagekeeper.reports.views.spend import COST_EXPLORER, load_cube

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
FIRST = date(2026, 9, 1)
PLACE = {"account": "123456789012", "region": "us-east-1"}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """100 a day of an endpoint, 500 a day of it from 9 to 12 November; 1,000 a day of a job from 16 November to the last day."""
    row = dict.fromkeys(DAILY_COSTS.columns) | PLACE | {"dataset": COST_EXPLORER, "currency": "USD", "estimated": False}
    row |= {"charge_category": "Usage", "service": "Amazon SageMaker", "attribution": "measured"}
    rows = []
    for number in range(80):
        day = FIRST + timedelta(days=number)
        cost = 500.0 if date(2026, 11, 9) <= day <= date(2026, 11, 12) else 100.0
        rows.append(row | {"day": day, "resource_kind": "endpoint", "resource_name": "fraud", "billed_cost": cost})
        if day >= date(2026, 11, 16):
            job = {"resource_kind": "training_job", "resource_name": "fit-7", "owner": "risk"}
            rows.append(row | job | {"day": day, "billed_cost": 1000.0})
    made = Lake(tmp_path_factory.mktemp("episodes"))
    made.replace(DAILY_COSTS, pl.DataFrame(rows, schema=DAILY_COSTS.columns), Scope())
    return made


def incident(key: str, kind: str, subject: str, name: str, since: datetime, excess: int, per_day: int) -> Finding:
    return Finding(
        fingerprint=key,
        kind=kind,
        subject=ResourceRef(**PLACE, kind=subject, name=name),
        severity="high",
        title=name,
        explanation="It grew.",
        first_seen=since,
        last_seen=since,
        stake=Stake(
            cause="unknown",
            because="It grew.",
            since=since,
            excess=Decimal(excess),
            per_day=Decimal(per_day),
            month_excess=None,
        ),
    )


SURGE = incident("surge", "overspend", "endpoint", "fraud", datetime(2026, 11, 9, tzinfo=UTC), 1600, 400)
RUNAWAY = incident("fit", "runaway_job", "training_job", "fit-7", datetime(2026, 11, 16, 3, tzinfo=UTC), 4000, 1000)


def known(found: Collection[Finding], still: Collection[Finding]) -> Ledger:
    """A ledger after a run that saw ``found``, and one that sees ``still``."""
    ledger = open_ledger("sqlite://")
    kinds = ["overspend", "runaway_job"]
    with ledger.session() as session:
        record_incidents(session, kinds, found, AS_OF - timedelta(hours=12))
        record_incidents(session, kinds, still, AS_OF)
    return ledger


def budget(lake: Lake, ledger: Ledger, **more: object) -> BudgetState:
    made = Settings(budgets=[Budget.model_validate({"name": "b", "amount": 9000} | more)])
    return all_states(ledger, lake, made, load_cube(lake, COST_EXPLORER, AS_OF), AS_OF)[0]


def test_a_runaway_that_ended_and_a_surge_that_is_over_are_spent_and_do_not_go_on(lake: Lake) -> None:
    ledger = known([SURGE, RUNAWAY], [])
    page = overview(load_cube(lake, COST_EXPLORER, AS_OF), ledger, [], AS_OF, gone(ledger, lake, AS_OF)).forecast
    assert page is not None
    assert page.spent == pytest.approx(19 * 100 + 4 * 400 + 4 * 1000)
    assert page.expected == pytest.approx(page.spent + 11 * 100)
    seen = budget(lake, ledger)
    assert seen.forecast is not None and seen.forecast.expected == pytest.approx(page.expected)
    assert seen.p_breach is not None and seen.p_breach < 0.1
    quarter = budget(lake, ledger, period="QUARTERLY", amount=20000).forecast
    assert quarter is not None and quarter.expected == pytest.approx(page.spent + 31 * 100 + 42 * 100)


def test_while_the_job_runs_it_is_expected_to_go_on(lake: Lake) -> None:
    over, runs = (budget(lake, known([SURGE, RUNAWAY], still)).forecast for still in ([], [RUNAWAY]))
    assert over is not None and runs is not None
    assert runs.spent == over.spent and runs.expected > over.expected + 1000


def test_of_a_scope_only_what_is_in_it_is_taken_out(lake: Lake) -> None:
    ledger = known([RUNAWAY], [])
    assert gone(ledger, lake, AS_OF)["owner"].unique().to_list() == ["risk"]
    unowned = budget(lake, ledger, owner="unattributed").forecast
    plain = budget(lake, open_ledger("sqlite://"), owner="unattributed").forecast
    assert unowned is not None and unowned == plain


def test_a_surge_somebody_expected_is_over_when_the_bill_says_so_and_an_open_one_is_left_alone(lake: Lake) -> None:
    expected = known([SURGE], [SURGE])
    with expected.session() as session:
        decide_incident(session, "surge", "expected", "ann", AS_OF, reason="the winter sale")
    assert gone(expected, lake, AS_OF)["billed"].to_list() == pytest.approx([400.0] * 4)
    assert gone(known([SURGE], [SURGE]), lake, AS_OF).is_empty()


def test_a_price_that_rose_four_days_ago_is_in_the_forecast_whole_where_the_bill_tells_whose_it_is(
    tmp_path: Path,
) -> None:
    rise = date(2026, 11, 16)
    row = PLACE | {"dataset": COST_EXPLORER, "currency": "USD", "estimated": False, "charge_category": "Usage"}
    row |= {"service": "Amazon SageMaker", "usage_family": "hosting", "resource_name": "fraud", "owner": "risk"}
    line = {"x_Dataset": COST_EXPLORER, "SubAccountId": PLACE["account"], "RegionId": PLACE["region"]}
    line |= {"ServiceName": "Amazon SageMaker", "ChargeCategory": "Usage", "x_UsageType": "USE1-Host:ml.m5.4xlarge"}
    days = [(FIRST + timedelta(days=n)) for n in range(80)]
    costs = [150.0 if day >= rise else 100.0 for day in days]
    lake = Lake(tmp_path)
    for table, made in (
        (DAILY_COSTS, [row | {"day": day, "billed_cost": cost} for day, cost in zip(days, costs, strict=True)]),
        (
            COSTS,
            [
                line | {"x_ChargeDate": day, "BilledCost": cost, "ConsumedQuantity": 100.0, "BillingCurrency": "USD"}
                for day, cost in zip(days, costs, strict=True)
            ],
        ),
    ):
        filled = [dict.fromkeys(table.columns) | item for item in made]
        lake.replace(table, pl.DataFrame(filled, schema=table.columns), Scope())
    told = incident(
        "price", "price_change", "usage_type", line["x_UsageType"], datetime(2026, 11, 16, tzinfo=UTC), 200, 50
    )
    ledger = open_ledger("sqlite://")
    with ledger.session() as session:
        record_incidents(session, ["price_change"], [told], AS_OF)
    page = overview(load_cube(lake, COST_EXPLORER, AS_OF), ledger, [], AS_OF, gone(ledger, lake, AS_OF)).forecast
    assert page is not None
    assert page.spent == pytest.approx(15 * 100 + 4 * 150)
    assert page.expected == pytest.approx(page.spent + 11 * 150)
    ours, hers = budget(lake, ledger).forecast, budget(lake, ledger, owner="risk").forecast
    assert ours is not None and ours.expected == pytest.approx(page.expected)
    assert hers is not None and hers.spent == pytest.approx(page.spent) and hers.expected < page.expected - 100
    assert gone(open_ledger("sqlite://"), lake, AS_OF).is_empty()
