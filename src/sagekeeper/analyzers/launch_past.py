"""How long a family's runs took before: what a job that is about to start may be expected to take.

In: `JOBS` rows, and which job: kind, name, account; of a step of a pipeline also the step's name (SageMaker names its jobs
``pipelines-<execution>-<step>-<suffix>``), of a tuning job the jobs it started. Out: `Runs`, completed runs only: one that
failed or was stopped says nothing about how long a whole one takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from sagekeeper.analyzers.job_families import family

MOST_RUNS = 50
"""The newest ones count: what a family took a year ago says little."""
SPOT_DISCOUNT = (0.5, 0.6)
"""What managed spot is assumed to save, at least and at most, where the account has no spot job of its own (the lever's too)."""


@dataclass(frozen=True)
class Runs:
    """Completed runs, newest last. ``wall``: seconds from start to end; ``paid``: seconds that were billed, of spot runs only."""

    family: str
    wall: tuple[float, ...]
    paid_share: tuple[float, ...]
    machines: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many."""
        return len(self.wall)


@dataclass(frozen=True)
class Past:
    """All that ran before, in one account where that is known."""

    jobs: pl.DataFrame

    def runs(self, kind: str, name: str, step: str = "") -> Runs | None:
        """Completed runs of the family that ``name`` (or the pipeline's ``step``) belongs to, None where there are none."""
        named = pl.lit(value=False)
        if name:
            wanted = pl.DataFrame({"name": [name]}).select(family())["name"][0]
            named = family("name") == wanted
        of_step = pl.col("name").str.contains(rf"^pipelines-[a-z0-9]+-{re.escape(step)}-\w+$") if step else named
        return self._found(pl.col("kind") == kind, named | of_step, name or step)

    def children(self, tuning_job: str) -> Runs | None:
        """Completed training jobs that earlier tuning jobs of the same family started."""
        wanted = pl.DataFrame({"name": [tuning_job]}).select(family())["name"][0]
        parent = pl.col("parent_arn").str.extract(r":hyper-parameter-tuning-job/(.+)$")
        return self._found(
            pl.col("kind") == "training_job", parent.str.replace(r"-\d[\w-]*$", "") == wanted, tuning_job
        )

    def spot_discount(self) -> tuple[float, float] | None:
        """(high, median) share of run time that managed spot did not bill, of the account's spot jobs; None: it has none."""
        share = 1 - pl.col("billable_seconds") / pl.col("run_seconds")
        saved = self.jobs.filter(
            pl.col("spot").fill_null(value=False) & (pl.col("status") == "Completed") & (pl.col("run_seconds") > 0)
        ).select(share=share)["share"].drop_nulls()  # fmt: skip
        if saved.is_empty():
            return None
        median, high = saved.median(), saved.quantile(0.9, "linear")
        assert isinstance(median, float) and isinstance(high, float)
        return high, median

    def _found(self, kind: pl.Expr, who: pl.Expr, name: str) -> Runs | None:
        took = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6
        found = (
            self.jobs.filter(kind & who & (pl.col("status") == "Completed"))
            .with_columns(wall=took, share=pl.col("billable_seconds") / pl.col("run_seconds"))
            .filter(pl.col("wall") > 0)
            .sort("started_at")
            .tail(MOST_RUNS)
        )
        if found.is_empty():
            return None
        spot = found.filter(pl.col("spot").fill_null(value=False) & pl.col("share").is_not_null())
        machine = pl.format("{} x {}", pl.col("instance_count").fill_null(0), pl.col("instance_type").fill_null("?"))
        return Runs(
            family=name,
            wall=tuple(found["wall"]),
            paid_share=tuple(spot["share"]),
            machines=tuple(found.select(machine.unique(maintain_order=True)).to_series()),
        )
