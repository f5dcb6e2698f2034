"""What SageMaker's neighbours cost in us-east-1, and where each rate is from. Other regions are billed at the same.

Rates with a source are those of aws-facts 5.3 and, for EC2, the on-demand prices that Karpenter's authors generated from
AWS's price list on 2026-07-20 (`bundled/ec2_on_demand.csv`). `STAND_INS` names what is in no source at hand: figures of the
right size, which say on the bill what they are for and are not AWS's.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

USD_A_SHARD_HOUR, USD_A_STREAM_HOUR, USD_A_PUT_UNIT = 0.015, 0.04, 0.014e-6
USD_A_WRITE_UNIT_HOUR, USD_A_READ_UNIT_HOUR = 0.00065, 0.00013
USD_A_WRITE, USD_A_READ, USD_A_TABLE_GIGABYTE_MONTH = 0.625e-6, 0.125e-6, 0.25
USD_A_VCPU_HOUR, USD_A_GIGABYTE_HOUR = 0.04048, 0.004445
ARM_SHARE, FARGATE_SPOT_SHARE, EC2_SPOT_SHARE = 0.80, 0.30, 0.40
USD_A_DPU_HOUR, USD_A_FLEX_DPU_HOUR = 0.44, 0.29
DPU_OF_WORKER = {
    "G.025X": 0.25,
    "G.1X": 1,
    "G.2X": 2,
    "G.4X": 4,
    "G.8X": 8,
    "G.12X": 12,
    "G.16X": 16,
    "Standard": 1,
}
USD_A_LOG_GIGABYTE, USD_A_LOG_GIGABYTE_MONTH = 0.50, 0.03
USD_A_METRIC_MONTH, USD_AN_ALARM_MONTH, USD_A_METRIC_ASKED, USD_A_COST_EXPLORER_CALL = 0.30, 0.10, 0.01e-3, 0.01
USD_AN_INVOCATION, USD_A_GB_SECOND, USD_AN_ARM_GB_SECOND = 0.20e-6, 0.0000166667, 0.0000133334
USD_A_TRANSITION = 0.025e-3
USD_S3_PUT, USD_S3_GET = 0.005e-3, 0.0004e-3
USD_S3_GIGABYTE_MONTH = {
    "STANDARD": ("TimedStorage-ByteHrs", "StandardStorage", 0.023),
    "STANDARD_IA": ("TimedStorage-SIA-ByteHrs", "StandardIAStorage", 0.0125),
    "INTELLIGENT_TIERING": ("TimedStorage-INT-FA-ByteHrs", "IntelligentTieringFAStorage", 0.023),
    "GLACIER_IR": ("TimedStorage-GIR-ByteHrs", "GlacierInstantRetrievalStorage", 0.004),
    "DEEP_ARCHIVE": ("TimedStorage-GDA-ByteHrs", "DeepArchiveStorage", 0.00099),
}
USD_A_GIGABYTE_OUT = 0.09
USD_EBS_GIGABYTE_MONTH = {"gp2": 0.10, "gp3": 0.08, "io1": 0.125, "io2": 0.125, "st1": 0.045, "sc1": 0.015}
USD_RDS_GIGABYTE_MONTH = 0.115
RDS_OVER_EC2 = 1.78
STAND_INS = (
    "FARGATE_SPOT_SHARE",
    "EC2_SPOT_SHARE",
    "USD_A_GIGABYTE_OUT",
    "USD_EBS_GIGABYTE_MONTH",
    "USD_RDS_GIGABYTE_MONTH",
    "RDS_OVER_EC2",
)
"""Spot prices move on AWS; a database instance costs this many times the EC2 instance of its size here."""


def ec2_usd_per_hour(instance_type: str) -> float | None:
    """On demand, Linux; None for a type that the table does not have."""
    return ec2_prices().get(instance_type)


def rds_usd_per_hour(instance_class: str, *, multi_az: bool) -> float | None:
    """A stand-in (`RDS_OVER_EC2`), twice that with a stand-by instance; None for a class of no known size."""
    base = ec2_usd_per_hour(instance_class.removeprefix("db."))
    return None if base is None else round(base * RDS_OVER_EC2, 4) * (2 if multi_az else 1)


@lru_cache(maxsize=1)
def ec2_prices() -> dict[str, float]:
    """By instance type."""
    with (files("sagekeeper.simulator") / "bundled" / "ec2_on_demand.csv").open(encoding="utf-8") as handle:
        return {row["instance_type"]: float(row["usd_per_hour"]) for row in csv.DictReader(handle)}
