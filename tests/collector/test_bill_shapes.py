"""Bills as other programs write, pack and rename them on the way: read as what they say, or refused in a sentence."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sagekeeper.collector.bill_exports import ingest_export
from sagekeeper.collector.bill_places import Folder
from sagekeeper.core.errors import BadInput
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger

from .bills import CUR_ROW, FOCUS_ROW, csv_text, cur, deliver, focus, read

TEN = datetime(2024, 9, 18, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-09-18T22:00:00Z", TEN),
        ("2024-09-18T22:00Z", TEN),
        ("2024-09-18T22:00:00.1234567Z", TEN),
        ("2024-09-18 22:00:00 UTC", TEN),
        ("2024-09-18 22:00:00+00", TEN),
        ("2024-09-18T22:00:00+0000", TEN),
        ("2024-09-18T17:00:00-05:00", TEN),
        ("2024-09-19 03:30:00+05:30", TEN),
        ("2024-09-18", datetime(2024, 9, 18, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_the_offset_that_it_states(text: str, moment: datetime, tmp_path: Path) -> None:
    _, rows = read(focus(tmp_path / "bill.csv", {"ChargePeriodStart": text}))
    assert rows["ChargePeriodStart"].to_list() == [moment]
    assert rows["x_ChargeDate"].to_list() == [moment.date()]


@pytest.mark.parametrize("text", ["9/18/2024", "18.09.2024", "1726696800", "2024-09-18T22:00:00 CEST"])
def test_a_time_that_could_mean_two_things_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="row 1: ChargePeriodStart is"):
        read(focus(tmp_path / "bill.csv", {"ChargePeriodStart": text}))


def test_a_column_of_times_may_be_empty(tmp_path: Path) -> None:
    _, rows = read(focus(tmp_path / "bill.csv", {"ChargePeriodEnd": "", "BillingPeriodStart": "NULL"}))
    assert rows.select("ChargePeriodEnd", "BillingPeriodStart").rows() == [(None, None)]


@pytest.mark.parametrize(
    ("columns", "usage_type"),
    [
        ({"x_UsageType": "Host:ml.m5.large", "SkuMeter": "Compute"}, "Host:ml.m5.large"),
        ({"x_UsageType": "NULL", "SkuMeter": "USE1-Host:ml.m5.large"}, "USE1-Host:ml.m5.large"),
        ({"SkuMeter": "USE1-Host:ml.m5.large"}, "USE1-Host:ml.m5.large"),
        ({"sku_meter": "USE1-Host:ml.m5.large"}, "USE1-Host:ml.m5.large"),
        ({"SkuMeter": ""}, None),
        ({}, None),
    ],
)
def test_the_usage_type_of_a_focus_bill_is_its_meter_where_it_states_no_other(
    columns: dict[str, str], usage_type: str | None, tmp_path: Path
) -> None:
    _, rows = read(focus(tmp_path / "bill.csv", columns))
    assert rows["x_UsageType"].to_list() == [usage_type]


def renamed(change: Callable[[str], str]) -> str:
    return csv_text([{change(name): value for name, value in FOCUS_ROW.items()}])


@pytest.mark.parametrize(
    "text",
    [
        renamed(str.lower),
        renamed(str.upper),
        renamed(lambda name: f" {name} "),
        renamed(lambda name: name.replace("Cost", "_cost").lower()),
        renamed(lambda name: {"ProviderName": "Provider", "ConsumedQuantity": "UsageQuantity"}.get(name, name)),
        "\ufeff" + csv_text([FOCUS_ROW]),
        csv_text([FOCUS_ROW]).replace("\n", "\r\n"),
        csv_text([FOCUS_ROW], list(reversed(FOCUS_ROW))),
    ],
    ids=["lower case", "upper case", "blanks", "underscores", "FOCUS 1.0-preview", "BOM", "CRLF", "other order"],
)
def test_a_focus_export_is_known_however_its_columns_were_written(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(text.encode())
    report, rows = read(path)
    plain, expected = read(focus(tmp_path / "plain.csv", {}))
    assert (report.totals, report.notes) == (plain.totals, plain.notes)
    assert rows.equals(expected)


@pytest.mark.parametrize(("mark", "words"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_delimiter_is_named(mark: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(csv_text([FOCUS_ROW]).replace(",", mark))
    with pytest.raises(BadInput, match=f"bill.csv has {words} between its values"):
        read(path)


def test_a_gzip_of_several_members_is_read_to_its_end(tmp_path: Path) -> None:
    text = csv_text([FOCUS_ROW] * 3).encode()
    path = tmp_path / "bill.csv.gz"
    path.write_bytes(gzip.compress(text[:100]) + gzip.compress(text[100:]))
    assert read(path)[0].totals["Usage"]["BilledCost"] == Decimal("4.50")


def zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    return path


def test_a_zip_with_one_bill_is_that_bill_and_its_errors_name_the_zip(tmp_path: Path) -> None:
    assert read(zipped(tmp_path / "bill.zip", a_csv=csv_text([FOCUS_ROW])))[0].rows == 1
    with pytest.raises(BadInput, match=r"bad\.zip, row 1: BilledCost is 'x'"):
        read(zipped(tmp_path / "bad.zip", a_csv=csv_text([FOCUS_ROW | {"BilledCost": "x"}])))


def test_a_zip_of_several_files_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"two\.zip holds 2 files"):
        read(zipped(tmp_path / "two.zip", a_csv="a", b_csv="b"))
    whole = zipped(tmp_path / "half.zip", a_csv=csv_text([FOCUS_ROW] * 9)).read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"half\.zip is a damaged or truncated zip"):
        read(tmp_path / "half.zip")


def test_two_tag_keys_that_differ_in_case_are_two_tags(tmp_path: Path) -> None:
    _, rows = read(cur(tmp_path / "cur.csv", {"resourceTags/user:Team": "b", "resourceTags/user:team": "a"}))
    assert json.loads(rows["Tags"][0]) == {"Team": "b", "team": "a"}


def test_a_report_that_states_only_the_interval_is_read_by_it(tmp_path: Path) -> None:
    row = {name: value for name, value in CUR_ROW.items() if "Date" not in name}
    path = tmp_path / "cur.csv"
    path.write_text(csv_text([row | {"identity/TimeInterval": "2023-11-04T23:00:00Z/2023-11-05T00:00:00Z"}]))
    _, rows = read(path)
    assert rows.select("ChargePeriodStart", "ChargePeriodEnd").rows() == [
        (datetime(2023, 11, 4, 23, tzinfo=UTC), datetime(2023, 11, 5, tzinfo=UTC))
    ]


@pytest.mark.parametrize("nothing", ["", "NULL", "None"])
def test_a_fee_without_a_reservation_costs_what_it_costs_however_nothing_is_written(
    nothing: str, tmp_path: Path
) -> None:
    fee = {"lineItem/LineItemType": "Fee", "lineItem/UnblendedCost": "29", "resourceTags/user:team": "None"}
    report, rows = read(
        cur(tmp_path / "cur.csv", fee | {"reservation/ReservationARN": nothing, "reservation/EffectiveCost": nothing})
    )
    assert report.totals["Purchase"]["EffectiveCost"] == 29
    assert json.loads(rows["Tags"][0]) == {"team": "None"}  # somebody wrote this


def test_tags_that_only_look_like_an_object_are_left_out_and_counted(tmp_path: Path) -> None:
    tags = ["{team=risk}", "{'team': 'risk'}", '{"team": "risk"', '["risk"]', '{"team": "risk"}', ""]
    report, rows = read(focus(tmp_path / "bill.csv", *({"Tags": text} for text in tags)))
    assert rows["Tags"].to_list() == [None, None, None, None, '{"team": "risk"}', None]
    assert "Tags of 4 rows are no JSON object and were left out." in report.notes


def test_a_file_that_may_be_cut_off_within_its_last_value_is_refused_saying_what_to_do(tmp_path: Path) -> None:
    path = focus(tmp_path / "bill.csv", {}, {})
    path.write_text(path.read_text().rstrip("\n"))
    with pytest.raises(
        BadInput, match=r"^bill.csv: its last line does not end.* Fetch it again, or.* add the line end"
    ):
        read(path)
    path.write_text(path.read_text() + "\n")
    assert read(path)[0].rows == 2


@pytest.mark.parametrize("cost_is_last", [True, False])
def test_no_cut_of_a_plain_csv_gives_an_amount_that_was_not_in_it(tmp_path: Path, cost_is_last: bool) -> None:
    others = [name for name in FOCUS_ROW if name != "BilledCost"]
    columns = [*others, "BilledCost"] if cost_is_last else ["BilledCost", *others]
    amounts = [Decimal("123.456"), Decimal("78.9"), Decimal("4567.5")]
    whole = csv_text([FOCUS_ROW | {"BilledCost": str(amount)} for amount in amounts], columns).encode()
    path = tmp_path / "bill.csv"
    accepted = []
    for length in range(whole.index(b"\n") + 1, len(whole) + 1):
        path.write_bytes(whole[:length])
        try:
            report, _ = read(path)
        except BadInput:
            continue
        assert report.totals["Usage"]["BilledCost"] == sum(amounts[: report.rows])
        accepted.append(report.rows)
    assert accepted == [1, 2, 3]  # cut between two lines, which nothing in the file can tell


@pytest.mark.parametrize("archive", ["gzip", "zip"])
def test_a_last_line_without_its_end_is_read_where_a_checksum_says_that_the_file_is_whole(
    archive: str, tmp_path: Path
) -> None:
    content = csv_text([FOCUS_ROW, FOCUS_ROW | {"Tags": ""}]).rstrip("\n").encode()
    path = tmp_path / "bill"
    if archive == "gzip":
        path.write_bytes(gzip.compress(content))
    else:
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("bill.csv", content)
    assert read(path)[0].totals["Usage"]["BilledCost"] == 3


def test_a_bill_whose_only_row_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    text = csv_text([FOCUS_ROW])
    path.write_text(text[: text.index("3.5,")])
    with pytest.raises(BadInput, match=r"line 2: it has 11 values where the header names 12 columns"):
        read(path)


def parquet(path: Path, **columns: pa.Array) -> Path:
    plain = {name.replace("/", "_"): pa.array([value] * 2) for name, value in FOCUS_ROW.items()}
    pq.write_table(pa.table(plain | columns), path)
    return path


@pytest.mark.parametrize(
    "column",
    [
        pa.array([TEN.replace(tzinfo=None)] * 2, pa.timestamp("ns")),
        pa.array([TEN] * 2, pa.timestamp("ns", "UTC")),
        pa.array([TEN] * 2, pa.timestamp("us", "America/New_York")),
        pa.array(["2024-09-18T22:00:00.000Z"] * 2).dictionary_encode(),
    ],
    ids=["ns", "ns UTC", "another zone", "dictionary"],
)
def test_a_parquet_time_of_any_kind_is_the_same_time(column: pa.Array, tmp_path: Path) -> None:
    _, rows = read(parquet(tmp_path / "bill.parquet", ChargePeriodStart=column))
    assert rows["ChargePeriodStart"].to_list() == [TEN, TEN]


def test_parquet_decimals_add_up_to_their_last_digit(tmp_path: Path) -> None:
    costs = [Decimal("12345.000000000000000000000000000001"), Decimal("0.000000000000000000000000000002")]
    path = parquet(tmp_path / "bill.parquet", BilledCost=pa.array(costs, pa.decimal128(38, 30)))
    assert read(path)[0].totals["Usage"]["BilledCost"] == Decimal("12345.000000000000000000000000000003")


def test_a_missing_column_is_named_as_the_file_would_spell_it(tmp_path: Path) -> None:
    path = tmp_path / "cur.csv"
    path.write_text("line_item_line_item_type,line_item_unblended_cost,line_item_currency_code\nUsage,1,USD\n")
    with pytest.raises(BadInput, match=r"cur\.csv looks like an AWS .* has no column line_item_usage_start_date\."):
        read(path)


def test_an_export_made_anew_in_its_place_carries_on_under_another_report_id(
    tmp_path: Path, lake: Lake, sqlite_ledger: Ledger
) -> None:
    march, april = date(2026, 3, 1), date(2026, 4, 1)
    deliver(tmp_path, march, {})
    deliver(tmp_path, april, {})
    for number, place in enumerate(sorted(tmp_path.glob("bills/*/bills-Manifest.json"))):
        told = json.loads(place.read_text()) | {"bucket": "ours", "reportId": f"report-{number}"}
        place.write_text(json.dumps(told))
    outcomes = ingest_export(Folder(tmp_path), lake, sqlite_ledger, datetime(2026, 11, 20, tzinfo=UTC))
    assert [(item.period, item.problem) for item in outcomes] == [(march, None), (april, None)]
