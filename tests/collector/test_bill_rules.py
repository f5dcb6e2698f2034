"""The rules of a bill's lines: as documented, and such that nothing is lost, counted twice or moved to another month."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagekeeper.collector.cur_rules import DISCOUNTS, NETS, RESERVATION_FEE, RULES, ZERO, Rule
from sagekeeper.collector.exact import exact_sums

from .bills import cur, read

DOCUMENT = Path(__file__).parents[2] / "docs" / "bill-rules.md"
HEADER = (
    "| line item type | category | charged | effective | contracted | list | commitment |\n"
    "|---|---|---|---|---|---|---|\n"
)


def written(rule: Rule) -> str:
    def cost(*terms: str) -> str:
        said = ["0" if term == ZERO else f"`{term.lstrip('-')}`" + (" *net*" if term in NETS else "") for term in terms]
        return " − ".join(said) if terms[-1].startswith("-") else " + ".join(said)

    costs = (cost(*rule.effective), cost(rule.contracted), cost(rule.listed))
    return " | ".join((rule.category, rule.frequency, *costs, rule.commitment or ""))


def test_the_documented_rules_are_those_of_the_code() -> None:
    rules = {f"`{name}`": rule for name, rule in RULES.items()} | {"`Fee` with a reservation's ARN": RESERVATION_FEE}
    table = HEADER + "".join(f"| {name} | {written(rule)} |\n" for name, rule in rules.items())
    assert table in DOCUMENT.read_text(), f"docs/bill-rules.md should hold:\n{table}"


NET = "lineItem/NetUnblendedCost"
PLAN = {
    "savingsPlan/SavingsPlanARN": "arn:plan",
    "savingsPlan/SavingsPlanEffectiveCost": "",
    "savingsPlan/TotalCommitmentToDate": "",
    "savingsPlan/UsedCommitment": "",
    "splitLineItem/ParentResourceId": "",
}
money = st.decimals(-(10**7), 10**7, places=10).map(lambda amount: f"{amount:f}")
types = st.sampled_from([*RULES, "Surprise"])


@st.composite
def charges(draw: st.DrawFn) -> dict[str, str]:
    """A line of any type, payer and month; some only repeat what others bill."""
    month = draw(st.integers(1, 12))
    start = f"2026-{month:02d}-01T00:00:00Z"
    return PLAN | {
        "bill/PayerAccountId": draw(st.sampled_from(["111111111111", "222222222222"])),
        "bill/BillingPeriodStartDate": start,
        "lineItem/UsageStartDate": start,
        "lineItem/LineItemType": draw(types),
        "lineItem/UnblendedCost": draw(money),
        "splitLineItem/ParentResourceId": draw(st.sampled_from(["", "", "", "i-1"])),
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(charges(), min_size=1, max_size=12), st.sampled_from(["USD", "EUR", "JPY", "CNY"]), st.randoms())
def test_billed_sums_are_kept_per_payer_and_month_and_every_line_counts_once(
    tmp_path: Path, lines: list[dict[str, str]], currency: str, chance: Any
) -> None:
    whole = [line | {"lineItem/CurrencyCode": currency} for line in lines if not line["splitLineItem/ParentResourceId"]]
    if not whole:
        return
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in whole:
        expected[line["bill/PayerAccountId"], line["lineItem/UsageStartDate"][:7]] += Decimal(
            line["lineItem/UnblendedCost"]
        )
    shuffled = [line | {"lineItem/CurrencyCode": currency} for line in lines]
    chance.shuffle(shuffled)
    report, rows = read(cur(tmp_path / "bill.csv", *shuffled))
    assert (report.rows, rows.height, report.currency) == (len(whole), len(whole), currency)
    keyed = rows.with_columns(
        key=pl.concat_str("BillingAccountId", pl.col("BillingPeriodStart").dt.strftime("%Y-%m"), separator=" ")
    )
    assert exact_sums(keyed, "key", "billed") == {" ".join(key): amount for key, amount in expected.items()}
    assert sum(sums["BilledCost"] for sums in report.totals.values()) == sum(expected.values())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["10", "0.3", "7.77"]), st.integers(0, 40)), min_size=1, max_size=6))
def test_a_discount_moves_between_lines_and_never_changes_the_sum(tmp_path: Path, lines: list[tuple[str, int]]) -> None:
    """Each line has its own discount in percent, which stands net in the line and again as a line of its own."""
    rows = []
    for cost, percent in lines:
        off = Decimal(cost) * percent / 100
        rows.append({"lineItem/UnblendedCost": cost, NET: str(Decimal(cost) - off)})
        rows.append({"lineItem/LineItemType": "EdpDiscount", "lineItem/UnblendedCost": str(-off), NET: ""})
    with_net, _ = read(cur(tmp_path / "net.csv", {NET: "1", "lineItem/UnblendedCost": "1"}, *rows))
    without, _ = read(cur(tmp_path / "plain.csv", *({**row, NET: ""} for row in rows)))
    for report in (with_net, without):
        totals = [sum(sums[column] for sums in report.totals.values()) for column in ("BilledCost", "EffectiveCost")]
        assert totals[0] == totals[1]
    assert with_net.totals["Adjustment"]["EffectiveCost"] == 0


@pytest.mark.parametrize("stated", ["", "0"])
def test_costs_do_not_depend_on_how_a_bill_is_cut_into_files_and_batches(
    tmp_path: Path, stated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discount lines that stand apart from what they were given on say nothing net themselves."""
    usage = [{"lineItem/UnblendedCost": "1.0", NET: "0.9", "pricing/publicOnDemandCost": "1.0"}] * 3
    discounts = [{"lineItem/LineItemType": "EdpDiscount", "lineItem/UnblendedCost": "-0.1", NET: stated}] * 3
    whole, _ = read(cur(tmp_path / "whole.csv", *usage, *discounts))
    assert sum(sums["EffectiveCost"] for sums in whole.totals.values()) == Decimal("2.7")
    apart = cur(tmp_path / "usage.csv", *usage), cur(tmp_path / "discounts.csv", *discounts)
    assert read(*apart)[0].totals == whole.totals
    assert read(*reversed(apart))[0].totals == whole.totals
    monkeypatch.setattr("sagekeeper.collector.bill_text.BATCH_ROWS", 2)
    batched, frame = read(tmp_path / "whole.csv")
    assert (batched.totals, frame.height) == (whole.totals, 6)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 100)), min_size=1, max_size=6),
    st.sampled_from(["0", "0.5", "1"]),
)
def test_effective_cost_of_a_plan_is_its_commitment_whatever_of_it_was_used_and_however_it_was_paid(
    tmp_path: Path, hours: list[tuple[int, int]], upfront: str
) -> None:
    """Every hour commits to an amount, of which a share is used; what is billed for it is the part not paid upfront."""
    rows, committed = [], Decimal(0)
    for commitment, percent in hours:
        used = Decimal(commitment) * percent / 100
        committed += commitment
        rows += [
            PLAN | {"lineItem/LineItemType": kind, "lineItem/UnblendedCost": cost} | more
            for kind, cost, more in (
                ("SavingsPlanCoveredUsage", str(used * 2), {"savingsPlan/SavingsPlanEffectiveCost": str(used)}),
                ("SavingsPlanNegation", str(-used * 2), {}),
                (
                    "SavingsPlanRecurringFee",
                    str(commitment * (1 - Decimal(upfront))),
                    {"savingsPlan/TotalCommitmentToDate": str(commitment), "savingsPlan/UsedCommitment": str(used)},
                ),
            )
        ]
    report, table = read(cur(tmp_path / "bill.csv", *rows))
    assert sum(sums["EffectiveCost"] for sums in report.totals.values()) == committed
    assert sum(sums["BilledCost"] for sums in report.totals.values()) == committed * (1 - Decimal(upfront))
    unused = table.filter(pl.col("CommitmentDiscountStatus") == "Unused")
    assert unused["ChargeCategory"].unique().to_list() == ["Purchase"]
    assert report.totals["Purchase"]["EffectiveCost"] == committed - report.totals["Usage"]["EffectiveCost"]


