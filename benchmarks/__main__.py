"""``make bench``: run every benchmark and print its ratios. Arguments: other sizes of the largest one, the rollup, in lines."""

from __future__ import annotations

import sys

from benchmarks import anomalies, captures, cloudwatch, drift, forecast, ingest, lake_replace, monitoring, nab, rollup

if __name__ == "__main__":
    for benchmark in (ingest, lake_replace, cloudwatch, captures, anomalies, nab, forecast, drift, monitoring):
        benchmark.main()
    rollup.main(*(int(lines) for lines in sys.argv[1:]))
