"""EC2's spot price history: what spot instances cost on the account's bill, where moto has a thousandth of a cent of 2006.

In: instance types, zones, products, a span of time. Out: a price a day and zone, newest first, in pages. The price is the
meter's share of the on-demand price (`neighbour_prices.EC2_SPOT_SHARE`, a stand-in), the same every day: a price that moved
would have to move on the bill. AWS keeps 90 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import moto.core.utils
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from sagekeeper.simulator import neighbour_prices as usd

PRODUCTS = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
KEPT, MOST = timedelta(days=90), 1000


def give_spot_prices() -> None:
    """Put the operation into moto's place."""
    EC2Response.describe_spot_price_history = _history  # type: ignore[method-assign, assignment]


def _history(response: Any) -> ActionResult:
    now = moto.core.utils.utcnow().replace(tzinfo=UTC)
    until = min(_moment(response._get_param("EndTime"), now), now)
    since = max(_moment(response._get_param("StartTime"), until), now - KEPT)
    wanted = response._get_param("ProductDescriptions", []) or list(PRODUCTS)
    offers = response.ec2_backend.describe_spot_price_history(
        response._get_param("InstanceTypes", []), response._filters_from_querystring()
    )
    zone = response._get_param("AvailabilityZone")
    rows = [
        {
            "InstanceType": offer["InstanceType"],
            "ProductDescription": product,
            "SpotPrice": f"{usd.ec2_prices()[offer['InstanceType']] * usd.EC2_SPOT_SHARE:.6f}",
            "AvailabilityZone": offer["Location"],
            "Timestamp": day,
        }
        for day in _days(since, until)
        for offer in offers
        if offer["InstanceType"] in usd.ec2_prices() and zone in (None, offer["Location"])
        for product in PRODUCTS[:1]
        if set(wanted) & set(PRODUCTS)
    ]
    token, size = str(response._get_param("NextToken") or "0"), int(response._get_param("MaxResults") or MOST)
    if not token.isdigit():
        raise ServiceException("InvalidNextToken", "The token is not valid.")
    start = int(token)
    more = str(start + size) if start + size < len(rows) else ""
    return ActionResult({"SpotPriceHistory": rows[start : start + size], "NextToken": more})


def _days(since: datetime, until: datetime) -> Iterator[datetime]:
    """The price in force at ``since``, and each day's after it; newest first."""
    day = until.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        yield day
        if day <= since:
            return
        day -= timedelta(days=1)


def _moment(given: Any, otherwise: datetime) -> datetime:
    if given is None:
        return otherwise
    read = given if isinstance(given, datetime) else datetime.fromisoformat(str(given).replace("Z", "+00:00"))
    return read if read.tzinfo else read.replace(tzinfo=UTC)
