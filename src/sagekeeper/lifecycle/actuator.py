"""What a kind of change must bring along so that it can be planned, applied exactly once, watched and undone.

An actuator only ever *reads* AWS: it says which calls make the change (`Plan`), whether the world is still as planned, and
what to watch afterwards. The calls themselves are made in one place for all kinds, `steps.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.types import Plan


@dataclass(frozen=True)
class Reads:
    """The reader role's clients of one account and region."""

    sessions: AwsSessions
    account: str
    region: str

    @property
    def sagemaker(self) -> Any:
        """SageMaker, read only."""
        return self.sessions.client("sagemaker", self.account, self.region)

    @property
    def autoscaling(self) -> Any:
        """Application Auto Scaling, read only."""
        return self.sessions.client("application-autoscaling", self.account, self.region)

    @property
    def cloudwatch(self) -> Any:
        """CloudWatch, read only."""
        return self.sessions.client("cloudwatch", self.account, self.region)


class Effect(NamedTuple):
    """How far a call's effect is to be seen in AWS, and a sentence about it.

    ``done``: there, complete. ``under way``: AWS is at work; wait, do not call. ``absent``: not there, the call may be made.
    ``blocked``: neither calling nor waiting helps.
    """

    state: Literal["done", "under way", "absent", "blocked"]
    says: str


@dataclass(frozen=True)
class Watch:
    """What to watch after a change: the endpoint's variants and the vCPUs of the instance type they now run on."""

    endpoint: str
    vcpu_of_variant: dict[str, int | None]


@dataclass(frozen=True)
class Actuator:
    """One kind of change. ``permissions`` are the applier role's, ``reads`` the reader role's."""

    kind: str
    description: str
    permissions: tuple[str, ...]
    reads: tuple[str, ...]
    plan: Callable[[Any, Reads, datetime], Plan]
    """Change -> exact calls, their undo, and a snapshot that is enough to bring everything back. Raises PlanRefused."""
    still_as_planned: Callable[[Plan, Reads, datetime, datetime], None]
    """(plan, reads, end of the evidence, now): raises PlanRefused, with a sentence, when the world has moved."""
    undo_possible: Callable[[Plan, Reads], None]
    """Raises PlanRefused when undoing would overwrite what somebody did since."""
    watch: Callable[[Plan], Watch | None]
    """None: there is nothing left to watch."""
