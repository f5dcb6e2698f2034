"""The lake's tables, declared once: columns, types, keys, partition. Checked at every write (`core/lake.py`).

Costs carry FOCUS 1.2 column names; what FOCUS does not name is prefixed ``x_`` as FOCUS asks. Every other table uses snake
case and AWS's own words. Times are UTC. A null amount or value is *unknown*, never zero.
"""

from __future__ import annotations

from sagekeeper.core.tables.account import ACTIVITY, INVENTORY, JOBS, METRICS, TRIAL_COMPONENTS
from sagekeeper.core.tables.captured import CAPTURE_HOURS, CAPTURE_REJECTS, FEATURE_HOURS
from sagekeeper.core.tables.money import (
    BILL_VERSIONS,
    COSTS,
    DAILY_COSTS,
    ESTIMATES,
    PRICES,
    RUN_RATES,
    SAGEMAKER,
    UNIT_COSTS,
)
from sagekeeper.core.tables.monitored import (
    ATTRIBUTIONS,
    BIAS,
    MODEL_QUALITY,
    MONITOR_CONSTRAINTS,
    MONITOR_METRICS,
    MONITOR_RUNS,
    MONITOR_STATISTICS,
)
from sagekeeper.core.tables.table import UTC_TIME, Table
from sagekeeper.core.tables.watched import FEATURE_PROFILES, MODEL_REQUESTS, MONITOR_VIOLATIONS, TOKEN_USE

TABLES: tuple[Table, ...] = (
    COSTS,
    DAILY_COSTS,
    BILL_VERSIONS,
    UNIT_COSTS,
    ESTIMATES,
    RUN_RATES,
    METRICS,
    INVENTORY,
    JOBS,
    TRIAL_COMPONENTS,
    ACTIVITY,
    FEATURE_PROFILES,
    FEATURE_HOURS,
    CAPTURE_HOURS,
    CAPTURE_REJECTS,
    TOKEN_USE,
    MODEL_REQUESTS,
    MONITOR_VIOLATIONS,
    MONITOR_RUNS,
    MONITOR_STATISTICS,
    MODEL_QUALITY,
    BIAS,
    ATTRIBUTIONS,
    MONITOR_CONSTRAINTS,
    MONITOR_METRICS,
    PRICES,
)

__all__ = [
    "ACTIVITY",
    "ATTRIBUTIONS",
    "BIAS",
    "BILL_VERSIONS",
    "CAPTURE_HOURS",
    "CAPTURE_REJECTS",
    "COSTS",
    "DAILY_COSTS",
    "ESTIMATES",
    "FEATURE_HOURS",
    "FEATURE_PROFILES",
    "INVENTORY",
    "JOBS",
    "METRICS",
    "MODEL_QUALITY",
    "MODEL_REQUESTS",
    "MONITOR_CONSTRAINTS",
    "MONITOR_METRICS",
    "MONITOR_RUNS",
    "MONITOR_STATISTICS",
    "MONITOR_VIOLATIONS",
    "PRICES",
    "RUN_RATES",
    "SAGEMAKER",
    "TABLES",
    "TOKEN_USE",
    "TRIAL_COMPONENTS",
    "UNIT_COSTS",
    "UTC_TIME",
    "Table",
]
