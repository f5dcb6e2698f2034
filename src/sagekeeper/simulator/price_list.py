"""The public price list of the simulated account: every product it can bill, at the price of the price book.

In: `core.prices`' bundled book. Out: `Product`s, one per service, region and usage type, with the attributes that AWS's
Price List gives them (aws-facts section 5.1), traps included: a HyperPod row dearer than Hosting for the same type, and
fees of training plans that have neither a component nor an hourly unit. `pricing_api.py` and `price_files.py` serve it,
`savings_plans.py` discounts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from sagekeeper.core.prices import InstanceSpec, PriceBook
from sagekeeper.simulator import neighbour_list

REGIONS = {
    "us-east-1": ("USE1", "US East (N. Virginia)"),
    "us-east-2": ("USE2", "US East (Ohio)"),
    "us-west-2": ("USW2", "US West (Oregon)"),
    "eu-west-1": ("EUW1", "EU (Ireland)"),
}
"""The regions whose prices the book knows: prefix of usage types, and the name that the price list gives the region."""
PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
VERSION = PUBLISHED.strftime("%Y%m%d%H%M%S")
CLUSTER_RATIO = 25.910 / 25.251
"""HyperPod over Hosting for ml.p4d.24xlarge (aws-facts section 5.1)."""
TRAINING_PLAN_FEE = {"ml.p4d.24xlarge": 13.57}
"""One-off, per instance: cheaper than an hour of Hosting, and no hourly rate at all (aws-facts section 5.1)."""
WITH_CLUSTERS = ("p4d", "p4de", "p5", "p5e", "p5en", "trn1", "trn1n", "trn2", "g5", "g6", "g6e")


class Kind(NamedTuple):
    """How one way of running an instance shows in the price list."""

    component: str
    usage: str
    suffix: str
    words: str


KINDS = (
    Kind("Hosting", "Host:", "Hosting", "Hosting"),
    Kind("AsyncInf", "AsyncInf:", "AsyncInf", "Asynchronous Inference"),
    Kind("Training", "Train:", "Training", "Training"),
    Kind("Processing", "Processing:", "Processing", "Processing"),
    Kind("BatchTransform", "Tsform:", "BatchTransform", "BatchTransform Job"),
    Kind("Notebook", "Notebk:", "Notebook", "Notebook"),
    Kind("Studio-Notebook", "Studio:KernelGateway-", "Studio-Notebook", "Studio-Notebook"),
    Kind("studio-jupyterlab", "Studio:JupyterLab-", "studio-jupyterlab", "Studio JupyterLab"),
    Kind("studio-codeeditor", "Studio:CodeEditor-", "studio-codeeditor", "Studio CodeEditor"),
)


class Product(NamedTuple):
    """One line of the price list."""

    service: str
    family: str
    region: str
    usage_type: str
    operation: str
    unit: str
    usd: float
    description: str
    attributes: dict[str, str]

    @property
    def sku(self) -> str:
        """Sixteen letters and digits, the same every time."""
        told = f"{self.service}/{self.region}/{self.usage_type}/{self.operation}"
        return hashlib.sha256(told.encode()).hexdigest()[:16].upper()


UNITS = (
    ("AmazonSageMaker", "ML Storage", "endpoint_storage", "Host:VolumeUsage.gp2", "CreateVolume-Gp2", 1),
    ("AmazonSageMaker", "ML Storage", "training_storage", "Train:VolumeUsage.gp2", "CreateVolume-Gp2", 1),
    ("AmazonSageMaker", "ML Storage", "notebook_storage", "Notebk:VolumeUsage.gp2", "CreateVolume-Gp2", 1),
    ("AmazonSageMaker", "ML Storage", "processing_storage", "Processing:VolumeUsage.gp2", "CreateVolume-Gp2", 1),
    ("AmazonSageMaker", "ML Data Transfer", "endpoint_data", "Host:Data-Bytes-Out", "Invoke-Endpoint", 1),
    ("AmazonSageMaker", "ML Data Transfer", "endpoint_data", "Host:Data-Bytes-In", "Invoke-Endpoint", 1),
    ("AmazonS3", "Storage", "s3_standard_storage", "TimedStorage-ByteHrs", "StandardStorage", 1),
    ("AmazonS3", "API Request", "s3_put", "Requests-Tier1", "PutObject", 1000),
    ("AmazonS3", "API Request", "s3_get", "Requests-Tier2", "GetObject", 1000),
    ("AmazonCloudWatch", "Data Payload", "logs_ingestion", "DataProcessing-Bytes", "PutLogEvents", 1),
    ("AmazonCloudWatch", "API Request", "cloudwatch_getmetricdata", "CW:GMD-Metrics", "GetMetricData", 1000),
    ("AWSCostExplorer", "API Request", "cost_explorer_request", "APIRequest", "GetCostAndUsage", 1),
)
"""Service, product family, item of the price book, usage type, operation, and how many units the book's price is for."""
UNIT_NAMES = {"GB": "GB", "GB-Mo": "GB-Mo", "1k requests": "Requests", "1k metrics": "Metrics", "request": "Requests"}
SERVERLESS_GIGABYTES = (1, 2, 3, 4, 5, 6)


def products(service: str) -> list[Product]:
    """Every product of a service; empty for one that the list does not have."""
    return _catalogue().get(service, [])


