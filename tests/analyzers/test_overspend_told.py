"""A rise is told once, at the smallest thing that explains it, and of a sum only what is left of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from tests.analyzers.overspend_rows import days, event, made, new, steady, told_with


def test_what_is_new_is_told_where_it_is_why_its_sum_has_risen_and_the_sum_is_not_told_too(
    rows: SimpleNamespace,
) -> None:
    costs = [*new(rows, "canary", 40.0), *days(rows, "old", steady(100))]
    (finding,) = told_with(rows, [made("canary")], *costs)
    assert finding.stake is not None
    assert (finding.subject.name, finding.stake.cause) == ("canary", "new_resource")
    assert finding.first_seen.date() == date(2026, 11, 11)
    assert float(finding.stake.excess) == pytest.approx(9 * 40.0)


def test_a_new_thing_of_the_same_name_in_another_account_explains_nothing_there(rows: SimpleNamespace) -> None:
    elsewhere = {"account": "210987654321"}
    costs = [
        *new(rows, "canary", 40.0),
        *days(rows, "old", steady(100)),
        *days(rows, "canary", lambda day: 40.0 if day >= date(2026, 11, 11) else 0.0, **elsewhere),
        *days(rows, "large", steady(2000), **elsewhere),
    ]
    (finding,) = told_with(rows, [made("canary"), made("canary") | elsewhere], *costs)
    assert finding.subject.account == "123456789012"


def test_a_small_new_thing_beside_a_large_sum_that_has_not_risen_is_not_told_and_a_dear_one_is(
    rows: SimpleNamespace,
) -> None:
    around = days(rows, "old", steady(1000))
    assert told_with(rows, [made("canary")], *new(rows, "canary", 40.0), *around) == []
    (finding,) = told_with(rows, [made("canary")], *new(rows, "canary", 80.0), *around)  # 2,433 a month
    assert finding.subject.name == "canary"


def test_what_took_the_place_of_another_is_not_new_money(rows: SimpleNamespace) -> None:
    before = days(rows, "scorer-v1", lambda day: 100.0 if day < date(2026, 11, 11) else 0.0)
    assert (
        told_with(rows, [made("scorer-v2")], *before, *new(rows, "scorer-v2", 100.0), *days(rows, "old", steady(300)))
        == []
    )


def test_a_new_thing_that_is_gone_again_is_not_told(rows: SimpleNamespace) -> None:
    gone = days(rows, "trial", lambda day: 90.0 if 11 <= day.day <= 13 and day.month == 11 else 0.0)
    assert told_with(rows, [made("trial")], *gone, *days(rows, "old", steady(100))) == []


@pytest.mark.parametrize(("ended", "told_of"), [(14, True), (8, False)])
def test_new_jobs_that_have_ended_are_told_for_a_week_with_what_they_took(
    rows: SimpleNamespace, ended: int, told_of: bool
) -> None:
    last = date(2026, 11, ended)
    kind = {"resource_kind": "training_job", "usage_family": "training"}
    costs = days(rows, "sweep-9", lambda day: 1200.0 if last - timedelta(days=2) < day <= last else 0.0, **kind)
    start = datetime(2026, 11, ended - 1, 0, 5, tzinfo=UTC)
    begun = event("job_started", "sweep-9", start) | {"resource_kind": "training_job"}
    job = rows.job("sweep-9", "ml.g5.12xlarge", start, 2870)
    found = told_with(rows, [begun], *costs, *days(rows, "old", steady(100)), jobs=[job])
    assert [finding.title for finding in found] == (["sweep is new and has cost 2,400 USD"] if told_of else [])
    for finding in found:
        assert finding.stake is not None
        assert (finding.stake.excess, finding.stake.month_excess) == (2400, 2400)


def test_a_resource_and_its_sum_are_told_once_and_what_is_left_of_the_sum_is_told_without_it(
    rows: SimpleNamespace,
) -> None:
    step = date(2026, 11, 11)
    grown = days(rows, "grown", lambda day: 300.0 if day >= step else 100.0)
    steadily = days(rows, "old", steady(100))
    # Nobody saw these two begin: the bill may only name them since.
    unseen = [line for name in ("a", "b") for line in days(rows, name, lambda day: 200.0 if day >= step else 0.0)]
    one, other = told_with(rows, [], *grown, *steadily, *unseen)
    assert {item.subject.name for item in (one, other)} == {"grown", "Amazon SageMaker, hosting"}
    amounts = {item.subject.name: float(item.stake.excess) for item in (one, other) if item.stake}
    assert amounts == {
        "grown": pytest.approx(9 * 200.0),
        "Amazon SageMaker, hosting": pytest.approx(9 * 400.0, rel=0.01),
    }
    assert "besides what is told of its parts" in one.title + other.title


def test_a_service_is_told_without_its_families_and_what_is_left_of_these(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)

    def since(before: float, after: float) -> Callable[[date], float]:
        return lambda day: after if day >= step else before

    # Hosting: 200 of one endpoint and 400 of what nobody saw begin; 90 of studio apps nobody saw begin, in a family of its own.
    costs = [
        *days(rows, "grown", since(100, 300)),
        *days(rows, "old", steady(100)),
        *days(rows, "a", since(0, 400)),
        *days(rows, "b", since(0, 90), usage_family="studio"),
    ]
    found = told_with(rows, [], *costs)
    amounts = {item.subject.name: float(item.stake.excess) for item in found if item.stake}
    assert amounts["grown"] == pytest.approx(9 * 200)
    assert amounts["Amazon SageMaker, hosting"] == pytest.approx(9 * 400, rel=0.01)
    assert sum(amounts.values()) <= 9 * 690 * 1.01


def test_resources_that_all_rose_alike_are_one_cause(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    costs = [
        line
        for number in range(1, 6)
        for line in days(rows, f"e{number}", lambda day, size=100.0 * number: size * (1.5 if day >= step else 1.0))
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.subject.name == "Amazon SageMaker, hosting"
    assert finding.stake is not None
    assert float(finding.stake.excess) == pytest.approx(9 * 750.0)
    assert "same ratio" in finding.stake.because


def test_all_of_one_region_that_rose_alike_are_one_cause(rows: SimpleNamespace) -> None:
    step = date(2026, 11, 11)
    costs = [
        line
        for number in range(1, 5)
        for region, ratio in (("us-east-1", 1.0), ("eu-west-1", 2.0))
        for line in days(
            rows,
            f"e{number}-{region}",
            lambda day, size=100.0 * number, ratio=ratio: size * (ratio if day >= step else 1.0),
            region=region,
        )
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.stake is not None
    assert finding.subject.name == "Amazon SageMaker, hosting"
    assert finding.stake.because == "The money is in: all 4 of eu-west-1, alike 100 %."


STEPS = st.sampled_from([1.0, 1.2, 1.5, 3.0, 0.5])
THINGS = st.lists(
    st.tuples(st.floats(20, 500), STEPS, st.booleans(), st.sampled_from(["hosting", "notebook"])),
    min_size=1,
    max_size=6,
)


@example([(20.0, 1.0, True, "hosting"), (40.0, 0.5, True, "notebook"), (63.0, 3.0, True, "hosting")])
@settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(THINGS)
def test_what_is_told_in_all_is_never_more_than_what_there_is_too_much_of(
    rows: SimpleNamespace, things: list[tuple[float, float, bool, str]]
) -> None:
    step = date(2026, 11, 11)
    costs, done, rises = [], [], []
    for number, (level, ratio, is_new, family) in enumerate(things):
        before = 0.0 if is_new else level
        after = level * ratio
        costs += days(rows, f"e{number}", lambda day, a=after, b=before: a if day >= step else b, usage_family=family)
        done += [made(f"e{number}")] if is_new else []
        rises.append(9 * (after - before))
    found = told_with(rows, done, *costs, *days(rows, "old", steady(50), usage_family="hosting"))
    told_in_all = sum(float(item.stake.excess) for item in found if item.stake)
    assert told_in_all <= sum(rise for rise in rises if rise > 0) + 9 * 0.02 * 50 + 1e-6
    names = [(item.subject.kind, item.subject.name) for item in found]
    assert len(set(names)) == len(names)
