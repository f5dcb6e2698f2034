"""How grave a drift is goes by what the model goes by, by its answers and by its quality; what is not known is said."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sagekeeper.analyzers.drift_harm import Importances, Line, harm, importances, lines
from sagekeeper.core.tables import ATTRIBUTIONS, MODEL_QUALITY

AT = datetime(2026, 11, 18, 9, tzinfo=UTC)
SINCE = date(2026, 11, 15)
GOES_BY = Importances({"income": 0.75, "age": 0.24, "place": 0.01}, AT)


def line(value: float, at: datetime = AT, basis: str = "labels") -> Line:
    """Accuracy beside a line of 0.8."""
    return Line("accuracy", value, 0.8, value < 0.8, basis, at)


def attribution(rows: SimpleNamespace, feature: str, value: float | None, **more: Any) -> dict[str, Any]:
    """A row of one explainability run of the endpoint house."""
    return {
        "account": rows.account,
        "region": rows.region,
        "endpoint": "house",
        "schedule": "why",
        "execution_time": AT,
        "day": AT.date(),
        "method": "kernel_shap",
        "label": "label0",
        "feature": feature,
        "value": value,
    } | more


def quality_row(rows: SimpleNamespace, value: float, at: datetime = AT, **more: Any) -> dict[str, Any]:
    """Accuracy of one run, with a line of 0.8."""
    return {
        "account": rows.account,
        "region": rows.region,
        "endpoint": "house",
        "schedule": "right",
        "execution_time": at,
        "day": at.date(),
        "problem": "binary_classification",
        "metric": "accuracy",
        "segment": "",
        "basis": "labels",
        "value": value,
        "threshold": 0.8,
        "comparison": "LessThanThreshold",
    } | more


def test_a_drift_of_what_the_model_goes_by_is_grave() -> None:
    found = harm({"income": 0.3}, SINCE, GOES_BY, [])
    # 0.75 x 0.3
    assert (found.severity, found.exposure) == ("high", pytest.approx(0.225))
    assert found.why == "It makes up 75% of what the model goes by (Clarify, 18 Nov 2026): it is likely hurt."


def test_the_same_drift_of_what_the_model_hardly_looks_at_is_not() -> None:
    found = harm({"place": 0.9}, SINCE, GOES_BY, [])
    assert (found.severity, found.exposure) == ("low", pytest.approx(0.009))
    assert "it is hardly hurt" in found.why


def test_without_attributions_it_is_said_that_they_are_not_known() -> None:
    found = harm({"income": 0.2}, SINCE, None, [])
    assert (found.severity, found.exposure) == ("medium", None)
    assert "What the model goes by is not known" in found.why
    assert harm({"income": 0.3}, SINCE, None, []).severity == "high"


def test_a_feature_without_an_attribution_is_unknown_and_never_nought() -> None:
    found = harm({"place": 0.9, "new": 0.2}, SINCE, GOES_BY, [])
    assert found.severity == "medium"
    assert "1 of these makes up 1% of what the model goes by" in found.why
    assert "Of new it is not known." in found.why
    assert found.unknowns == ["new: what the model makes of it"]
    assert harm({"new": 0.9}, SINCE, GOES_BY, []).exposure is None


def test_answers_that_moved_too_raise_it() -> None:
    found = harm({"place": 0.9, "prediction: score": 0.1}, SINCE, GOES_BY, [])
    assert found.severity == "medium"
    assert found.why.endswith("What it answers has moved, too.")


def test_answers_that_moved_alone_go_by_their_size() -> None:
    found = harm({"prediction: score": 0.12}, SINCE, GOES_BY, [])
    assert (found.severity, found.why) == ("medium", "What it answers has moved.")


def test_a_crossed_quality_line_makes_it_grave_whatever_the_model_goes_by() -> None:
    found = harm({"place": 0.9}, SINCE, GOES_BY, [line(0.7)])
    assert found.severity == "high"
    assert "beyond its line (accuracy 0.7, line 0.8; run of 18 Nov 2026): labels show it." in found.why
    assert harm({"income": 0.3}, SINCE, GOES_BY, [line(0.7)]).severity == "critical"


def test_a_line_that_only_an_estimate_crosses_is_told_as_such() -> None:
    assert (
        "an estimate without labels expects it" in harm({"age": 0.2}, SINCE, GOES_BY, [line(0.7, basis="estimate")]).why
    )


def test_a_line_that_holds_is_said_and_changes_nothing() -> None:
    found = harm({"income": 0.3}, SINCE, GOES_BY, [line(0.9)])
    assert found.severity == "high"
    assert "Its quality has kept its line so far (accuracy 0.9, line 0.8)." in found.why


def test_a_line_crossed_before_the_drift_began_is_none_of_its_doing() -> None:
    before = line(0.7, datetime(2026, 11, 14, 9, tzinfo=UTC))
    assert harm({"place": 0.9}, SINCE, GOES_BY, [before]) == harm({"place": 0.9}, SINCE, GOES_BY, [])


def test_attributions_are_shares_of_the_newest_run_of_an_endpoint_over_its_labels(rows: SimpleNamespace) -> None:
    given = [
        attribution(rows, "income", 3.0),
        attribution(rows, "age", -1.0),
        attribution(rows, "income", 0.1, label="label1"),
        attribution(rows, "age", 0.1, label="label1"),
        attribution(rows, "place", None),
        attribution(rows, "income", 0.0, label="label2"),
        attribution(rows, "age", 9.0, execution_time=datetime(2026, 11, 17, 9, tzinfo=UTC)),
        attribution(rows, "age", 9.0, execution_time=datetime(2026, 11, 21, 9, tzinfo=UTC)),
        attribution(rows, "age", 9.0, endpoint=""),
    ]
    found = importances(rows.frame(ATTRIBUTIONS, given), rows.as_of)
    # Three quarters and a half, a quarter and a half: each label counts alike.
    assert found == {(rows.account, rows.region, "house"): Importances({"age": 0.375, "income": 0.625}, AT)}


def test_the_newest_run_of_a_schedule_says_whether_a_line_holds(rows: SimpleNamespace) -> None:
    given = [
        quality_row(rows, 0.7),
        quality_row(rows, 0.9, datetime(2026, 11, 19, 9, tzinfo=UTC)),
        quality_row(rows, 0.1, segment="place=COAST"),
        quality_row(rows, 0.3, metric="mae", threshold=None),
        quality_row(rows, 0.3, schedule="errors", metric="mae", threshold=0.2, comparison="GreaterThanThreshold"),
    ]
    (found,) = lines(rows.frame(MODEL_QUALITY, given), rows.as_of).values()
    assert [(one.metric, one.value, one.broken) for one in found] == [("accuracy", 0.9, False), ("mae", 0.3, True)]
