"""What stands until somebody ends it: endpoints and notebook instances, by the hour, around the clock.

In: the parameters of CreateEndpointConfig (with RegisterScalableTarget requests beside it), CreateEndpoint, UpdateEndpoint or
CreateNotebookInstance. Out: a `Work` whose uses have no hours: what a month costs, and the rest of this one, is the pricing's
business. Low and high are what scaling may make of it. Requests of a serverless endpoint are not known: at best none comes,
at most it is busy all the time. Data in and out is not counted, and said so.
"""

from __future__ import annotations

from typing import Any

from sagekeeper.analyzers.launch import Range, Reading, Use, Work

Scaling = dict[tuple[str, str], tuple[float, float]]
"""(endpoint, variant) -> the fewest and the most instances that Application Auto Scaling may set."""
NOT_COUNTED = "Data in and out of the endpoint is not counted."


def scaling_of(documents: list[dict[str, Any]]) -> Scaling:
    """Limits of the RegisterScalableTarget requests among ``documents``."""
    found: Scaling = {}
    for item in documents:
        parts = str(item.get("ResourceId", "")).split("/")
        least, most = item.get("MinCapacity"), item.get("MaxCapacity")
        if len(parts) == 4 and isinstance(least, int) and isinstance(most, int):
            found[parts[1], parts[3]] = (float(least), float(most))
    return found


def endpoint_config(document: dict[str, Any], endpoint: str, scaling: Scaling) -> Work:
    """CreateEndpointConfig, as the endpoint ``endpoint`` (may be empty: not known yet) will run it."""
    reading = Reading()
    name = str(document.get("EndpointConfigName") or "")
    head = "AsyncInf" if document.get("AsyncInferenceConfig") else "Host"
    uses: list[Use] = []
    for key in ("ProductionVariants", "ShadowProductionVariants"):
        for variant in reading.parts(document, key):
            limits = _limits(reading, variant, endpoint, scaling)
            if variant.get("ServerlessConfig"):
                uses += _serverless(reading, reading.part(variant, "ServerlessConfig"))
            else:
                uses += _machines(reading, variant, head, limits)
    if not uses and not reading.unknown:
        reading.unknown.append("what it runs on: no variant is given")
    if uses:
        reading.notes.append(NOT_COUNTED)
    return reading.work("endpoint_config", endpoint or name, uses, document)


def notebook(document: dict[str, Any]) -> Work:
    """CreateNotebookInstance: on until it is stopped; its volume costs until it is deleted."""
    reading = Reading()
    machine = reading.text(document, "InstanceType")
    size = reading.number(document, "VolumeSizeInGB", 5.0)
    uses = []
    if machine is None:
        reading.unknown.append("which machine it is: no InstanceType is given")
    else:
        told = "on around the clock; low: stopped at once"
        uses.append(Use(f"Notebk:{machine}", Range(0.0, 1.0, 1.0), None, told))
    if size is not None:
        uses.append(Use("Notebk:VolumeUsage.gp2", Range.of(size), None, "its volume, also while it is stopped"))
    return reading.work("notebook_instance", str(document.get("NotebookInstanceName") or ""), uses, document)


def _limits(reading: Reading, variant: dict[str, Any], endpoint: str, scaling: Scaling) -> tuple[float, float] | None:
    managed = reading.part(variant, "ManagedInstanceScaling")
    if managed.get("Status") == "ENABLED" and "MaxInstanceCount" in managed:
        least, most = reading.number(managed, "MinInstanceCount", 1.0), reading.number(managed, "MaxInstanceCount")
        return None if least is None or most is None else (least, most)
    name = str(variant.get("VariantName"))
    own = scaling.get((endpoint, name))
    if own is None and not endpoint:
        same = [limits for (_, other), limits in scaling.items() if other == name]
        own = same[0] if len(same) == 1 else None
    return own


def _machines(reading: Reading, variant: dict[str, Any], head: str, limits: tuple[float, float] | None) -> list[Use]:
    machine = reading.text(variant, "InstanceType")
    count = reading.number(variant, "InitialInstanceCount", 1.0)
    if machine is None or count is None:
        if machine is None:
            reading.unknown.append(f"which machines variant {variant.get('VariantName')} runs on: no InstanceType")
        return []
    name = variant.get("VariantName")
    if limits is None:
        size, told = Range.of(count), f"variant {name}: {count:g} around the clock, no scaling is given"
    else:
        least, most = limits
        size = Range(min(least, count), count, max(most, count))
        told = f"variant {name}: starts with {count:g}, scales between {least:g} and {most:g}"
    uses = [Use(f"{head}:{machine}", size, None, told)]
    volume = reading.number(variant, "VolumeSizeInGB")
    if volume:
        uses.append(Use(f"{head}:VolumeUsage.gp2", size * volume, None, told))
    return uses


def _serverless(reading: Reading, config: dict[str, Any]) -> list[Use]:
    memory = reading.number(config, "MemorySizeInMB")
    most = reading.number(config, "MaxConcurrency")
    if memory is None or most is None:
        reading.unknown.append("its serverless memory and concurrency are not both given")
        return []
    gigabytes = int(memory // 1024)
    if config.get("ProvisionedConcurrency"):
        reading.unknown.append("what provisioned concurrency costs: the price book has no price for it")
    reading.open.append("how many requests a serverless endpoint gets: only the ceiling, busy all the time, is known")
    told = f"serverless: from no request to {most:g} at once, all the time"
    return [Use(f"ServerlessInf:Mem-{gigabytes}GB", Range(0.0, 0.0, most * 3600), None, told)]
