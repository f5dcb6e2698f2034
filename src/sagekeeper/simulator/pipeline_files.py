"""Files that processing steps leave: the property files that later steps look into.

No program of the user's really runs; those of a world's own do (`World.programs`). What another processing job would write
is told in its environment: ``sagekeeper_files`` names documents by output and path,
``{"evaluation/evaluation.json": {"mse": 4.2}}``. A property file that nobody wrote fails the step that asks for it, as AWS
does.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from moto.s3.models import s3_backends

from sagekeeper.simulator.monitor_records import read_json
from sagekeeper.simulator.pipeline_definition import Node
from sagekeeper.simulator.pipeline_values import Unresolved
from sagekeeper.simulator.world import Standing, World


def property_file(here: Standing, step: Node, outputs: dict[str, Any], name: str) -> Any:
    """The document of a step's property file, from where its job's output went."""
    declared = {item["PropertyFileName"]: item for item in step.given.get("PropertyFiles") or ()}
    if name not in declared:
        raise Unresolved(f"The property file '{name}' of step '{step.name}' does not exist.")
    uri = output_place(outputs, declared[name]["OutputName"], declared[name]["FilePath"])
    document = read_json(here, uri)
    if document is None:
        raise Unresolved(f"ClientError: Failed to download the property file '{name}' of '{step.name}' from {uri}.")
    return document


def write_files(here: Standing, job: dict[str, Any]) -> None:
    """Put what a processing job's environment says into its outputs; buckets that are not there take nothing."""
    told = job.get("Environment", {}).get("sagekeeper_files")
    for path, document in (json.loads(told) if told else {}).items():
        output, _, file = path.partition("/")
        bucket, _, key = output_place(job, output, file).removeprefix("s3://").partition("/")
        backend = s3_backends[here.account]["aws"]
        if bucket in backend.buckets:
            backend.put_object(bucket, key, json.dumps(document).encode())


def run_program(world: World, here: Standing, job: dict[str, Any], at: datetime) -> None:
    """Let a processing job do what its program does, if the program is one of the world's own."""
    entry = job.get("AppSpecification", {}).get("ContainerEntrypoint") or [""]
    program = world.programs.get(str(entry[-1]).rsplit("/", 1)[-1])
    if program is not None:
        program(here, job, at)


def output_place(job: dict[str, Any], output: str, file: str) -> str:
    """The S3 address of a file of one of the job's outputs; empty where there is no such output."""
    for item in job.get("ProcessingOutputConfig", {}).get("Outputs", []):
        if item["OutputName"] == output and "S3Output" in item:
            return f"{item['S3Output']['S3Uri'].rstrip('/')}/{file}"
    return ""
