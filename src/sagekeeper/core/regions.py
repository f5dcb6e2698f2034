"""What AWS calls a region on a bill: ``us-west-2`` is "US West (Oregon)".

In: nothing. Out: names of all commercial, China and GovCloud regions that the installed botocore knows; a region newer
than it has no name here. Bills and price lists write "EU (Ireland)" where botocore has "Europe (Ireland)".
"""

from __future__ import annotations

from functools import cache

import botocore.session


@cache
def region_names() -> dict[str, str]:
    """Region code -> its name."""
    partitions = botocore.session.get_session().get_data("endpoints")["partitions"]
    return {"global": "Global"} | {
        code: str(region["description"]).replace("Europe", "EU", 1)
        for partition in partitions
        for code, region in partition["regions"].items()
    }
