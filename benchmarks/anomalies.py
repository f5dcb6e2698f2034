"""Overspend found in synthetic ML spend with labelled events, next to what a team would use instead.

Data and scorer: ``../shared/bench/anomaly`` (its README defines every column). Ours: ``sagekeeper detect`` as a person runs it.
Peers: three standard deviations of 30 days; a rule per account and service like AWS Cost Anomaly Detection's thresholds; the
figures that the folder's README publishes for the study candidate and others. Three seeds that nothing was tuned on. Skips where
the folder is absent.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean

BENCH = Path(__file__).parent.parent.parent / "shared" / "bench" / "anomaly"
SEEDS, SERIES, MANY = (101, 102, 103), 2000, 10_000
OURS = "sagekeeper detect"
PEERS = {"3 sigma, 30 days": "sigma30", "AWS-like, account x service": "aws_service"}
TARGETS = {
    "precision": 0.85,
    "recall": 0.85,
    "recall_500": 0.93,
    "money_recall": 0.97,
    "saved": 0.88,
    "fa_1000sm": 1.0,
    "delay_p50": 0.0,
    "root_top1": 0.9,
}
HEADINGS = ("precision", "recall", ">= 500 USD", "money", "saved", "false/1000 sm", "delay, days", "cause top-1")


def main(*seeds: int) -> None:
    """Make the data, score all, print the table."""
    if not (BENCH / "eval.py").is_file():
        print("\nAnomalies: skipped, ../shared/bench/anomaly is not here")
        return
    seeds = seeds or SEEDS
    print(f"\nOverspend in {SERIES:,} series x 400 days, seeds {', '.join(map(str, seeds))}: each, then their mean")
    print(f"  {'':<34}" + "".join(f"{heading:>14}" for heading in HEADINGS) + f"{'seconds':>9}")
    with tempfile.TemporaryDirectory(prefix="sagekeeper-anomalies-") as folder:
        data = [_made(Path(folder), seed, SERIES) for seed in seeds]
        for name in (OURS, *PEERS):
            scores = [_scored(name, path) for path in data]
            if name == OURS:
                for seed, score in zip(seeds, scores, strict=True):
                    _row(f"  seed {seed}", score)
            _row(name, {column: fmean(score[column] for score in scores) for column in (*TARGETS, "wall_s")})
        print(f"  {'target':<34}" + "".join(f"{value:>14.2f}" for value in TARGETS.values()))
        _published()
        _speed(_made(Path(folder), seeds[0], MANY))


def _row(name: str, score: dict[str, float]) -> None:
    print(f"  {name:<34}" + "".join(f"{score[column]:>14.3f}" for column in TARGETS) + f"{score['wall_s']:>9.1f}")


def _made(folder: Path, seed: int, series: int) -> Path:
    path = folder / f"{seed}-{series}"
    _run(str(BENCH / "gen.py"), "--seed", str(seed), "--n-series", str(series), "--out", str(path))
    return path


def _command(name: str) -> str:
    if name == OURS:
        return f"{sys.executable} -m sagekeeper.service.cli detect --in {{in}} --out {{out}}"
    return f"{sys.executable} {BENCH / 'det_rules.py'} --rule {PEERS[name]} --in {{in}} --out {{out}}"


def _scored(name: str, data: Path) -> dict[str, float]:
    answer = _run(str(BENCH / "eval.py"), "--data", str(data), "--cmd", _command(name))
    score: dict[str, float] = json.loads(answer.splitlines()[-1])
    return score


def _run(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def _published() -> None:
    """The lines of the README's table, as they stand there."""
    rows = [line for line in (BENCH / "README.md").read_text().splitlines() if line.startswith("|")]
    end = next(n for n, line in enumerate(rows) if line.startswith("| model"))
    print("  published in the folder's README (600 series, seed 1):")
    for line in rows[:end]:
        if not line.startswith("|-"):
            print("    " + " | ".join(cell.strip() for cell in line.strip("|").split("|")))


def _speed(data: Path) -> None:
    """End to end in a process of its own: read, judge, write."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    _run(
        "-m",
        "sagekeeper.service.cli",
        "detect",
        "--in",
        str(data / "cost.parquet"),
        "--out",
        str(data / "flags.parquet"),
    )
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"  {MANY:,} series x 400 days, end to end: {seconds:.1f} s, {used:.1f} s of the processor, peak "
        f"{after.ru_maxrss / 1e6:.2f} GB at most (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores); target 5 s and 2 GB"
    )


if __name__ == "__main__":
    main(*(int(seed) for seed in sys.argv[1:]))
