"""SageMaker Pipelines: made, updated, described, listed and deleted, with a version per definition.

A definition is checked when it is uploaded (`pipeline_definition.py`); `pipeline_executions.py` runs it.
"""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import s3_backends

from sagekeeper.simulator.flow_book import Pipeline, Version
from sagekeeper.simulator.keeping import picked
from sagekeeper.simulator.listing import FIRST_PAGE
from sagekeeper.simulator.operations import Ask, Handler, Refused, page
from sagekeeper.simulator.pipeline_definition import parsed
from sagekeeper.simulator.sagemaker_models import tag

ABOUT = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")


def create_pipeline(ask: Ask) -> dict[str, Any]:
    """A pipeline with the first version of its definition. The same token again is the same request."""
    name, book = ask.params["PipelineName"], ask.here.flows
    arn = ask.here.arn("pipeline", name)
    if book.tokens.get(ask.params["ClientRequestToken"]) == arn and name in book.pipelines:
        return {"PipelineArn": arn}
    if name in book.pipelines:
        raise Refused(
            "ValidationException",
            "Pipeline names must be unique within an AWS account and region. Pipeline with name "
            f"({name}) already exists.",
        )
    definition = _definition(ask)
    if definition is None:
        raise Refused("ValidationException", "Either PipelineDefinition or PipelineDefinitionS3Location is required.")
    about = {"PipelineDisplayName": name} | picked(ask.params, *ABOUT)
    first = Version(1, definition, ask.now, "Version 1", aliases=list(ask.params.get("PipelineVersionAliases", [])))
    book.pipelines[name] = Pipeline(name, arn, ask.now, ask.now, about, [first])
    book.tokens[ask.params["ClientRequestToken"]] = arn
    tag(ask, arn)
    return {"PipelineArn": arn}


def update_pipeline(ask: Ask) -> dict[str, Any]:
    """What the request names is replaced; another definition is another version."""
    pipeline = pipeline_of(ask)
    definition = _definition(ask)
    if definition is not None and definition != pipeline.versions[-1].definition:
        number = pipeline.versions[-1].number + 1
        pipeline.versions.append(Version(number, definition, ask.now, f"Version {number}"))
    _alias(pipeline, pipeline.versions[-1], ask.params.get("PipelineVersionAliases", []))
    pipeline.about |= picked(ask.params, *ABOUT)
    pipeline.modified = ask.now
    return {"PipelineArn": pipeline.arn, "PipelineVersionId": pipeline.versions[-1].number}


def describe_pipeline(ask: Ask) -> dict[str, Any]:
    pipeline = pipeline_of(ask)
    version = version_of(pipeline, ask.params)
    found = full(pipeline) | {
        "PipelineDefinition": version.definition,
        "PipelineVersionDisplayName": version.display,
    }
    if version.description:
        found["PipelineVersionDescription"] = version.description
    return found | ({"PipelineVersionAliases": version.aliases} if version.aliases else {})


def list_pipelines(ask: Ask) -> dict[str, Any]:
    params = ask.params
    rows = [
        pipeline
        for pipeline in ask.here.flows.pipelines.values()
        if pipeline.name.startswith(params.get("PipelineNamePrefix", ""))
        and ("CreatedAfter" not in params or pipeline.created > params["CreatedAfter"])
        and ("CreatedBefore" not in params or pipeline.created < params["CreatedBefore"])
        and params.get("ManagedBy") != "AWS"
    ]
    descending = params.get("SortOrder", "Descending") == "Descending"
    by_name = params.get("SortBy") == "Name"
    rows.sort(key=lambda row: row.name, reverse=descending and by_name)
    if not by_name:
        rows.sort(key=lambda row: row.created, reverse=descending)
    part, more = page(rows, {"MaxResults": FIRST_PAGE} | params)
    return {"PipelineSummaries": [_summary(pipeline) for pipeline in part]} | more


def delete_pipeline(ask: Ask) -> dict[str, Any]:
    """Its executions go with it; one that runs keeps it."""
    pipeline = pipeline_of(ask)
    book = ask.here.flows
    running = [item.arn for item in book.active.values() if item.pipeline is pipeline]
    if running:
        raise Refused(
            "ConflictException", f"Pipeline {pipeline.arn} has running executions: {', '.join(sorted(running))}."
        )
    for arn in [arn for arn, item in book.executions.items() if item.pipeline is pipeline]:
        del book.executions[arn]
    del book.pipelines[pipeline.name]
    ask.here.tags.pop(pipeline.arn, None)
    return {"PipelineArn": pipeline.arn}


def list_pipeline_versions(ask: Ask) -> dict[str, Any]:
    pipeline, params = pipeline_of(ask), ask.params
    rows = [
        version
        for version in pipeline.versions
        if ("CreatedAfter" not in params or version.created > params["CreatedAfter"])
        and ("CreatedBefore" not in params or version.created < params["CreatedBefore"])
    ]
    rows.sort(key=lambda row: row.number, reverse=params.get("SortOrder", "Descending") == "Descending")
    part, more = page(rows, {"MaxResults": FIRST_PAGE} | params)
    return {"PipelineVersionSummaries": [_version(pipeline, version) for version in part]} | more


