"""The questions that are asked of the facts, in the order they are asked. Adding one: a file, and a line here."""

from sagekeeper.analyzers import (
    drift,
    failed_jobs,
    idle,
    monitor,
    monitor_failing,
    monitor_idle,
    overspend,
    price_changes,
    retired_hardware,
    run_drift,
    run_rate_finding,
    runaway,
    unattributed,
    unit_drift,
)
from sagekeeper.analyzers.facts import Analyzer, AnalyzerSettings, Facts

ANALYZERS: tuple[Analyzer, ...] = (
    idle.ANALYZER,
    overspend.ANALYZER,
    runaway.ANALYZER,
    run_rate_finding.ANALYZER,
    failed_jobs.ANALYZER,
    unit_drift.ANALYZER,
    run_drift.ANALYZER,
    price_changes.ANALYZER,
    drift.ANALYZER,
    monitor.ANALYZER,
    monitor_failing.ANALYZER,
    monitor_idle.ANALYZER,
    retired_hardware.ANALYZER,
    unattributed.ANALYZER,
)

__all__ = ["ANALYZERS", "Analyzer", "AnalyzerSettings", "Facts"]
