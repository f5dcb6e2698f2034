"""What would be done, exactly, without doing it: the dry run of a change.

In: a recommendation or a bare change. Out: a `Plan` with the snapshot, the calls, their undo, and the checks of the rule book's
global gates that only a fresh look at AWS can answer (tags, status, who manages the resource). Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sagekeeper.core.aws import AwsSessions
from sagekeeper.core.errors import PlanRefused
from sagekeeper.core.settings import Lifecycle
from sagekeeper.core.types import Change, DeleteEndpoint, Gate, Plan, Recommendation, UpdateEndpoint
from sagekeeper.lifecycle import ACTUATORS
from sagekeeper.lifecycle.actuator import Actuator, Reads

AS_CODE = ("aws:cloudformation:stack-name", "terraform", "Terraform", "pulumi:project")
MANAGED_BY = ("managed-by", "managed_by", "ManagedBy", "managedby")
ENVIRONMENT = ("env", "Env", "environment", "Environment", "stage", "Stage")
PRODUCTION = ("prod", "production", "prd", "live")


def make_plan(
    wanted: Recommendation | Change, sessions: AwsSessions, now: datetime, safety: Lifecycle | None = None
) -> Plan:
    """The dry run. Raises PlanRefused where the change cannot be made at all."""
    change = wanted.change if isinstance(wanted, Recommendation) else wanted
    actuator = actuator_for(change.kind)
    assert isinstance(change, DeleteEndpoint | UpdateEndpoint)
    reads = Reads(sessions, change.endpoint.account, change.endpoint.region)
    plan = actuator.plan(change, reads, now)
    return plan.model_copy(update={"checks": [*_checks(plan, sessions, safety or Lifecycle()), *plan.checks]})


def actuator_for(kind: str) -> Actuator:
    """The actuator of a kind of change. Raises PlanRefused where Sagekeeper cannot make such a change itself."""
    for actuator in ACTUATORS:
        if actuator.kind == kind:
            return actuator
    raise PlanRefused(
        f"Sagekeeper does not make changes of kind {kind} itself: make it where the resource is defined, "
        "as the recommendation describes."
    )


def _checks(plan: Plan, sessions: AwsSessions, safety: Lifecycle) -> Iterator[Gate]:
    tags: dict[str, str] = plan.snapshot["tags"]
    status = plan.snapshot["endpoint"]["EndpointStatus"]
    yield _gate("in service", status == "InService", f"the endpoint is {status}")
    yield _tag_gate("opt-in tag", safety.opt_in_tag, tags, wanted=True)
    yield _tag_gate("opt-out tag", safety.opt_out_tag, tags, wanted=False)
    code = [f"{key}={tags[key]}" for key in AS_CODE if key in tags]
    code += [f"{key}={tags[key]}" for key in MANAGED_BY if key in tags]
    yield _gate("not defined as code", not code, f"tagged {', '.join(code)}" if code else "no tag says otherwise")
    production = [f"{key}={tags[key]}" for key in ENVIRONMENT if tags.get(key, "").lower() in PRODUCTION]
    yield _gate("not production", not production, ", ".join(production) or "no tag says production")
    account = next((item for item in sessions.accounts if item.id == plan.account), None)
    role = account.applier_role_arn if account else None
    yield _gate("applier role", role is not None, role or f"account {plan.account} has no applier_role_arn: read only")


def _tag_gate(name: str, pair: str, tags: dict[str, str], *, wanted: bool) -> Gate:
    if not pair:
        return Gate(name=name, state="pass", why="no such tag is asked for")
    key, _, value = pair.partition("=")
    there = tags.get(key) == value
    return _gate(name, there == wanted, f"the endpoint {'is' if there else 'is not'} tagged {pair}")


def _gate(name: str, passes: bool, why: str) -> Gate:
    return Gate(name=name, state="pass" if passes else "fail", why=why)
