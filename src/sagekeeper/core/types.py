"""The domain's values: frozen models for what is stored or crosses a process.

Frames (`core/tables/`) hold what is many; these hold what a person reads, decides on or undoes. Amounts of money here are
`Decimal`, rounded once at the edge; frames keep Float64. ``unknown`` is a value of its own everywhere: a gate may be unknown,
a completeness may be unknown, a price may be missing, and none of them ever counts as a pass or a zero.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

HOURS_PER_MONTH = 730
"""Hours in the month that prices and savings are quoted for (8,760 / 12), AWS's own convention."""

Severity = Literal["info", "low", "medium", "high", "critical"]
GateState = Literal["pass", "fail", "unknown"]
CostBasis = Literal["billed", "effective", "list"]
CostNotion = Literal["billed", "effective", "contracted", "list"]
"""The four costs of FOCUS: BilledCost, EffectiveCost, ContractedCost, ListCost."""
Certainty = Literal["measured", "derived", "assumed"]


class Value(BaseModel):
    """Base of the domain's values: immutable, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ResourceRef(Value):
    """One AWS resource. ``kind`` is AWS's own word in snake case: endpoint, variant, training_job, notebook_instance ..."""

    account: str
    region: str
    kind: str
    name: str
    arn: str = ""


class Money(Value):
    """An amount in one currency, exact."""

    amount: Decimal
    currency: str = "USD"

    @classmethod
    def of(cls, amount: float | Decimal | str, currency: str = "USD") -> Money:
        """Round to a hundredth of a cent: the one place where a frame's float becomes money."""
        return cls(amount=Decimal(str(amount)).quantize(Decimal("0.0001")), currency=currency)


class Saving(Value):
    """What a change saves per month of 730 hours: low <= expected <= high, never above the cost it comes from."""

    low: Decimal
    expected: Decimal
    high: Decimal
    currency: str = "USD"
    basis: CostBasis
    certainty: Certainty
    explanation: str = ""


class Figure(Value):
    """One number of evidence with all a reader needs to judge it. ``value`` None means unknown."""

    label: str
    value: float | str | None
    unit: str = ""
    period: str = ""
    basis: str = ""


class Series(Value):
    """A series to draw as evidence. A None value is a gap (no data), not a zero."""

    name: str
    unit: str
    points: list[tuple[datetime, float | None]]
    expected: list[tuple[datetime, float | None]] = []
    low: list[tuple[datetime, float | None]] = []
    high: list[tuple[datetime, float | None]] = []


class Evidence(Value):
    """What a finding or a recommendation rests on."""

    figures: list[Figure] = []
    series: list[Series] = []


class Completeness(Value):
    """Points found against points that should be there. ``expected`` 0 means it could not be said what to expect."""

    found: int
    expected: int

    @property
    def ratio(self) -> float | None:
        """Share found, or None where nothing could be expected."""
        return self.found / self.expected if self.expected else None


class Stake(Value):
    """The money of an incident: what there is too much of, since when, why, and where the month ends with it.

    ``excess`` is to date, ``per_day`` its level over the days it rests on, ``month_excess`` what of it falls into the running
    calendar month, projected to that month's end; all in the finding's currency and basis.
    """

    cause: str
    """What kind of cause: resized, new_resource, forgotten, ran_long, price ... (`analyzers/causes.py`), or unknown."""
    because: str
    since: datetime
    excess: Decimal
    per_day: Decimal
    month_excess: Decimal | None
    planned: str | None = None
    """Why it was meant, where something says so: such an incident is expected from its first day on."""


class Finding(Value):
    """Something a person should know. Equal fingerprints over runs are the same finding, seen again."""

    fingerprint: str
    kind: str
    subject: ResourceRef
    severity: Severity
    title: str
    explanation: str
    impact_per_month: Decimal | None = None
    currency: str = "USD"
    basis: CostBasis | None = None
    certainty: Certainty = "derived"
    first_seen: datetime
    last_seen: datetime
    provisional: bool = False
    evidence: Evidence = Evidence()
    completeness: Completeness | None = None
    unknowns: list[str] = []
    owner: str | None = None
    stake: Stake | None = None
    """What makes a finding an incident (`core/ledger/incidents.py`)."""


class Gate(Value):
    """A condition for a safe change. An unknown gate blocks one-click, it never counts as a pass."""

    name: str
    state: GateState
    why: str


class VariantTarget(Value):
    """What a production variant should run on after the change. ``instance_count`` None: as many as run then."""

    variant_name: str
    instance_type: str
    instance_count: int | None = None


class DeleteEndpoint(Value):
    """The endpoint is gone; its endpoint configuration and models stay, so that it can be brought back."""

    kind: Literal["delete_endpoint"] = "delete_endpoint"
    endpoint: ResourceRef


class UpdateEndpoint(Value):
    """The endpoint's variants run on the named instance types and counts; everything else stays as it is."""

    kind: Literal["update_endpoint"] = "update_endpoint"
    endpoint: ResourceRef
    variants: list[VariantTarget]


class SpotTraining(Value):
    """A family of training jobs runs with managed spot from now on."""

    kind: Literal["spot_training"] = "spot_training"
    family: ResourceRef
    max_wait_seconds: int
    checkpoint_s3_uri: str | None = None


Change = Annotated[DeleteEndpoint | UpdateEndpoint | SpotTraining, Field(discriminator="kind")]


class Alternative(Value):
    """Another way to the same end that was priced and not taken."""

    name: str
    cost_per_month: Decimal | None
    why_not: str


class Recommendation(Value):
    """A priced proposal. Same fingerprint = same idea for the same subjects; ``version`` moves when its content does."""

    fingerprint: str
    version: str
    lever: str
    subjects: list[ResourceRef]
    title: str
    explanation: str
    current: list[Figure]
    proposed: list[Figure]
    cost_per_month: Decimal
    saving: Saving
    alternatives: list[Alternative] = []
    gates: list[Gate]
    confidence: float = Field(ge=0, le=1)
    reversible: bool
    risks: list[str] = []
    change: Change
    conflicts_with: list[str] = []
    evidence: Evidence = Evidence()
    completeness: Completeness | None = None
    unknowns: list[str] = []
    owner: str | None = None
    as_of: datetime

    @property
    def one_click(self) -> bool:
        """Whether every gate passes. Unknown blocks."""
        return all(gate.state == "pass" for gate in self.gates)


class Call(Value):
    """One AWS call with its parameters, exactly as boto3 will send it."""

    service: str
    operation: str
    parameters: dict[str, Any]


class Step(Value):
    """One AWS call of a plan, how to undo it, and how to see that it is done."""

    name: str
    call: Call
    undo: Call | None = None
    done_when: str
    """Name of the check that the change's actuator runs against AWS: true once the call has had its effect."""
    wait_seconds: int = 0


class Plan(Value):
    """A change, what is there now (enough to bring it back), and the calls that make it so."""

    change: Change
    account: str
    region: str
    snapshot: dict[str, Any]
    steps: list[Step]
    undo_steps: list[Step] = []
    checks: list[Gate] = []
    made_at: datetime


def fingerprint(*parts: str) -> str:
    """A short stable identity of ``parts``, equal over runs and machines.

    >>> fingerprint("idle_endpoint", "123456789012", "us-east-1", "fraud")
    'd468a774fadff983'
    """
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