@pytest.mark.parametrize("net", ["", "0", "0.0"])
def test_net_columns_with_nothing_in_them_state_nothing(net: str, tmp_path: Path) -> None:
    """CUR 2.0 has the same columns for every account."""
    plan = {"lineItem/LineItemType": "SavingsPlanCoveredUsage", "savingsPlan/SavingsPlanEffectiveCost": "0.16"}
    nets = {NET: net, "savingsPlan/NetSavingsPlanEffectiveCost": net}
    off = {"lineItem/LineItemType": "BundledDiscount", "lineItem/UnblendedCost": "-0.1"}
    report, _ = read(cur(tmp_path / "bill.csv", {"lineItem/UnblendedCost": "2"} | nets, plan | nets, off | nets))
    assert report.totals["Usage"]["EffectiveCost"] == Decimal("2.16")
    assert report.totals["Adjustment"]["EffectiveCost"] == Decimal("-0.1")


@pytest.mark.parametrize("kind", DISCOUNTS)
def test_every_kind_of_discount_lowers_the_effective_cost_where_there_are_no_net_columns(
    kind: str, tmp_path: Path
) -> None:
    report, _ = read(cur(tmp_path / "bill.csv", {}, {"lineItem/LineItemType": kind, "lineItem/UnblendedCost": "-0.03"}))
    assert report.totals["Adjustment"] == {
        "BilledCost": Decimal("-0.03"),
        "EffectiveCost": Decimal("-0.03"),
        "ListCost": Decimal(0),
        "ContractedCost": Decimal("-0.03"),
    }