def update_pipeline_version(ask: Ask) -> dict[str, Any]:
    params = ask.params
    name = params["PipelineArn"].rpartition("/")[2]
    pipeline = find_pipeline(ask, name)
    version = version_of(pipeline, params)
    version.display = params.get("PipelineVersionDisplayName", version.display)
    version.description = params.get("PipelineVersionDescription", version.description)
    changes = params.get("PipelineVersionAliasOperations", {})
    version.aliases = [alias for alias in version.aliases if alias not in changes.get("Remove", [])]
    _alias(pipeline, version, changes.get("Add", []))
    return {"PipelineArn": pipeline.arn, "PipelineVersionId": version.number}


def pipeline_of(ask: Ask) -> Pipeline:
    """The pipeline that the request names or gives the ARN of."""
    return find_pipeline(ask, ask.params["PipelineName"].rpartition("/")[2])


def find_pipeline(ask: Ask, name: str) -> Pipeline:
    """The pipeline of that name, or AWS's refusal."""
    if name not in ask.here.flows.pipelines:
        raise Refused("ResourceNotFound", f"Pipeline '{ask.here.arn('pipeline', name)}' does not exist.")
    return ask.here.flows.pipelines[name]


def version_of(pipeline: Pipeline, params: dict[str, Any]) -> Version:
    """The version that a request means: by number, by alias, or the latest."""
    number, alias = params.get("PipelineVersionId"), params.get("PipelineVersionAlias")
    if number is None and alias is None:
        return pipeline.versions[-1]
    for version in pipeline.versions:
        if version.number == number or (number is None and alias in version.aliases):
            return version
    raise Refused("ResourceNotFound", f"Pipeline version '{number or alias}' of '{pipeline.arn}' does not exist.")


def full(pipeline: Pipeline) -> dict[str, Any]:
    """Its record without the definition, as DescribePipeline and Search show it."""
    who: dict[str, Any] = {}
    found = {
        "PipelineArn": pipeline.arn,
        "PipelineName": pipeline.name,
        "PipelineStatus": "Active",
        "CreationTime": pipeline.created,
        "LastModifiedTime": pipeline.modified,
        "CreatedBy": who,
        "LastModifiedBy": who,
    }
    return found | pipeline.about | ({"LastRunTime": pipeline.last_run} if pipeline.last_run else {})


def _summary(pipeline: Pipeline) -> dict[str, Any]:
    found = {
        "PipelineArn": pipeline.arn,
        "PipelineName": pipeline.name,
        "CreationTime": pipeline.created,
        "LastModifiedTime": pipeline.modified,
    } | picked(pipeline.about, "PipelineDisplayName", "PipelineDescription", "RoleArn")
    return found | ({"LastExecutionTime": pipeline.last_run} if pipeline.last_run else {})


def _version(pipeline: Pipeline, version: Version) -> dict[str, Any]:
    found: dict[str, Any] = {
        "PipelineArn": pipeline.arn,
        "PipelineVersionId": version.number,
        "CreationTime": version.created,
        "PipelineVersionDisplayName": version.display,
        "PipelineVersionDescription": version.description,
        "LastExecutionPipelineExecutionArn": version.last_execution,
        "PipelineVersionAliases": version.aliases,
    }
    return {key: value for key, value in found.items() if value}


def _alias(pipeline: Pipeline, version: Version, aliases: list[str]) -> None:
    """An alias points to one version: it leaves the one that had it."""
    for other in pipeline.versions:
        other.aliases = [alias for alias in other.aliases if alias not in aliases]
    version.aliases += aliases


def _definition(ask: Ask) -> str | None:
    params = ask.params
    if "PipelineDefinition" in params and "PipelineDefinitionS3Location" in params:
        raise Refused(
            "ValidationException", "Only one of PipelineDefinition and PipelineDefinitionS3Location can be specified."
        )
    text = params.get("PipelineDefinition")
    if "PipelineDefinitionS3Location" in params:
        text = _from_s3(ask, params["PipelineDefinitionS3Location"])
    if text is None:
        return None
    parsed(text)
    return json.dumps(json.loads(text))


def _from_s3(ask: Ask, place: dict[str, str]) -> str:
    backend = s3_backends[ask.account]["aws"]
    there = backend.buckets.get(place["Bucket"])
    found = (
        backend.get_object(place["Bucket"], place["ObjectKey"], version_id=place.get("VersionId")) if there else None
    )
    if found is None:
        raise Refused(
            "ValidationException", f"Pipeline definition not found at s3://{place['Bucket']}/{place['ObjectKey']}."
        )
    return bytes(found.value).decode()


HANDLERS: dict[str, Handler] = {
    "CreatePipeline": create_pipeline,
    "UpdatePipeline": update_pipeline,
    "DescribePipeline": describe_pipeline,
    "ListPipelines": list_pipelines,
    "DeletePipeline": delete_pipeline,
    "ListPipelineVersions": list_pipeline_versions,
    "UpdatePipelineVersion": update_pipeline_version,
}
MUTATING = {name for name in HANDLERS if name.startswith(("Create", "Update", "Delete"))}
