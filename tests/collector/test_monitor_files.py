"""Model Monitor's and Clarify's files of every kind and age are read whole, and what is wrong with one is said in a sentence."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest

from sagekeeper.collector.clarify_analysis import analysis
from sagekeeper.collector.model_monitor import without_old_sketches
from sagekeeper.collector.monitor_constraints import constraints
from sagekeeper.collector.monitor_json import parsed, unknown_keys
from sagekeeper.collector.monitor_quality import quality, thresholds
from sagekeeper.collector.monitor_shapes import SHAPES, kind_of
from sagekeeper.collector.monitor_statistics import profiles
from sagekeeper.collector.monitor_violations import figures, violations
from sagekeeper.collector.profile import profile_of
from sagekeeper.core.errors import BadInput


def test_every_real_json_file_is_of_a_known_kind_and_no_key_of_it_is_overlooked(shared_data: Path) -> None:
    files = sorted(path for path in (shared_data / "monitor").rglob("*.json*") if path.suffix in (".json", ".jsonl"))
    assert len(files) > 15
    for path in files:
        texts = path.read_bytes().splitlines() if path.suffix == ".jsonl" else [path.read_bytes()]
        for text in texts:
            document = parsed(text, path.name).value
            kind = kind_of(document)
            assert kind != "unknown", path.name
            assert unknown_keys(document, SHAPES[kind]) == [], path.name


@pytest.mark.parametrize(
    ("name", "subject", "observed", "required"),
    [
        ("model_monitor/constraint_violations.json", "fare_amount", 0.4994994994994995, None),
        ("samples/dataquality_constraint_violations_first10.json", "Area Code_408", 0.9964592817400102, 1.0),
        ("model_monitor/clarify_endpoint_violations.json", "Sex=0 CDDPL", 0.3748947825295131, 0.28176563733194276),
        ("model_monitor/clarify_endpoint_violations.json", "Sex=0 TE", math.inf, 2.916666666666667),
    ],
)
def test_real_violations_of_every_version_state_their_figures(
    name: str, subject: str, observed: float, required: float | None, shared_data: Path
) -> None:
    report = json.loads((shared_data / "monitor" / name).read_text())
    found = {one.subject: one for one in violations(report)}
    assert len(found) == len(report["violations"])
    assert found[subject].observed == pytest.approx(observed)
    assert found[subject].required == (None if required is None else pytest.approx(required))


@pytest.mark.parametrize(
    ("said", "subject", "expected"),
    [
        ("Metric f0_5 with 0.49 was LessThanThreshold 0.5", "f0_5", (0.49, 0.5)),
        ("Feature attribution drift 0.76 exceeds threshold 0.9", "label0 shap", (0.76, 0.9)),
        ("Baseline drift distance: 0.14 exceeds threshold: 0.1", "x0", (0.14, 0.1)),
        ("Completeness requirement is not met. Expected: 1.0, Observed: Only 0.98 of data", "x", (0.98, 1.0)),
        ("something else", "x", (None, None)),
    ],
)
def test_a_number_belongs_to_the_word_before_it(
    said: str, subject: str, expected: tuple[float | None, float | None]
) -> None:
    assert figures(said, subject) == expected


def test_two_violations_of_one_feature_and_check_are_one_with_both_texts() -> None:
    item = {"feature_name": "x", "constraint_check_type": "data_type_check"}
    (found,) = violations({"violations": [item | {"description": said} for said in ("one ", "two", "one")]})
    assert (found.subject, found.check, found.description) == ("x", "data_type_check", "one | two")


def test_a_report_without_violations_has_none() -> None:
    assert violations({"violations": []}) == violations({}) == violations({"violations": None}) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b'{"violations": [', "is no JSON"),
        (b'{"a": "caf\xe9"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number that cannot be read"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_malformed_file_is_one_clear_error(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parsed(content, "report.json")


def test_a_key_that_stands_twice_is_told_and_nan_is_read() -> None:
    read = parsed(b'\xef\xbb\xbf{"a": NaN, "a": 2}', "report.json")
    assert read.value == {"a": 2}
    assert "the key a stands twice" in read.notes[0]


@pytest.mark.parametrize("document", [[], {"violations": {}}, {"violations": ["x"]}, "text", None])
def test_what_is_no_list_of_violations_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="violations"):
        violations(document)


def test_model_quality_has_values_spreads_and_tables_and_names_what_it_cannot_read() -> None:
    section = {
        "auc": {"value": 0.9, "standard_deviation": "NaN"},
        "f1": {"value": "0.5", "standard_deviation": 0.01},
        "confusion_matrix": {"0": {"0": 3, "1": 1}},
        "broken": {"value": "many"},
    }
    found = quality({"dataset": {"item_count": 4}, "binary_classification_metrics": section})
    by_name = {one.metric: one for one in found.metrics}
    assert (by_name["auc"].value, by_name["auc"].std) == (0.9, None)
    assert (by_name["f1"].value, by_name["f1"].std) == (0.5, 0.01)
    assert json.loads(by_name["confusion_matrix"].detail or "") == {"0": {"0": 3, "1": 1}}
    assert (found.records, found.unread) == (4, ["broken"])


def test_thresholds_of_model_quality_carry_their_direction() -> None:
    rules = {"mae": {"threshold": 3.5, "comparison_operator": "GreaterThanThreshold"}, "r2": {"threshold": 1}}
    (found,), unread = thresholds({"regression_constraints": rules})
    assert (found.metric, found.threshold, found.comparison) == ("mae", 3.5, "GreaterThanThreshold")
    assert unread == ["r2"]


def test_a_real_bias_analysis_has_every_metric_and_says_why_one_has_no_value(shared_data: Path) -> None:
    document = json.loads((shared_data / "monitor/samples/clarify_bias_1_analysis.json").read_text())
    found = analysis(document)
    stated = [
        item
        for stage in ("pre_training_bias_metrics", "post_training_bias_metrics")
        for groups in document.get(stage, {}).get("facets", {}).values()
        for group in groups
        for item in group["metrics"]
    ]
    assert (len(found.bias), found.unread) == (len(stated), [])
    without = next(one for one in found.bias if one.metric == "CDDPL")
    assert without.value is None
    assert without.error == "Group variable is empty or not provided"


def test_attributions_are_by_method_label_and_feature() -> None:
    label = {"global_shap_values": {"age": 0.3, "sex": 0.1}, "expected_value": [0.4]}
    found = analysis({"explanations": {"kernel_shap": {"label0": label}, "odd": []}})
    assert [(one.label, one.feature, one.value, one.expected_value) for one in found.attributions] == [
        ("label0", "age", 0.3, 0.4),
        ("label0", "sex", 0.1, 0.4),
    ]
    assert found.unread == ["explanations odd"]


def test_the_old_dialect_of_constraints_says_what_the_new_one_says(shared_data: Path) -> None:
    found = constraints(json.loads((shared_data / "monitor/samples/sdk_constraints.json").read_text()))
    assert [one.name for one in found.features] == ["message", "second_message"]
    assert found.features[0].domains == ("preproc-not-YET-supported-for-csv-json",)
    assert found.features[0].overrides is not None
    assert (found.monitoring.compare, found.monitoring.comparison_threshold) == (True, 1.0)
    assert (found.monitoring.domain_threshold, found.unread) == (1.0, [])


def test_statistics_with_absurd_counts_or_shapes_are_named_and_stop_nothing() -> None:
    common = {"num_present": 2, "num_missing": 0}
    good = {"name": "x", "string_statistics": {"common": common}}
    bad = {"name": "y", "string_statistics": {"common": {"num_present": -1}}}
    levels = {"distribution": {"kll": {"sketch": {"data": [[1.0]] * 99}}}}
    deep = {"name": "z", "numerical_statistics": {"common": common} | levels}
    made, unread = profiles({"features": [good, bad, deep]})
    assert ([one["feature"] for one in made], unread) == (["x"], ["y", "z"])
    assert profiles({"features": {"a": 1}}) == ([], ["features"])


def test_our_figures_of_the_real_training_set_are_those_that_aws_published(shared_data: Path) -> None:
    folder = shared_data / "monitor/model_monitor"
    published = pl.read_csv(folder / "baseline_statistics.csv")
    data = pl.read_csv(folder / "training-dataset-with-header.csv", infer_schema=False)
    kind = "numerical_statistics"
    for row in published.iter_rows(named=True):
        ours = profile_of(data[row["name"]], "numeric")
        assert ours.present == row[f"{kind}.common.num_present"]
        assert ours.missing + ours.invalid == row[f"{kind}.common.num_missing"]
        assert ours.mean == pytest.approx(row[f"{kind}.mean"], abs=5e-7)
        assert ours.total == pytest.approx(row[f"{kind}.sum"], rel=1e-9)
        assert ours.std == pytest.approx(row[f"{kind}.std_dev"], abs=5e-7)
        assert (ours.minimum, ours.maximum) == (row[f"{kind}.min"], row[f"{kind}.max"])


def test_of_a_schedule_with_many_features_the_newest_sketches_are_kept_and_all_figures() -> None:
    newest, older = (
        [{"sketch": sketch, "mean": 1.0} for sketch in sketches] for sketches in (("{}", None), ("{}", "{}"))
    )
    left = without_old_sketches(newest, 2)
    assert (left, without_old_sketches(older, left)) == (1, 0)
    assert [row["sketch"] for row in [*newest, *older]] == ["{}", None, "{}", None]
    assert {row["mean"] for row in [*newest, *older]} == {1.0}
