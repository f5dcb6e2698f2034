"""``make bench``: run every benchmark and print its ratios."""

from __future__ import annotations

from benchmarks import cloudwatch, ingest, lake_replace

if __name__ == "__main__":
    for benchmark in (ingest, lake_replace, cloudwatch):
        benchmark.main()
