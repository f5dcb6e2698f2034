"""Is an endpoint still what its plan saw? Asked right before the first call, and again before an undo.

Global gate of the rule book: re-read the state and compare it with the plan right before applying; no change in progress.
"""

from __future__ import annotations

from sagekeeper.core.errors import PlanRefused
from sagekeeper.core.types import Plan
from sagekeeper.lifecycle.actuator import Reads
from sagekeeper.lifecycle.snapshot import describe_endpoint

IDENTITY = {
    "CreationTime": "was created",
    "EndpointConfigName": "has configuration",
    "LastModifiedTime": "was last changed",
}


def refuse_if_changed(plan: Plan, reads: Reads) -> None:
    """Raise PlanRefused when the endpoint is gone, busy, or not the one the plan was made for."""
    planned = plan.snapshot["endpoint"]
    name = planned["EndpointName"]
    found = describe_endpoint(reads, name)
    if found is None:
        raise PlanRefused(f"Endpoint {name} is gone since the plan was made. Nothing was changed.")
    for key, words in IDENTITY.items():
        if found[key] != planned[key]:
            raise PlanRefused(
                f"Endpoint {name} {words} {found[key]}, the plan saw {planned[key]}: somebody changed it since. "
                "Nothing was changed. Collect and look at the recommendation again."
            )
    if found["EndpointStatus"] != "InService":
        raise PlanRefused(
            f"Endpoint {name} is {found['EndpointStatus']}, not InService. Nothing was changed. Ask again later."
        )
