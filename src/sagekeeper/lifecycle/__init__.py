"""Change AWS safely: plan, approve, apply exactly once, watch, roll back, undo, and measure the saving on the bill.

The only place that writes to AWS. A new kind of change is one file with an `Actuator` and one line in ``ACTUATORS``.
"""

from sagekeeper.lifecycle import delete_endpoint, update_endpoint
from sagekeeper.lifecycle.actuator import Actuator

ACTUATORS: tuple[Actuator, ...] = (
    delete_endpoint.ACTUATOR,
    update_endpoint.ACTUATOR,
)

__all__ = ["ACTUATORS", "Actuator"]
