"""The capacity provider strategy of ECS services, which moto drops: kept on its service, and so described and billed.

In: a request that made or updated a service. As on AWS, a strategy takes the place of the launch type, and an update that
names none leaves it as it is.
"""

from __future__ import annotations

from moto.ecs.models import ecs_backends

from sagekeeper.simulator.request_counts import Asked

OPERATIONS = ("CreateService", "UpdateService")


def keep_strategy(asked: Asked) -> None:
    """Put the request's strategy onto its service."""
    strategy = asked.parameters.get("capacityProviderStrategy")
    if asked.service != "ecs" or asked.operation not in OPERATIONS or not strategy:
        return
    cluster = str(asked.parameters.get("cluster", "default")).rpartition("/")[2]
    name = str(asked.parameters.get("serviceName") or asked.parameters.get("service")).rpartition("/")[2]
    service = ecs_backends[asked.account][asked.region].services.get(f"{cluster}:{name}")
    if service is not None:
        told = [{"weight": 0, "base": 0} | dict(item) for item in strategy]
        service.__dict__ |= {"capacity_provider_strategy": told, "launch_type": None}
