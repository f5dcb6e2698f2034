"""What the Models page looks at: the views of models and their monitors, remembered while nothing has changed."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sagekeeper.core.tables import (
    ATTRIBUTIONS,
    BIAS,
    CAPTURE_HOURS,
    DAILY_COSTS,
    FEATURE_PROFILES,
    INVENTORY,
    JOBS,
    METRICS,
    MODEL_QUALITY,
    MONITOR_RUNS,
    MONITOR_VIOLATIONS,
)
from sagekeeper.dashboard.opened import moment, opened
from sagekeeper.dashboard.remembered import remembered
from sagekeeper.reports.views import captured, models
from sagekeeper.reports.views import model_money as money_views
from sagekeeper.reports.views import monitor_results as monitor_results_views
from sagekeeper.reports.views import shifts as shift_views


def model_lines() -> list[models.ModelLine]:
    """`models.model_lines` as of today."""
    return _model_lines(moment().end_of_day)


@remembered(FEATURE_PROFILES, ledger=True, spinner="Looking at the models …")
def _model_lines(end_of_day: datetime) -> list[models.ModelLine]:
    return models.model_lines(opened().lake, opened().ledger, end_of_day)


def feature_profiles(key: models.ModelKey) -> pl.DataFrame:
    """`models.feature_profiles` as of today."""
    return _feature_profiles(key, moment().end_of_day)


@remembered(FEATURE_PROFILES, spinner="Reading profiles …")
def _feature_profiles(key: models.ModelKey, end_of_day: datetime) -> pl.DataFrame:
    return models.feature_profiles(opened().lake, key, end_of_day)


def captured_week(key: models.ModelKey) -> captured.CapturedWeek | None:
    """`captured.captured_week` as of today."""
    return _captured_week(key, moment().end_of_day)


@remembered(CAPTURE_HOURS)
def _captured_week(key: models.ModelKey, end_of_day: datetime) -> captured.CapturedWeek | None:
    return captured.captured_week(opened().lake, key, end_of_day)


def shifts(key: models.ModelKey) -> pl.DataFrame:
    """`shifts.shifts` as of today."""
    return _shifts(key, moment().end_of_day)


@remembered(FEATURE_PROFILES, spinner="Comparing with the baseline …")
def _shifts(key: models.ModelKey, end_of_day: datetime) -> pl.DataFrame:
    thresholds = opened().settings.analyzers.get("feature_drift", {})
    return shift_views.shifts(feature_profiles(key), end_of_day, thresholds)


def violations(key: models.ModelKey) -> pl.DataFrame:
    """`models.violations` as of today."""
    return _violations(key, moment().end_of_day)


@remembered(MONITOR_VIOLATIONS)
def _violations(key: models.ModelKey, end_of_day: datetime) -> pl.DataFrame:
    return models.violations(opened().lake, key, end_of_day)


def model_money() -> money_views.Money:
    """`model_money.money` as of today."""
    return _model_money(moment().end_of_day)


@remembered(DAILY_COSTS, METRICS, MODEL_QUALITY, MONITOR_RUNS, INVENTORY, JOBS, spinner="Counting what quality costs …")
def _model_money(end_of_day: datetime) -> money_views.Money:
    return money_views.money(opened().lake, end_of_day)


def monitor_results(key: models.ModelKey) -> monitor_results_views.Results:
    """`monitor_results.results` as of today."""
    return _monitor_results(key, moment().end_of_day)


@remembered(MONITOR_RUNS, MODEL_QUALITY, BIAS, ATTRIBUTIONS)
def _monitor_results(key: models.ModelKey, end_of_day: datetime) -> monitor_results_views.Results:
    return monitor_results_views.results(opened().lake, key.account, key.region, key.endpoint, end_of_day)
