"""Ingesting is idempotent, replaces a changed file at once, and leaves everything as it was when anything is wrong."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from sagekeeper.collector import bill_text
from sagekeeper.collector.ingest import ingest_file
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.ledger.models import AuditRow, IngestedFileRow
from sagekeeper.core.tables import COSTS

from .bills import CUR_ROW, FOCUS_ROW, csv_text, cur, focus

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def state(lake: Lake, ledger: Ledger) -> tuple[object, ...]:
    with ledger.reading() as session:
        files = [(row.dataset, row.sha256, row.totals) for row in session.scalars(select(IngestedFileRow))]
        return (
            lake.version(COSTS),
            lake.scan(COSTS).collect().rows(),
            files,
            len(session.scalars(select(AuditRow)).all()),
        )


def test_the_same_file_again_changes_nothing(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = focus(tmp_path / "bill.csv", {}, {"ChargeCategory": "Tax", "BilledCost": "0.30"})
    first = ingest_file(path, lake, sqlite_ledger, NOW)
    before = state(lake, sqlite_ledger)
    second = ingest_file(path, lake, sqlite_ledger, NOW.replace(day=21))
    assert state(lake, sqlite_ledger) == before
    assert (first.changed, second.changed) == (True, False)
    assert second.totals == first.totals
    assert second.notes == first.notes


def test_a_changed_file_of_the_same_name_replaces_its_dataset_in_one_commit(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    other = focus(tmp_path / "other.csv", {"BilledCost": "9"})
    ingest_file(other, lake, sqlite_ledger, NOW)
    ingest_file(focus(tmp_path / "bill.csv", {}, {}), lake, sqlite_ledger, NOW)
    version = lake.version(COSTS)
    report = ingest_file(
        focus(tmp_path / "bill.csv", {"BilledCost": "7", "ChargePeriodStart": "2024-09-30"}), lake, sqlite_ledger, NOW
    )
    assert report.changed
    assert lake.version(COSTS) == (version or 0) + 1
    rows = lake.scan(COSTS).sort("x_Dataset").select("x_Dataset", "BilledCost").collect().rows()
    assert rows == [("file:bill.csv", 7.0), ("file:other.csv", 9.0)]
    with sqlite_ledger.reading() as session:
        assert session.get_one(IngestedFileRow, "file:bill.csv").totals["Usage"]["BilledCost"] == "7"


def test_a_dataset_name_can_be_given_and_never_is_that_of_cost_explorer(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    report = ingest_file(focus(tmp_path / "bill.csv", {}), lake, sqlite_ledger, NOW, dataset="cost-explorer")
    assert report.dataset == "file:cost-explorer"


def test_a_gzip_is_told_by_its_content_and_a_name_with_wildcards_is_one_file(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    focus(tmp_path / "bill1.csv", {"BilledCost": "100"})
    path = tmp_path / "bill[1]*?.csv"
    path.write_bytes(gzip.compress(csv_text([FOCUS_ROW]).encode()))
    assert ingest_file(path, lake, sqlite_ledger, NOW).totals["Usage"]["BilledCost"] == Decimal("1.50")


def test_a_lost_lake_is_filled_again_from_the_same_file(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = focus(tmp_path / "bill.csv", {})
    ingest_file(path, lake, sqlite_ledger, NOW)
    new_lake = Lake(tmp_path / "new")
    assert ingest_file(path, new_lake, sqlite_ledger, NOW).changed
    assert new_lake.scan(COSTS).collect().height == 1


def test_more_rows_than_a_batch_are_all_counted(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bill_text, "BATCH_ROWS", 2048)
    path = tmp_path / "bill.csv"
    path.write_text(csv_text([FOCUS_ROW | {"BilledCost": f"0.{number:06d}1"} for number in range(10_000)]))
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert report.rows == 10_000
    expected = sum((Decimal(f"0.{number:06d}1") for number in range(10_000)), Decimal(0))
    assert report.totals["Usage"]["BilledCost"] == expected
    assert lake.scan(COSTS).select(pl.len()).collect().item() == 10_000


# Each line item type is counted once: what the invoice says, and what it costs when commitments are spread.

COMMITTED = {
    "savingsPlan/SavingsPlanARN": "arn:sp",
    "savingsPlan/SavingsPlanEffectiveCost": "",
    "savingsPlan/TotalCommitmentToDate": "",
    "savingsPlan/UsedCommitment": "",
    "reservation/ReservationARN": "",
    "reservation/EffectiveCost": "",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "",
    "reservation/UnusedRecurringFee": "",
}


def test_a_savings_plan_is_billed_and_amortised_once(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    def line(kind: str, unblended: str, **more: str) -> dict[str, str]:
        return COMMITTED | {"lineItem/LineItemType": kind, "lineItem/UnblendedCost": unblended} | more

    path = cur(
        tmp_path / "cur.csv",
        line("SavingsPlanCoveredUsage", "10", **{"savingsPlan/SavingsPlanEffectiveCost": "6.5"}),
        line("SavingsPlanNegation", "-10"),
        line(
            "SavingsPlanRecurringFee",
            "8",
            **{"savingsPlan/TotalCommitmentToDate": "8", "savingsPlan/UsedCommitment": "6.5"},
        ),
        line("SavingsPlanUpfrontFee", "100"),
        line("Usage", "0.75"),
        line("Tax", "1.1"),
        line("Credit", "-2"),
        line("Refund", "-0.5"),
        line("EdpDiscount", "-0.05"),
    )
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    billed = {category: sums["BilledCost"] for category, sums in report.totals.items()}
    effective = {category: sums["EffectiveCost"] for category, sums in report.totals.items()}
    assert billed == {
        "Adjustment": Decimal("-0.55"),
        "Credit": Decimal("-2"),
        "Purchase": Decimal("108"),
        "Tax": Decimal("1.1"),
        "Usage": Decimal("0.75"),
    }
    assert sum(billed.values()) == Decimal("107.30")  # the invoice: the sum of all unblended costs
    # Used commitment 6.5 stands with the usage, the unused 1.5 with the plan; together the 8 of the hour.
    assert effective["Usage"] == Decimal("7.25")
    assert effective["Purchase"] == Decimal("1.5")
    status = lake.scan(COSTS).select("x_RecordType", "CommitmentDiscountStatus", "EffectiveCost").collect().rows()
    assert ("SavingsPlanRecurringFee", "Unused", 1.5) in status
    assert ("SavingsPlanCoveredUsage", "Used", 6.5) in status


def test_a_reservation_is_amortised_over_its_use_and_its_fee_counts_no_second_time(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    ri = COMMITTED | {"savingsPlan/SavingsPlanARN": "", "reservation/ReservationARN": "arn:ri"}
    path = cur(
        tmp_path / "cur.csv",
        ri
        | {
            "lineItem/LineItemType": "DiscountedUsage",
            "lineItem/UnblendedCost": "0",
            "reservation/EffectiveCost": "3.25",
        },
        ri
        | {
            "lineItem/LineItemType": "RIFee",
            "lineItem/UnblendedCost": "5",
            "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "0.5",
            "reservation/UnusedRecurringFee": "0.25",
        },
        ri | {"lineItem/LineItemType": "Fee", "lineItem/UnblendedCost": "365"},
        COMMITTED | {"lineItem/LineItemType": "Fee", "lineItem/UnblendedCost": "29"},
    )
    totals = ingest_file(path, lake, sqlite_ledger, NOW).totals
    assert totals["Usage"]["EffectiveCost"] == Decimal("3.25")
    assert totals["Purchase"]["BilledCost"] == Decimal("399")
    assert totals["Purchase"]["EffectiveCost"] == Decimal("29.75")


def test_split_cost_rows_are_left_out_with_a_note(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = cur(
        tmp_path / "cur.csv",
        {"splitLineItem/ParentResourceId": ""},
        {"splitLineItem/ParentResourceId": "i-1", "lineItem/UnblendedCost": "0.1"},
    )
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert report.rows == 1
    assert report.totals["Usage"]["BilledCost"] == Decimal("0.23")
    assert "1 rows of split cost allocation were left out: their parent rows bill the same." in report.notes


def test_an_unknown_line_item_type_is_kept_and_named(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = cur(tmp_path / "cur.csv", {}, {"lineItem/LineItemType": "Surprise", "lineItem/UnblendedCost": "4"})
    report = ingest_file(path, lake, sqlite_ledger, NOW)
    assert report.totals["Adjustment"]["EffectiveCost"] == Decimal(4)
    assert any("'Surprise'" in note for note in report.notes)


def test_tags_become_one_json_object(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = cur(
        tmp_path / "cur.csv",
        {"resourceTags/user:team": 'the "A" team', "resourceTags/aws:createdBy": "IAM"},
        {"resourceTags/user:team": "", "resourceTags/aws:createdBy": ""},
    )
    ingest_file(path, lake, sqlite_ledger, NOW)
    found = lake.scan(COSTS).select("Tags").collect()["Tags"].sort(nulls_last=True).to_list()
    assert found == ['{"team":"the \\"A\\" team","aws:createdBy":"IAM"}', None]


# Wrong input: one sentence that names file and row or column, exit code 2, lake and ledger as they were.


def truncated_gzip(path: Path) -> None:
    whole = gzip.compress(csv_text([FOCUS_ROW | {"BilledCost": str(number)} for number in range(5000)]).encode())
    path.write_bytes(whole[: len(whole) // 2])


def cut_off(path: Path) -> None:
    text = csv_text([FOCUS_ROW] * 3)
    path.write_text(text[: text.rindex("1.25") + 4])


def write(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(text.encode()) and None


def rows(*changes: dict[str, str], of: dict[str, str] = FOCUS_ROW) -> Callable[[Path], None]:
    return write(csv_text([of | change for change in changes]))


def without(*columns: str, of: dict[str, str] = FOCUS_ROW) -> Callable[[Path], None]:
    return write(csv_text([{key: value for key, value in of.items() if key not in columns}]))


WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing file": (lambda path: None, "bill.csv is not there"),
    "a folder": (lambda path: path.mkdir(), "bill.csv is a folder"),
    "truncated gzip": (truncated_gzip, "bill.csv is a damaged or truncated gzip"),
    "garbage behind the gzip magic": (
        lambda p: p.write_bytes(b"\x1f\x8bgarbage") and None,
        "damaged or truncated gzip",
    ),
    "empty file": (write(""), "bill.csv is empty"),
    "a picture": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00") and None, "bill.csv is not a csv file"),
    "unknown columns": (write("a,b\n1,2\n"), "columns (a, b ...) are not those of a FOCUS export"),
    "a column missing": (without("EffectiveCost"), "looks like a FOCUS export, but has no column EffectiveCost"),
    "a CUR column missing": (
        without("lineItem/CurrencyCode", of=CUR_ROW),
        "looks like an AWS Cost and Usage Report, but has no column lineItem/CurrencyCode",
    ),
    "a bad number": (
        rows({}, {}, {"BilledCost": "1,50"}),
        "bill.csv, row 3: BilledCost is '1,50', which is no decimal",
    ),
    "a bad quantity": (rows({}, {"ConsumedQuantity": "many"}), "row 2: ConsumedQuantity is 'many'"),
    "a bad CUR number": (rows({}, {"lineItem/UnblendedCost": "x"}, of=CUR_ROW), "row 2: lineItem/UnblendedCost is 'x'"),
    "no cost": (rows({}, {"BilledCost": "NULL"}), "row 2: BilledCost is empty"),
    "a bad time": (
        rows({"ChargePeriodStart": "18/09/2024"}),
        "row 1: ChargePeriodStart is '18/09/2024', which is no time",
    ),
    "a day that is none": (rows({}, {"ChargePeriodStart": "2024-02-30"}), "row 2: ChargePeriodStart is '2024-02-30'"),
    "a bad category": (rows({}, {"ChargeCategory": "Fun"}), "row 2: ChargeCategory is 'Fun'"),
    "no rows": (write(",".join(FOCUS_ROW) + "\n"), "has a header of FOCUS export but no rows"),
    "another currency": (
        rows({}, {}, {"BillingCurrency": "EUR"}),
        "bill.csv, row 3: BillingCurrency is 'EUR', but the rows before are in USD",
    ),
    "a quote that does not close": (
        write(csv_text([FOCUS_ROW]) + '1,"2\n3,4\n'),
        "line 3: a quoted value does not close",
    ),
    "a row too short": (write(csv_text([FOCUS_ROW]) + "1,2\n"), "line 3: it has 2 values where the header names 12"),
    "a row too long": (write(csv_text([FOCUS_ROW]) + "1," * 20 + "\n"), "where the header names 12 columns"),
    "a file cut off": (cut_off, "line 4: it has 2 values"),
    "mixed line ends": (
        write(csv_text([FOCUS_ROW] * 2).replace("\n", "\r\n", 2)),
        "bill.csv",
    ),
    "not UTF-8": (
        lambda path: path.write_bytes(csv_text([FOCUS_ROW]).encode() + b"\xff\xfe" + b",1" * 11 + b"\n") and None,
        "line 3: it is not UTF-8",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_named_and_changes_nothing(case: str, tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    (tmp_path / "good").mkdir()
    ingest_file(
        focus(tmp_path / "good" / "bill.csv", {}), lake, sqlite_ledger, NOW
    )  # the same dataset, still there after
    before = state(lake, sqlite_ledger)
    make, sentence = WRONG[case]
    path = tmp_path / "bill.csv"
    make(path)
    with pytest.raises(BadInput) as raised:
        ingest_file(path, lake, sqlite_ledger, NOW)
    message = str(raised.value)
    assert sentence in message
    assert message.endswith("Nothing was changed.")
    assert "\n" not in message
    assert raised.value.exit_code == 2
    assert state(lake, sqlite_ledger) == before


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, lake: Lake, sqlite_ledger: Ledger) -> None:
    path = focus(tmp_path / "bill.csv", {})
    path.chmod(0)
    before = state(lake, sqlite_ledger)
    with as_nobody(), pytest.raises(BadInput, match="may not be read by this user"):
        ingest_file(path, lake, sqlite_ledger, NOW)
    assert state(lake, sqlite_ledger) == before


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: be somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
