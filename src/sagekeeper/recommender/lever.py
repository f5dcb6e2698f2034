"""What a lever is: a way to save, with its settings, that proposes from facts. Pure, like the analyzers below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from sagekeeper.analyzers.facts import Facts
from sagekeeper.core.types import Recommendation


class LeverSettings(BaseModel):
    """Thresholds of one lever."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Lever:
    """One way to save. ``propose`` leaves the gates of the house (tags) to `run.recommend`."""

    name: str
    description: str
    settings: type[LeverSettings]
    propose: Callable[[Facts, Any], Iterator[Recommendation]]
