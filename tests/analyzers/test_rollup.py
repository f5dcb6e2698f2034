"""Hours become days, and nothing that decides whose a cost is gets lost; on polars and on DuckDB the same."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import duckdb
import polars as pl
import pytest

from sagekeeper.analyzers.rollup import AMOUNTS, BY, COLUMNS, rollup

HOST = "Host:ml.m5.xlarge"


@pytest.fixture
def bill(rows: SimpleNamespace) -> pl.DataFrame:
    """Three groups: two lines of one usage type, one of another with an unknown amount, one of another day."""
    return rows.costs(  # type: ignore[no-any-return]
        rows.bill_line(HOST, 1.25, 5, ListCost=2.0),
        rows.bill_line(HOST, 2.25, 9, x_Estimated=True),
        rows.bill_line("Train:ml.m5.xlarge", 4.0, None, EffectiveCost=None, x_Estimated=None),
        rows.bill_line(HOST, 8.0, 1, x_ChargeDate=date(2026, 11, 11)),
    ).select(COLUMNS)


SEEN = ("x_UsageType", "lines", "BilledCost", "EffectiveCost", "ListCost", "ConsumedQuantity", "x_Estimated")
EXPECTED = [
    # What is known is summed; what is known of no line stays unknown.
    (HOST, 2, 3.5, 3.5, 2.0, 14.0, True),
    ("Train:ml.m5.xlarge", 1, 4.0, None, None, None, None),
    (HOST, 1, 8.0, 8.0, None, 1.0, False),
]


def seen(sums: pl.DataFrame) -> list[tuple[object, ...]]:
    """The sums, in order."""
    return sums.sort("x_ChargeDate", "x_UsageType").select(SEEN).rows()


def test_polars_eager_and_lazy_give_the_sums_and_keep_the_unknown_unknown(bill: pl.DataFrame) -> None:
    assert seen(rollup(bill)) == EXPECTED
    assert seen(rollup(bill.lazy()).collect(engine="streaming")) == EXPECTED


def test_duckdb_gives_the_same(bill: pl.DataFrame) -> None:
    with duckdb.connect() as connection:
        assert seen(rollup(connection.from_arrow(bill.to_arrow())).pl()) == EXPECTED


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("Tags", '{"owner": "ana"}', '{"owner": "bo"}'),
        ("ResourceId", "a", "b"),
        ("ResourceId", "a", None),
        ("ResourceId", "", None),
        ("ChargeDescription", "Training", "Training Warm Pool"),
        ("ChargeCategory", "Usage", "Credit"),
        ("SubAccountId", "111111111111", "222222222222"),
        ("BillingCurrency", "USD", "EUR"),
    ],
)
def test_lines_that_may_belong_to_others_stay_apart(
    rows: SimpleNamespace, column: str, one: str, other: str | None
) -> None:
    lines = rows.costs(*(rows.bill_line(HOST, 1.0, **{column: value}) for value in (one, other, one)))
    with duckdb.connect() as connection:
        embedded = rollup(connection.from_arrow(lines.to_arrow())).pl()
    for sums in (rollup(lines), embedded):
        assert sorted(sums.select(column, "BilledCost").rows(), key=str) == sorted([(one, 2.0), (other, 1.0)], key=str)


def test_sums_have_the_names_of_bill_rows(bill: pl.DataFrame) -> None:
    assert tuple(rollup(bill).columns) == (*BY, *AMOUNTS, "x_Estimated", "lines")
