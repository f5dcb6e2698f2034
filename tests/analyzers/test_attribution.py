"""Bill lines find their resource; no cent is lost on the way."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagekeeper.analyzers.attribution import AMOUNTS, attribute
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.core.tables import DAILY_COSTS

TAGS = OwnerRules(owner=("owner", "team"))


def by_name(daily: pl.DataFrame) -> dict[str | None, float]:
    """Cost per resource name."""
    return {
        name: round(cost, 6) for name, cost in daily.group_by("resource_name").agg(pl.col("billed_cost").sum()).rows()
    }


def test_a_line_that_names_its_resource_is_measured_and_takes_the_name_and_owner_from_the_inventory(
    rows: SimpleNamespace,
) -> None:
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 5.52, 24, ResourceId=rows.arn("endpoint", "fraud-scoring"))
    stood = rows.endpoint("Fraud-Scoring", tags={"team": "risk"}, arn=rows.arn("endpoint", "Fraud-Scoring"))
    daily = attribute(rows.costs(line), rows.inventory(stood), rows.jobs(), TAGS)
    row = daily.row(0, named=True)
    assert (row["resource_kind"], row["resource_name"], row["owner"]) == ("endpoint", "Fraud-Scoring", "risk")
    assert (row["attribution"], row["usage_family"], row["billed_cost"]) == ("measured", "hosting", 5.52)
    assert daily.schema == DAILY_COSTS.columns


def test_the_first_owner_tag_wins_and_the_bills_own_tags_speak_for_what_is_gone(rows: SimpleNamespace) -> None:
    line = rows.bill_line("Host:ml.m5.large", 1.0, ResourceId=rows.arn("endpoint", "gone"), Tags='{"team": "search"}')
    both = rows.bill_line("Host:ml.m5.large", 1.0, ResourceId=rows.arn("endpoint", "here"))
    stood = rows.endpoint("here", tags={"team": "risk", "owner": "ana"})
    daily = attribute(rows.costs(line, both), rows.inventory(stood), rows.jobs(), TAGS)
    assert dict(daily.select("resource_name", "owner").rows()) == {"gone": "search", "here": "ana"}


def test_a_nameless_hosting_line_is_shared_by_running_hours(rows: SimpleNamespace) -> None:
    # 24 h of one and 8 h of the other (created at 16:00): 32 h, 3/4 and 1/4 of $8.
    line = rows.bill_line("EUW1-Host:ml.m5.xlarge", 8.0, 32)
    born = rows.endpoint("younger", created_at=datetime(2026, 11, 10, 16, tzinfo=UTC))
    daily = attribute(rows.costs(line), rows.inventory(rows.endpoint("older"), born), rows.jobs(), TAGS)
    assert by_name(daily) == {"older": 6.0, "younger": 2.0}
    assert set(daily["attribution"]) == {"derived"}


def test_hours_that_nothing_known_explains_stay_unattributed(rows: SimpleNamespace) -> None:
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 9.6, 48)
    daily = attribute(rows.costs(line), rows.inventory(rows.endpoint("only")), rows.jobs(), TAGS)
    assert by_name(daily) == {"only": 4.8, None: 4.8}


def test_more_instances_today_than_that_day_still_get_no_more_than_the_line(rows: SimpleNamespace) -> None:
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 9.6, 48)
    daily = attribute(rows.costs(line), rows.inventory(rows.endpoint("grown", count=6)), rows.jobs(), TAGS)
    assert by_name(daily) == {"grown": 9.6}


def test_what_has_not_changed_since_takes_its_hours_first(rows: SimpleNamespace) -> None:
    # 72 h: 24 of the steady one; the other has six instances today, changed on the 15th, and had two (48 h) then.
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 14.4, 72)
    grown = rows.endpoint("grown", count=6, changed_at=datetime(2026, 11, 15, tzinfo=UTC))
    daily = attribute(rows.costs(line), rows.inventory(grown, rows.endpoint("steady")), rows.jobs(), TAGS)
    assert by_name(daily) == {"grown": 9.6, "steady": 4.8}


def test_what_rounding_left_of_a_line_belongs_to_nobody(rows: SimpleNamespace) -> None:
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", -7e-10, 1e-10)
    daily = attribute(rows.costs(line), rows.inventory(rows.endpoint("e")), rows.jobs(), TAGS)
    assert daily["attribution"].to_list() == ["unattributed"]


def test_real_time_and_asynchronous_hours_of_one_machine_are_not_mixed(rows: SimpleNamespace) -> None:
    lines = rows.bill_line("USE1-Host:ml.g5.xlarge", 30.0, 24), rows.bill_line("USE1-AsyncInf:ml.g5.xlarge", 20.0, 24)
    stood = rows.endpoint("live", "ml.g5.xlarge"), rows.endpoint("queue", "ml.g5.xlarge", asynchronous=True)
    assert by_name(attribute(rows.costs(*lines), rows.inventory(*stood), rows.jobs(), TAGS)) == {
        "live": 30.0,
        "queue": 20.0,
    }


def test_training_is_shared_by_billable_hours_and_a_job_over_midnight_by_its_hours_in_each_day(
    rows: SimpleNamespace,
) -> None:
    late = rows.job("late", "ml.m5.xlarge", datetime(2026, 11, 10, 23, tzinfo=UTC), 120)
    spot = rows.job(
        "spot", "ml.m5.xlarge", datetime(2026, 11, 10, 3, tzinfo=UTC), 120, billable_seconds=3600, spot=True
    )
    first = rows.bill_line("USE1-Train:ml.m5.xlarge", 2.0, 2)
    second = rows.bill_line("USE1-Train:ml.m5.xlarge", 1.0, 1, x_ChargeDate=date(2026, 11, 11))
    daily = attribute(rows.costs(first, second), rows.inventory(), rows.jobs(late, spot), TAGS)
    assert by_name(daily.filter(pl.col("day") == date(2026, 11, 10))) == {"late": 1.0, "spot": 1.0}
    assert by_name(daily.filter(pl.col("day") == date(2026, 11, 11))) == {"late": 1.0}


def test_spot_that_was_interrupted_about_midnight_is_paid_on_the_day_that_the_bill_says(rows: SimpleNamespace) -> None:
    # Two hours from 23:00, one of them billed, all of it on the first day: half of it would be if it were spread evenly.
    spot = rows.job(
        "spot", "ml.m5.xlarge", datetime(2026, 11, 10, 23, tzinfo=UTC), 120, billable_seconds=3600, spot=True
    )
    line = rows.bill_line("USE1-Train:ml.m5.xlarge", 0.2, 1)
    assert by_name(attribute(rows.costs(line), rows.inventory(), rows.jobs(spot), TAGS)) == {"spot": 0.2}
    # A job of one day explains no more than its billed hours.
    noon = rows.job(
        "noon", "ml.m5.xlarge", datetime(2026, 11, 10, 12, tzinfo=UTC), 120, billable_seconds=3600, spot=True
    )
    line = rows.bill_line("USE1-Train:ml.m5.xlarge", 0.4, 2)
    assert by_name(attribute(rows.costs(line), rows.inventory(), rows.jobs(noon), TAGS)) == {"noon": 0.2, None: 0.2}


def test_the_instance_count_of_a_day_is_the_one_that_was_seen_then(rows: SimpleNamespace) -> None:
    # Four instances until the 15th, one since: on the 10th 96 h of its own and 24 h of the other.
    before = rows.endpoint("shrunk", count=4, observed_on=date(2026, 11, 12))
    since = rows.endpoint("shrunk", count=1, changed_at=datetime(2026, 11, 15, tzinfo=UTC))
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 12.0, 120)
    daily = attribute(rows.costs(line), rows.inventory(before, since, rows.endpoint("other")), rows.jobs(), TAGS)
    assert by_name(daily) == {"shrunk": 9.6, "other": 2.4}


def test_instances_that_run_count_before_those_that_were_asked_for_at_first(rows: SimpleNamespace) -> None:
    document = json.loads(rows.endpoint("scaled", count=1)["config"])
    document["ProductionVariants"][0]["CurrentInstanceCount"] = 3
    scaled = rows.endpoint("scaled", config=json.dumps(document))
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 8.0, 96)
    daily = attribute(rows.costs(line), rows.inventory(scaled, rows.endpoint("other")), rows.jobs(), TAGS)
    assert by_name(daily) == {"scaled": 6.0, "other": 2.0}


def test_a_warm_pool_is_its_jobs_that_kept_it(rows: SimpleNamespace) -> None:
    # One hour of training, then two hours of waiting for a next job that did not come.
    kept = '{"WarmPoolStatus": {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 7200}}'
    job = rows.job("patient", "ml.m5.xlarge", datetime(2026, 11, 10, 3, tzinfo=UTC), 60, config=kept)
    lines = rows.bill_line("USE1-Train:ml.m5.xlarge", 0.2, 1), rows.bill_line("USE1-WarmPool:ml.m5.xlarge", 0.4, 2)
    daily = attribute(rows.costs(*lines), rows.inventory(), rows.jobs(job), TAGS)
    assert daily.sort("usage_family").select("usage_family", "resource_name", "billed_cost").rows() == [
        ("training", "patient", 0.2),
        ("warm_pool", "patient", 0.4),
    ]


def test_studio_hours_are_the_apps_that_run(rows: SimpleNamespace) -> None:
    config = '{"ResourceSpec": {"InstanceType": "ml.t3.medium"}, "UserProfileName": "ana", "DomainId": "d-1"}'
    app = rows.endpoint("d-1/ana/JupyterLab/default", kind="studio_app", config=config, arn=rows.arn("app", "x"))
    line = rows.bill_line("USE1-Studio:JupyterLab-ml.t3.medium", 1.2, 24)
    row = attribute(rows.costs(line), rows.inventory(app), rows.jobs(), TAGS).row(0, named=True)
    assert (row["resource_name"], row["attribution"]) == ("d-1/ana/JupyterLab/default", "derived")
    assert (row["owner"], row["owner_basis"]) == ("ana", "user profile name")


def test_a_stopped_notebook_takes_no_hours(rows: SimpleNamespace) -> None:
    def notebook(name: str, status: str) -> dict[str, Any]:
        document = '{"InstanceType": "ml.t3.medium"}'
        return rows.endpoint(name, kind="notebook_instance", status=status, config=document)

    line = rows.bill_line("USE1-Notebk:ml.t3.medium", 1.2, 24)
    stood = rows.inventory(notebook("on", "InService"), notebook("off", "Stopped"))
    assert by_name(attribute(rows.costs(line), stood, rows.jobs(), TAGS)) == {"on": 1.2}


def test_what_was_last_seen_before_the_newest_look_ran_no_longer(rows: SimpleNamespace) -> None:
    gone = rows.endpoint("gone", observed_on=date(2026, 11, 9), observed_at=datetime(2026, 11, 9, 8, tzinfo=UTC))
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 4.8, 24)
    assert by_name(attribute(rows.costs(line), rows.inventory(gone, rows.endpoint("here")), rows.jobs(), TAGS)) == {
        "here": 4.8
    }


@pytest.mark.parametrize("usage_type", ["USE1-DataProcessing-Bytes", "SomethingNew:ml.m5.xlarge", "", "USE1-Tax"])
def test_an_unknown_usage_type_is_kept_and_unattributed(rows: SimpleNamespace, usage_type: str) -> None:
    daily = attribute(
        rows.costs(rows.bill_line(usage_type, 3.0, 1)), rows.inventory(rows.endpoint("e")), rows.jobs(), TAGS
    )
    assert daily.select("usage_family", "resource_name", "attribution", "billed_cost").rows() == [
        ("unattributed", None, "unattributed", 3.0)
    ]


def test_an_unknown_amount_is_not_a_zero(rows: SimpleNamespace) -> None:
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 4.8, 24, EffectiveCost=None)
    row = attribute(rows.costs(line), rows.inventory(rows.endpoint("e")), rows.jobs(), TAGS).row(0, named=True)
    assert row["billed_cost"] == pytest.approx(4.8)
    assert row["effective_cost"] is None


def test_a_shared_line_shares_each_of_its_four_costs_alike_and_an_unknown_one_stays_unknown(
    rows: SimpleNamespace,
) -> None:
    # 48 h, of which the one endpoint explains 24: half of each.
    line = rows.bill_line("USE1-Host:ml.m5.xlarge", 8.0, 48, EffectiveCost=6.0, ListCost=10.0, ContractedCost=None)
    daily = attribute(rows.costs(line), rows.inventory(rows.endpoint("only")), rows.jobs(), TAGS)
    assert daily.sort("resource_name").select("resource_name", *AMOUNTS).rows() == [
        (None, 4.0, 3.0, 5.0, None),
        ("only", 4.0, 3.0, 5.0, None),
    ]


def test_no_bill_gives_no_rows(rows: SimpleNamespace) -> None:
    assert attribute(rows.costs(), rows.inventory(), rows.jobs(), TAGS).schema == DAILY_COSTS.columns


LINES = st.lists(
    st.fixed_dictionaries(
        {
            "usage": st.sampled_from(
                [
                    "Host:ml.m5.xlarge",
                    "USE1-Train:ml.m5.xlarge",
                    "Host:VolumeUsage.gp2",
                    "Notebk:ml.t3.medium",
                    "Odd",
                    "Tax",
                ]
            ),
            "cost": st.floats(-500, 5000, allow_nan=False),
            "list": st.none() | st.floats(0, 9000),
            "contracted": st.none() | st.floats(0, 7000),
            "quantity": st.none() | st.floats(0, 500),
            "day": st.integers(1, 4),
            "account": st.sampled_from(["123456789012", "210987654321"]),
            "currency": st.sampled_from(["USD", "EUR"]),
            "named": st.booleans(),
            "category": st.sampled_from(["Usage", "Tax", "Credit"]),
        }
    ),
    min_size=1,
    max_size=25,
)


@given(lines=LINES, endpoints=st.integers(0, 3), minutes=st.floats(1, 4000))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sum_of_every_bill_day_account_and_currency_is_kept_in_each_of_the_four_costs(
    rows: SimpleNamespace, lines: list[dict[str, Any]], endpoints: int, minutes: float
) -> None:
    costs = rows.costs(
        *(
            rows.bill_line(
                item["usage"],
                item["cost"],
                item["quantity"],
                x_ChargeDate=date(2026, 11, item["day"]),
                SubAccountId=item["account"],
                BillingCurrency=item["currency"],
                ChargeCategory=item["category"],
                EffectiveCost=0.9 * item["cost"],
                ListCost=item["list"],
                ContractedCost=item["contracted"],
                ResourceId=rows.arn("endpoint", "e0") if item["named"] else None,
            )
            for item in lines
        )
    )
    stood = rows.inventory(*(rows.endpoint(f"e{n}", count=n + 1) for n in range(endpoints)))
    job = rows.job("job", "ml.m5.xlarge", datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=3), minutes)
    daily = attribute(costs, stood, rows.jobs(job), TAGS)
    bill = costs.rename({theirs: ours for ours, theirs in AMOUNTS.items()}).rename(
        {"x_Dataset": "dataset", "x_ChargeDate": "day", "SubAccountId": "account", "BillingCurrency": "currency"}
    )
    before, after = sums(bill), sums(daily)
    assert before.select(SUMMED_BY).equals(after.select(SUMMED_BY))
    for cost in AMOUNTS:
        assert before[f"{cost}_known"].equals(after[f"{cost}_known"]), cost
        assert ((before[cost] - after[cost]).abs() <= 1e-9 * before[f"{cost}_size"] + 1e-12).all(), cost
    keys = daily.select(DAILY_COSTS.keys)
    assert keys.is_unique().all()


SUMMED_BY = ["dataset", "day", "account", "currency"]


def sums(frame: pl.DataFrame) -> pl.DataFrame:
    """Of each cost: the sum, whether any of it is known, and how large the summands were."""
    return (
        frame.group_by(SUMMED_BY)
        .agg(
            *(pl.col(cost).sum() for cost in AMOUNTS),
            *(pl.col(cost).is_not_null().any().alias(f"{cost}_known") for cost in AMOUNTS),
            *(pl.col(cost).abs().sum().alias(f"{cost}_size") for cost in AMOUNTS),
        )
        .sort(SUMMED_BY)
    )