def services() -> list[str]:
    """The codes of all services in the list."""
    return sorted(_catalogue())


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, list[Product]]:
    found: dict[str, list[Product]] = {}
    for product in (*_instances(), *_serverless(), *_units(), *_neighbours()):
        found.setdefault(product.service, []).append(product)
    return found


def _instances() -> Iterator[Product]:
    book = PriceBook.bundled()
    for kind in book.instance_types():
        spec = book.spec(kind)
        if spec is None:
            continue
        for region in REGIONS:
            usd = book.hourly(kind, "Hosting", region).usd
            for way in _ways(spec):
                yield _instance(spec, way, region, usd)
            if spec.family in WITH_CLUSTERS:
                yield _instance(spec, Kind("Cluster", "Cluster:", "Cluster", "Cluster"), region, usd * CLUSTER_RATIO)
            if kind in TRAINING_PLAN_FEE:
                yield _training_plan_fee(kind, region)


def _ways(spec: InstanceSpec) -> list[Kind]:
    """Hosted types are hosted and transform; those of notebooks and Studio are what may be processed on as well."""
    has = {
        "Hosting": spec.hosting,
        "AsyncInf": spec.hosting,
        "BatchTransform": spec.hosting,
        "Training": spec.training,
    }
    return [kind for kind in KINDS if has.get(kind.component, spec.processing or spec.family in ("t2", "t3"))]


def _instance(spec: InstanceSpec, way: Kind, region: str, usd: float) -> Product:
    prefix, place = REGIONS[region]
    price = round(usd, 4)
    return Product(
        "AmazonSageMaker",
        "ML Instance",
        region,
        f"{prefix}-{way.usage}{spec.instance_type}",
        "RunInstance",
        "Hrs",
        price,
        f"${price:g} per {way.words} {spec.instance_type} hour in {place}",
        {
            "servicecode": "AmazonSageMaker",
            "servicename": "Amazon SageMaker",
            "instanceName": spec.instance_type,
            "instanceType": f"{spec.instance_type}-{way.suffix}",
            "component": way.component,
            "vCpu": str(spec.vcpu),
            "memory": f"{spec.memory_mib / 1024:g} GiB",
            "gpu": str(spec.gpus) if spec.gpus else "N/A",
            "gpuMemory": f"{spec.gpus * spec.gpu_memory_mib_each / 1024:g} GiB" if spec.gpus else "N/A",
            "computeType": "Accelerated Computing" if spec.gpus or spec.accelerators else "Standard Instances",
        },
    )


def _training_plan_fee(kind: str, region: str) -> Product:
    prefix, place = REGIONS[region]
    usd = TRAINING_PLAN_FEE[kind]
    return Product(
        "AmazonSageMaker",
        "ML Training Plan",
        region,
        f"{prefix}-TrainingPlanUpfrontFee:{kind}",
        "",
        "Quantity",
        usd,
        f"${usd:g} upfront fee of a training plan for {kind} in {place}",
        {"servicecode": "AmazonSageMaker", "servicename": "Amazon SageMaker", "instanceName": kind},
    )


def _serverless() -> Iterator[Product]:
    """Seconds of serverless inference, by the memory that they hold."""
    for region, (prefix, place) in REGIONS.items():
        per_gigabyte = PriceBook.bundled().unit("serverless_compute", region).usd
        for size in SERVERLESS_GIGABYTES:
            usd = round(per_gigabyte * size, 10)
            yield Product(
                "AmazonSageMaker",
                "ML Serverless",
                region,
                f"{prefix}-ServerlessInf:Mem-{size}GB",
                "Invoke-Endpoint",
                "Seconds",
                usd,
                f"${usd:g} per second of Serverless Inference with {size}GB of memory in {place}",
                {
                    "servicecode": "AmazonSageMaker",
                    "servicename": "Amazon SageMaker",
                    "component": "Serverless Inference",
                    "memory": f"{size} GB",
                },
            )


def _units() -> Iterator[Product]:
    for service, family, item, usage, operation, per in UNITS:
        for region, (prefix, place) in REGIONS.items():
            price = PriceBook.bundled().unit(item, region)
            usd, unit = round(price.usd / per, 10), UNIT_NAMES[price.unit]
            # Older services write no region before the usage types of us-east-1 (aws-facts section 1).
            bare = service != "AmazonSageMaker" and region == "us-east-1"
            yield Product(
                service,
                family,
                region,
                usage if bare else f"{prefix}-{usage}",
                operation,
                unit,
                usd,
                f"${usd:g} per {unit} of {usage} in {place}",
                {"servicecode": service},
            )


def _neighbours() -> Iterator[Product]:
    """Of us-east-1 only: the other regions' prices are not at hand."""
    region = "us-east-1"
    place = REGIONS[region][1]
    for row in neighbour_list.rows():
        instance = row.attributes.get("instanceType")
        what = f"On Demand Linux {instance} Instance Hour" if instance else f"{row.unit} of {row.usage_type}"
        words = f"${row.usd:g} per {what} in {place}" + (" (a stand-in)" if row.stand_in else "")
        told = {"servicecode": row.service} | row.attributes
        yield Product(row.service, row.family, region, row.usage_type, row.operation, row.unit, row.usd, words, told)
