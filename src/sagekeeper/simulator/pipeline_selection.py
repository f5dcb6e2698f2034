"""Selective executions: only the chosen steps run, with what other steps gave in an earlier execution.

In: a new execution whose request has a SelectiveExecutionConfig. Out: its chosen steps, and steps that count as done
because their results are taken from the source, the latest execution when none is named.
"""

from __future__ import annotations

from dataclasses import replace

from sagekeeper.simulator.flow_book import Execution, FlowBook
from sagekeeper.simulator.operations import Refused
from sagekeeper.simulator.pipeline_definition import parsed


def selected(book: FlowBook, execution: Execution) -> None:
    """Prepare the execution for what it selects; refuse steps and sources that are not there."""
    config = execution.about.get("SelectiveExecutionConfig")
    if config is None:
        return
    nodes = parsed(execution.version.definition).nodes
    chosen = frozenset(item["StepName"] for item in config["SelectedSteps"])
    unknown = sorted(chosen - set(nodes))
    if unknown:
        raise Refused("ValidationException", f"Selected steps {unknown} are not in the pipeline.")
    execution.selected = chosen
    needed = {name for step in chosen for name in nodes[step].waits_for} - chosen
    earlier = [item for item in book.executions.values() if item.pipeline is execution.pipeline]
    source = next((item for item in earlier if item.arn == config.get("SourcePipelineExecutionArn")), None)
    if "SourcePipelineExecutionArn" not in config and earlier:
        source = max(earlier, key=lambda item: item.created)
    if needed and source is None:
        raise Refused("ValidationException", "There is no source pipeline execution to take results from.")
    if source is not None:
        if not source.over:
            raise Refused("ValidationException", f"The source pipeline execution {source.arn} has not ended.")
        execution.about["SelectiveExecutionConfig"] = config | {"SourcePipelineExecutionArn": source.arn}
    for name in sorted(needed):
        run = source.steps.get(name) if source else None
        if source is None or run is None or run.status != "Succeeded":
            raise Refused("ValidationException", f"Step '{name}' has not succeeded in the source pipeline execution.")
        execution.steps[name] = replace(
            run, begun=execution.created, ended=execution.created, reused_from=source.arn, cached_from="", attempts=0
        )
