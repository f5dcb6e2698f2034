"""What AWS lets one opt into in Cost Explorer's console only: hours, resources, more than 14 months.

In: what a control request gives. There is no API for it at AWS, so there is none here but the world's own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.operations import House
from sagekeeper.simulator.world import PAYER, REGIONS

OPT_INS = ("hourly", "resources", "multi_year")


def opt_in(house: House, given: dict[str, Any], at: datetime) -> None:
    """Switch on and off what is given. BadInput."""
    if not given or set(given) - set(OPT_INS) or not all(isinstance(value, bool) for value in given.values()):
        raise BadInput(f"Cost Explorer's opt-ins are {', '.join(OPT_INS)}: true or false.")
    explorer = house.world.at(PAYER, REGIONS[0]).explorer
    for name, value in given.items():
        setattr(explorer, name, value)
    house.journal.write("explorer", at, given=given)
