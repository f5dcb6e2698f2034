"""Evidently's own tests on the scenarios, and its report on two files: run by the interpreter of an environment that has it.

Evidently 0.7.23 does not import with pandas 3, so it cannot live beside Sagekeeper. Arguments: ``columns SIZES REPEATS``
prints {"scenario|n": [[score, drifted], ...]}; ``report REFERENCE CURRENT`` runs the drift preset on two parquet files.
"""

from __future__ import annotations

import json
import sys

import pandas as pd
from evidently import Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

from drift_scenarios import DRIFT, NO_DRIFT


def columns(sizes: list[int], repeats: int) -> None:
    """Scores of every scenario, by the tests that Evidently picks itself."""
    found = {}
    for scenario in (*NO_DRIFT, *DRIFT):
        kind = ColumnType.Categorical if scenario.categorical else ColumnType.Numerical
        for n in sizes:
            results = []
            for repeat in range(repeats):
                before, now = (pd.Series(values) for values in scenario.columns(n, repeat))
                result = get_stattest(before, now, kind, None)(before, now, kind, None)
                results.append([float(result.drift_score), bool(result.drifted)])
            found[f"{scenario.name}|{n}"] = results
    sys.stdout.write(json.dumps(found))


def report(reference: str, current: str) -> None:
    """What a user runs."""
    result = Report([DataDriftPreset()]).run(pd.read_parquet(current), pd.read_parquet(reference))
    sys.stdout.write(str(len(result.dict())))


if __name__ == "__main__":
    if sys.argv[1] == "columns":
        columns([int(size) for size in sys.argv[2].split(",")], int(sys.argv[3]))
    else:
        report(sys.argv[2], sys.argv[3])
