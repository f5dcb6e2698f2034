"""What is looked at by the hour rather than at every change: objects in S3, items in DynamoDB, metrics, alarms, tags.

In: moto's and CloudWatch's state of an account and region. Out: what it costs from now on (`neighbours.stand`). AWS measures
stored bytes twice a day; here it is whenever the clock has come to another hour. Nothing else remembers when that was: a look
that found something new is journalled, and repeated at a restart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from moto.dynamodb.models import dynamodb_backends
from moto.resourcegroupstaggingapi.models import resourcegroupstaggingapi_backends
from moto.s3.models import s3_backends

from sagekeeper.simulator import neighbour_prices as usd
from sagekeeper.simulator.charges import CLOUDWATCH, HOURS_A_MONTH, S3
from sagekeeper.simulator.neighbour_kinds import DYNAMODB, GIGABYTE, Hourly
from sagekeeper.simulator.neighbours import stand
from sagekeeper.simulator.world import REGIONS, Standing, World


def look(world: World, now: datetime) -> bool:
    """Everywhere. Whether anything has changed since the last look."""
    changed = False
    for here in list(world.standing.values()):
        before = _stays(here)
        found = [*_items(here), *_metrics(here), *(_objects(here) if here.region == REGIONS[0] else ())]
        there = {(item.arn, item.usage_type) for item in found}
        for item in found:
            stand(here, item, now)
        for key, entry in here.work.neighbours.items():
            if entry.of == "looked at" and key not in there:
                entry.end(now)
        changed |= _learn_tags(here) | (_stays(here) != before)
    return changed


def _stays(here: Standing) -> list[tuple[int, bool]]:
    found = [entry.stays for entry in here.work.neighbours.values() if entry.of == "looked at"]
    return [(len(stays), stays[-1][1] is None) for stays in found if stays]


def _learn_tags(here: Standing) -> bool:
    """Tags of what is billed here, as the bill has them from now on; what is gone keeps its last ones. Whether any are new."""
    billed = {arn for arn, _ in here.work.neighbours if arn}
    if not billed:
        return False
    known = here.version
    backend = resourcegroupstaggingapi_backends[here.account][here.region]
    for item in backend._get_resources_generator(tag_filters=None, resource_type_filters=None):
        if item.arn in billed and here.tags.get(item.arn, {}) != item.tags:
            here.tags[item.arn] = dict(item.tags)
            here.version += 1
    return here.version != known


def _objects(here: Standing) -> Iterator[Hourly]:
    """Gigabytes of every bucket, by storage class. moto keeps buckets once for all regions."""
    for bucket in s3_backends[here.account]["aws"].buckets.values():
        sizes: dict[str, int] = defaultdict(int)
        for versions in map(bucket.keys.getlist, list(bucket.keys)):
            for key in versions:
                # A mark of a deletion takes no room.
                sizes[getattr(key, "storage_class", None) or "STANDARD"] += getattr(key, "size", 0)
        for kind, size in sizes.items():
            usage, operation, price = usd.USD_S3_GIGABYTE_MONTH.get(kind, usd.USD_S3_GIGABYTE_MONTH["STANDARD"])
            held = size / GIGABYTE / HOURS_A_MONTH
            yield Hourly(f"arn:aws:s3:::{bucket.name}", usage, operation, S3, held, price)


def _items(here: Standing) -> Iterator[Hourly]:
    for table in dynamodb_backends[here.account][here.region].tables.values():
        held = sum(item.size() for item in table.all_items()) / GIGABYTE / HOURS_A_MONTH
        price = usd.USD_A_TABLE_GIGABYTE_MONTH
        yield Hourly(table.table_arn, "TimedStorage-ByteHrs", "StandardStorage", DYNAMODB, held, price)


def _metrics(here: Standing) -> Iterator[Hourly]:
    """Metrics that clients put, and alarms; ten of each are free (`free_offers.py`)."""
    watch = here.watch
    for usage, count, price in (
        ("CW:MetricMonitorUsage", len(list(watch.store.keys())), usd.USD_A_METRIC_MONTH),
        ("CW:AlarmMonitorUsage", len(watch.alarms.alarms), usd.USD_AN_ALARM_MONTH),
    ):
        if count:
            yield Hourly("", usage, "", CLOUDWATCH, count / HOURS_A_MONTH, price)
