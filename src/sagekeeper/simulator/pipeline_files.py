"""Files that processing steps leave: the property files that later steps look into.

No program of the user's really runs. What a processing job would write is told in its environment:
``sagekeeper_files`` names documents by output and path, ``{"evaluation/evaluation.json": {"mse": 4.2}}``. A property file
that nobody wrote fails the step that asks for it, as AWS does.
"""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import s3_backends

from sagekeeper.simulator.monitor_records import read_json
from sagekeeper.simulator.pipeline_definition import Node
from sagekeeper.simulator.pipeline_values import Unresolved
from sagekeeper.simulator.world import Standing


def property_file(here: Standing, step: Node, outputs: dict[str, Any], name: str) -> Any:
    """The document of a step's property file, from where its job's output went."""
    declared = {item["PropertyFileName"]: item for item in step.given.get("PropertyFiles") or ()}
    if name not in declared:
        raise Unresolved(f"The property file '{name}' of step '{step.name}' does not exist.")
    uri = _place(outputs, declared[name]["OutputName"], declared[name]["FilePath"])
    document = read_json(here, uri)
    if document is None:
        raise Unresolved(f"ClientError: Failed to download the property file '{name}' of '{step.name}' from {uri}.")
    return document


def write_files(here: Standing, job: dict[str, Any]) -> None:
    """Put what a processing job's environment says into its outputs; buckets that are not there take nothing."""
    told = job.get("Environment", {}).get("sagekeeper_files")
    for path, document in (json.loads(told) if told else {}).items():
        output, _, file = path.partition("/")
        bucket, _, key = _place(job, output, file).removeprefix("s3://").partition("/")
        backend = s3_backends[here.account]["aws"]
        if bucket in backend.buckets:
            backend.put_object(bucket, key, json.dumps(document).encode())


def _place(job: dict[str, Any], output: str, file: str) -> str:
    for item in job.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if item["OutputName"] == output and "S3Output" in item:
            return f"{item['S3Output']['S3Uri'].rstrip('/')}/{file}"
    return ""
