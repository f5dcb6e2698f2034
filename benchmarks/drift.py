"""Drift: false alarms, power at equal false alarms, and speed, against Evidently and a plain two-sample test.

Evidently needs an environment of its own (it does not import with pandas 3): give its interpreter in EVIDENTLY_PYTHON,
or its columns are left out. ``plain`` is what a careful person writes: scipy's Kolmogorov-Smirnov or chi-square test, one
column at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from benchmarks.drift_months import delays, false_alarms
from benchmarks.drift_scenarios import DRIFT, NO_DRIFT, Scenario
from sagekeeper.analyzers.drift_columns import pair
from sagekeeper.analyzers.drift_compare import Rules
from sagekeeper.analyzers.drift_verdicts import compare, verdicts

SIZES, REPEATS = (100, 1000, 1100, 10_000), 200
ROWS = 1_000_000
MONTHS, TRAFFIC = 15, (20, 200, 2000)
LEVEL = 0.01
PEER = Path(__file__).with_name("drift_evidently.py")

MEASURED = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - started, used.ru_maxrss, used.ru_utime + used.ru_stime]))
"""

Results = dict[str, list[tuple[float, bool]]]
"""By scenario and size: score (the smaller, the surer) and whether it was called drift."""


def main() -> None:
    """Run it and print the tables."""
    ours, plain = _columns(_ours), _columns(_plain)
    evidently = _evidently()
    _alarms(ours, plain, evidently)
    _power(ours, plain, evidently)
    false_alarms(TRAFFIC, MONTHS)
    delays(TRAFFIC, 5)
    _speed(evidently is not None)


def _columns(judge: Callable[[Scenario, int, int], tuple[float, bool]]) -> Results:
    return {
        f"{scenario.name}|{n}": [judge(scenario, n, repeat) for repeat in range(REPEATS)]
        for scenario in (*NO_DRIFT, *DRIFT)
        for n in SIZES
    }


def _ours(scenario: Scenario, n: int, repeat: int) -> tuple[float, bool]:
    before, now = scenario.columns(n, repeat)
    (verdict,) = verdicts([compare(pair("x", pl.Series(before), pl.Series(now)), Rules())], Rules())
    return 1.0 if verdict.p_value is None else verdict.p_value, verdict.status == "drift"


def _plain(scenario: Scenario, n: int, repeat: int) -> tuple[float, bool]:
    before, now = scenario.columns(n, repeat)
    if scenario.categorical:
        names, places = np.unique(np.concatenate([before, now]), return_inverse=True)
        table = np.stack([np.bincount(part, minlength=len(names)) for part in (places[:n], places[n:])])
        p = float(stats.chi2_contingency(table).pvalue)
    else:
        p = float(stats.ks_2samp(before, now, method="asymp").pvalue)
    return p, p <= LEVEL


def _evidently() -> Results | None:
    python = os.environ.get("EVIDENTLY_PYTHON")
    if python is None:
        print("Evidently is left out: EVIDENTLY_PYTHON names no interpreter that has it.")
        return None
    arguments = [python, str(PEER), "columns", ",".join(map(str, SIZES)), str(REPEATS)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"Evidently is left out: {done.stderr.strip().splitlines()[-1]}")
        return None
    found: Results = {}
    for key, results in json.loads(done.stdout).items():
        # Up to 1,000 rows its score is a p-value, above a distance.
        sign = 1 if int(key.split("|")[1]) <= 1000 else -1
        found[key] = [(sign * score, drifted) for score, drifted in results]
    return found


def _alarms(ours: Results, plain: Results, evidently: Results | None) -> None:
    print(f"\nShare of columns called drift where nothing changed ({REPEATS} each; reference = current = n)")
    contestants = [("sagekeeper 1 %", ours), ("plain test 1 %", plain)]
    if evidently is not None:
        contestants.append(("Evidently default", evidently))
    _head(["no drift", *(f"{name} n={n:,}" for name, _ in contestants for n in SIZES)])
    for scenario in NO_DRIFT:
        shares = [_called(results, scenario.name, n) for _, results in contestants for n in SIZES]
        _row(scenario.name, shares)


def _power(ours: Results, plain: Results, evidently: Results | None) -> None:
    print(
        "\nShare of drifted columns found with every contestant's bar set to 1 % of false alarms on its own no-drift columns"
    )
    contestants = [("sagekeeper", ours), ("plain test", plain)]
    if evidently is not None:
        contestants.append(("Evidently", evidently))
    sizes = (1000, 10_000)
    _head(["drift", *(f"{name} n={n:,}" for n in sizes for name, _ in contestants)])
    for scenario in DRIFT:
        _row(scenario.name, [_found(results, scenario, n) for n in sizes for _, results in contestants])
    print("\n  as each decides by itself (sagekeeper and plain test at 1 %, Evidently by its default)")
    for scenario in DRIFT:
        _row(scenario.name, [_called(results, scenario.name, n) for n in sizes for _, results in contestants])


def _called(results: Results, name: str, n: int) -> float:
    return float(np.mean([drifted for _, drifted in results[f"{name}|{n}"]]))


def _found(results: Results, scenario: Scenario, n: int) -> float:
    bar = float(np.sort([score for score, _ in results[f"{scenario.like}|{n}"]])[int(LEVEL * REPEATS)])
    return float(np.mean([score < bar for score, _ in results[f"{scenario.name}|{n}"]]))


def _head(names: Sequence[str]) -> None:
    print("  " + names[0].ljust(28) + " | ".join(names[1:]))


def _row(name: str, shares: Sequence[float]) -> None:
    print("  " + name.ljust(28) + "  ".join(f"{share:5.3f}" for share in shares))


def _speed(with_evidently: bool) -> None:
    print(f"\nWhole process, {ROWS:,} + {ROWS:,} rows x 30 columns (parquet)")
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("reference.parquet", "current.parquet")]
        for seed, file in enumerate(files):
            _table(seed).write_parquet(file)
        program = str(Path(sys.executable).with_name("sagekeeper"))
        command = [program, "drift", "--reference", files[0], "--current", files[1], "--json"]
        ours = _process(command)
        print(f"  sagekeeper drift   {ours[0]:7.1f} s  {ours[1]:6.0f} MB  {ours[2]:6.1f} s of processor")
        if with_evidently:
            theirs = _process([os.environ["EVIDENTLY_PYTHON"], str(PEER), "report", *files])
            print(f"  Evidently report   {theirs[0]:7.1f} s  {theirs[1]:6.0f} MB  {theirs[2]:6.1f} s of processor")
            print(
                f"  {theirs[0] / ours[0]:.1f} times as fast in {ours[1] / theirs[1]:.2f} of the memory (target 20, 500 MB)"
            )


def _table(seed: int) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    numbers = {f"num_{place:02}": chance.normal(size=ROWS) for place in range(20)}
    names = np.array([f"c_{place}" for place in range(50)])
    shares = np.random.default_rng(50).dirichlet(np.ones(50))
    words: dict[str, Any] = {f"cat_{place:02}": names[chance.choice(50, ROWS, p=shares)] for place in range(10)}
    return pl.DataFrame(numbers | words)


def _process(command: list[str]) -> tuple[float, float, float]:
    """Seconds, most memory in MB, and processor seconds of a process.

    It is started by a small one: a child of this one would count this one's memory as its own.
    """
    done = subprocess.run([sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.stderr.strip().splitlines()[-1]}")
    seconds, kilobytes, processor = json.loads(done.stdout)
    return seconds, kilobytes / 1024, processor


if __name__ == "__main__":
    main()
