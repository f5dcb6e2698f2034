"""An account in which much rises a little is told of once, with the services and owners that it is, and without what is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from tests.analyzers.overspend_rows import LAST, days, made, new, steady, told_with

from sagekeeper.analyzers.facts import KNOWN_RISES
from sagekeeper.analyzers.overspend import Settings, find

SINCE = date(2026, 11, 11)  # final days: 11 to 17 November; days with a bill: 11 to 19
SMALL = ("Amazon S3", "AmazonCloudWatch", "AWS Lambda", "Amazon ECR", "AWS Glue", "Amazon Athena")


def rises(before: float, after: float) -> Callable[[date], float]:
    return lambda day: after if day >= SINCE else before


def of(rows: SimpleNamespace, service: str, cost: Callable[[date], float], **more: Any) -> list[dict[str, Any]]:
    """Daily costs of a service that names no resource."""
    return days(rows, None, cost, service=service, usage_family=service.split()[-1].lower(), **more)


def six(rows: SimpleNamespace, after: float = 2.8) -> list[dict[str, Any]]:
    """Six services of 1.20 a day each; 1.60 more is 48.67 a month, less than is told of one."""
    return [line for service in SMALL for line in of(rows, service, rises(1.2, after))]


def test_six_services_that_each_rise_by_less_than_is_told_are_told_as_their_account(rows: SimpleNamespace) -> None:
    (finding,) = told_with(rows, [], *six(rows))
    assert (finding.subject.kind, finding.subject.name, finding.subject.account) == (
        "account",
        "123456789012",
        "123456789012",
    )
    assert finding.first_seen.date() == SINCE
    assert finding.title == "Account 123456789012 costs 2.3 times what it used to"  # 16.80 instead of 7.20
    assert finding.stake is not None
    assert float(finding.stake.excess) == pytest.approx(9 * 6 * 1.6)
    assert (
        finding.stake.because == "The money is in: " + ", ".join(f"{service} 17 %" for service in sorted(SMALL)) + "."
    )


def test_one_of_the_six_alone_is_not_told(rows: SimpleNamespace) -> None:
    others = [line for service in SMALL[1:] for line in of(rows, service, steady(1.2))]
    assert told_with(rows, [], *of(rows, SMALL[0], rises(1.2, 2.8)), *others) == []


def test_the_same_rise_in_a_large_account_is_within_what_it_costs_anyway(rows: SimpleNamespace) -> None:
    assert told_with(rows, [], *six(rows), *days(rows, "old", steady(500))) == []


def test_a_quiet_account_of_many_services_and_its_weekends_stays_quiet(rows: SimpleNamespace) -> None:
    def cost(service: str) -> Callable[[date], float]:
        """Twice as much on two of seven days, another two for each service, and a wobble."""
        shift = SMALL.index(service)
        return lambda day: (2.0 if (day.toordinal() + shift) % 7 < 2 else 1.0) * steady(40)(day + timedelta(days=shift))

    assert told_with(rows, [], *(line for service in SMALL for line in of(rows, service, cost(service)))) == []


def test_the_services_that_rose_are_named_and_those_that_did_not_are_not(rows: SimpleNamespace) -> None:
    costs = [
        *of(rows, "Amazon S3", rises(1.0, 2.6)),
        *of(rows, "AWS Glue", rises(2.0, 3.4)),
        *of(rows, "AWS Lambda", rises(0.5, 1.5)),
        *of(rows, "Amazon ECR", steady(4.0)),
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.subject.kind == "account"
    assert finding.stake is not None
    # 1.60 + 1.40 + 1.00 = 4.00 a day
    assert finding.stake.because == "The money is in: Amazon S3 40 %, AWS Glue 35 %, AWS Lambda 25 %."


def test_resources_are_named_with_their_owner_and_service_where_they_are_few(rows: SimpleNamespace) -> None:
    bucket = {"service": "Amazon S3", "usage_family": "s3", "resource_kind": "bucket"}
    costs = [
        *days(rows, "fraud", rises(1.0, 2.6), owner="risk"),
        *days(rows, "old", steady(1.0), owner="risk"),
        *days(rows, "models", rises(0.5, 1.7), owner="ana", **bucket),
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.subject.kind == "account"
    assert finding.stake is not None
    assert (
        finding.stake.because
        == "The money is in: fraud of risk (Amazon SageMaker) 57 %, models of ana (Amazon S3) 43 %."
    )


def test_all_of_a_service_that_moved_alike_are_one_of_the_causes(rows: SimpleNamespace) -> None:
    costs = [
        *days(rows, "a", rises(0.4, 1.0), owner="risk"),
        *days(rows, "b", rises(0.6, 1.5), owner="ana"),
        *of(rows, "Amazon S3", rises(1.0, 2.4)),
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.stake is not None
    # 0.60 + 0.90 of 2.90 a day
    assert finding.stake.because == (
        "The money is in: all 2 of Amazon SageMaker (hosting, us-east-1), alike 52 %, Amazon S3 48 %."
    )


def test_two_families_of_one_service_are_told_apart(rows: SimpleNamespace) -> None:
    watch = {"service": "AmazonCloudWatch"}
    costs = [
        *days(rows, None, rises(0.1, 0.8), usage_family="logs", **watch),
        *days(rows, None, rises(0.9, 1.7), usage_family="metrics", region=None, **watch),
        *of(rows, "Amazon S3", rises(0.5, 1.5)),
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.stake is not None
    assert finding.stake.because == (
        "The money is in: Amazon S3 40 %, AmazonCloudWatch (metrics) 32 %, AmazonCloudWatch (logs, us-east-1) 28 %."
    )


def test_of_many_resources_the_services_and_owners_are_named(rows: SimpleNamespace) -> None:
    costs = [
        line
        for service, owner in zip(SMALL[:3], ("risk", "ana", "web"), strict=True)
        for number, (before, after) in enumerate([(0.1, 0.6), (0.4, 0.8), (0.3, 0.7)])
        for line in days(rows, f"{owner}-{number}", rises(before, after), service=service, owner=owner)
    ]
    (finding,) = told_with(rows, [], *costs)
    assert finding.subject.kind == "account"
    assert finding.stake is not None
    assert finding.stake.because == (
        "The money is in: AWS Lambda of web 33 %, Amazon S3 of risk 33 %, AmazonCloudWatch of ana 33 %."
    )


def test_what_is_told_of_a_resource_is_not_told_of_its_account_again(rows: SimpleNamespace) -> None:
    grown = days(rows, "grown", rises(10, 100), owner="risk")
    one, other = sorted(told_with(rows, [], *grown, *six(rows)), key=lambda item: item.subject.kind)
    assert [one.subject.kind, other.subject.kind] == ["account", "endpoint"]
    assert one.stake is not None
    assert other.stake is not None
    assert float(other.stake.excess) == pytest.approx(9 * 90)
    assert float(one.stake.excess) == pytest.approx(9 * 6 * 1.6)
    assert "besides what is told of its parts" in one.title
    assert "grown" not in one.stake.because


def test_an_account_whose_rise_is_all_told_of_its_services_is_not_told(rows: SimpleNamespace) -> None:
    costs = [line for service in SMALL for line in of(rows, service, rises(10, 30))]
    found = told_with(rows, [], *costs)
    assert [item.subject.kind for item in found] == ["usage_family"] * 6


def test_a_service_that_is_new_is_not_told_as_its_account(rows: SimpleNamespace) -> None:
    costs = [*of(rows, "Amazon Bedrock", rises(0, 40)), *of(rows, "Amazon S3", steady(100))]
    assert told_with(rows, [], *costs) == []


def test_what_is_new_and_helps_to_explain_its_account_is_told_itself_and_the_rest_without_it(
    rows: SimpleNamespace,
) -> None:
    costs = [
        *new(rows, "canary", 2.0),
        *of(rows, "Amazon S3", rises(1.2, 2.4)),
        *of(rows, "AWS Lambda", rises(1.2, 2.4)),
    ]
    found = told_with(rows, [made("canary")], *costs)
    assert {item.subject.kind: float(item.stake.excess) for item in found if item.stake} == {
        "endpoint": pytest.approx(9 * 2.0),
        "account": pytest.approx(9 * 2.4),
    }
    (account,) = (item.stake for item in found if item.subject.kind == "account")
    assert account is not None
    assert account.because == "The money is in: AWS Lambda 50 %, Amazon S3 50 %."


def test_other_accounts_and_currencies_are_accounts_of_their_own(rows: SimpleNamespace) -> None:
    elsewhere = {"account": "210987654321"}
    costs = [
        *six(rows),
        *of(rows, "Amazon S3", steady(500), **elsewhere),
        *of(rows, "Amazon S3", steady(500), currency="CNY"),
    ]
    (finding,) = told_with(rows, [], *costs)
    assert (finding.subject.account, finding.currency) == ("123456789012", "USD")


def test_a_price_that_rose_is_no_overspend_of_its_account(rows: SimpleNamespace) -> None:
    bill = [
        rows.bill_line("USE1-Host:ml.m5.4xlarge", 6.0 if day >= SINCE else 3.0, 2.4, x_ChargeDate=day)
        for day in (LAST - timedelta(days=n) for n in range(40))
    ]
    costs = days(rows, "dearer", rises(3.0, 6.0))
    standing = [rows.endpoint("dearer", "ml.m5.4xlarge")]
    assert told_with(rows, [], *costs, costs=bill, inventory=standing) == []


def test_an_account_that_is_told_of_stays_too_much_when_it_has_gone_on_for_weeks(rows: SimpleNamespace) -> None:
    step = date(2026, 10, 25)
    costs = [line for name in SMALL for line in of(rows, name, lambda day: 2.8 if day >= step else 1.2)]
    told_of = {
        "account": "123456789012", "region": "", "subject_kind": "account", "subject_name": "123456789012",
        "known_since": step,
    }  # fmt: skip
    known = replace(rows.facts(daily_costs=costs), known_rises=pl.DataFrame([told_of], schema=KNOWN_RISES))
    assert find(rows.facts(daily_costs=costs), Settings()) == []
    (finding,) = find(known, Settings())
    assert finding.stake is not None
    assert float(finding.stake.excess) == pytest.approx(26 * 6 * 1.6)  # 25 October to 19 November


def test_of_an_account_what_is_more_use_and_of_what_is_said(rows: SimpleNamespace) -> None:
    calendar = [LAST - timedelta(days=n) for n in range(60)]
    types = {"Amazon S3": "TimedStorage-ByteHrs", "AWS Lambda": "Lambda-GB-Second"}
    lines = [
        rows.bill_line(usage_type, rises(1.2, after)(day), rises(12, 10 * after)(day), x_ChargeDate=day, ServiceName=service,
                       ConsumedUnit=usage_type)
        for (service, usage_type), after in zip(types.items(), (2.7, 2.4), strict=True)
        for day in calendar
    ]  # fmt: skip
    costs = [*of(rows, "Amazon S3", rises(1.2, 2.7)), *of(rows, "AWS Lambda", rises(1.2, 2.4))]
    (finding,) = told_with(rows, [], *costs, costs=lines)
    assert finding.stake is not None
    assert finding.stake.cause == "more_use"
    assert finding.stake.because == (
        "The money is in: Amazon S3 56 %, AWS Lambda 44 %. 56 % of it is TimedStorage-ByteHrs: more of it is used."
    )
    figures = {figure.label: figure.value for figure in finding.evidence.figures}
    assert figures["Of it more use"] == pytest.approx(7 * 2.7)


THINGS = st.lists(
    st.tuples(
        st.floats(1, 60),
        st.sampled_from([1.0, 1.4, 2.2, 3.0, 0.5]),
        st.booleans(),
        st.sampled_from(SMALL),
        st.booleans(),
    ),
    min_size=3,
    max_size=8,
)


@example([(1.2, 2.2, False, service, named) for service, named in zip(SMALL, (True, False) * 3, strict=True)])
@example([(1.2, 2.2, False, service, False) for service in SMALL] + [(40.0, 3.0, True, "Amazon S3", True)])
@settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(THINGS)
def test_with_its_account_what_is_told_is_never_more_than_there_is_too_much_of(
    rows: SimpleNamespace, things: list[tuple[float, float, bool, str, bool]]
) -> None:
    costs, done, too_much = [], [], []
    for number, (level, ratio, is_new, service, named) in enumerate(things):
        before, after = 0.0 if is_new else level, level * ratio
        name = f"e{number}" if named else None
        costs += days(rows, name, rises(before, after), service=service, usage_family=f"family-{number % 2}")
        done += [made(f"e{number}")] if is_new and named else []
        too_much.append(9 * max(after - before, 0.0))
    found = told_with(rows, done, *costs)
    told = [float(item.stake.excess) for item in found if item.stake]
    assert sum(told) <= sum(too_much) + 0.01 * len(told)
