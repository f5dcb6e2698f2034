"""What a captured endpoint is asked with, and what its model answers: a world that has real requests brings them itself."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sagekeeper.simulator.world import Drift, Standing
from sagekeeper.simulator.worlds.drifting import Sample
from sagekeeper.simulator.worlds.house_answers import Answered


class Asked(Protocol):
    """Requests to one endpoint."""

    features: tuple[str, ...]
    """The columns of a request, in order; a sample may have others, which nobody is asked with."""

    def sample(self, seed: int, count: int) -> Sample:
        """So many requests, the same for the same seed."""

    def answered(self, here: Standing, endpoint: str, at: datetime, sample: Sample, drifts: list[Drift]) -> Answered:
        """What the model that serves then says, and what was right."""
