"""Monitor as Model Monitor does, without it: baseline and monitor-job, which write its documents."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import boto3
import typer

from sagekeeper.collector.capture_window import fetched
from sagekeeper.collector.labelled_records import labelled
from sagekeeper.collector.source import aws_errors
from sagekeeper.core.errors import BadInput
from sagekeeper.core.settings import load_settings
from sagekeeper.lifecycle.publish_monitor_metrics import publish
from sagekeeper.service.console import JsonOption, Output
from sagekeeper.service.house import clock_of
from sagekeeper.service.monitoring_files import of_answers, of_records
from sagekeeper.service.monitoring_job import NAMELESS, NAMES, contract, read_table, run


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command()(baseline)
    app.command("monitor-job")(monitor_job)


def baseline(
    data: Annotated[Path, typer.Option("--in", help="parquet or csv, a row per record", metavar="FILE")],
    out_dir: Annotated[
        Path, typer.Option("--out", help="where statistics.json and constraints.json go", metavar="DIR")
    ],
    label: Annotated[str | None, typer.Option(help="column of the labels: a baseline of model quality instead")] = None,
    prediction: Annotated[str, typer.Option(help="column of the predictions, with --label")] = "prediction",
    score: Annotated[str, typer.Option(help="column of the probability of --positive, with --label")] = "score",
    positive: Annotated[str, typer.Option(help="the class that is yes, with --label")] = "1",
    as_json: JsonOption = False,
) -> None:
    """Suggest a baseline that Model Monitor, and monitor-job, can compare later data with."""
    out = Output(as_json)
    if label is None:
        made = of_records(read_table(data))
    else:
        names = NAMES | {"label": label, "prediction": prediction, "score": score}
        made = of_answers(labelled(data, None, names).rows, None, positive)
    written = made.write(out_dir)
    out.say(f"{' and '.join(path.name for path in written)} of {data} are in {out_dir}.")
    out.give({"files": [str(path) for path in written]})


def monitor_job(
    root: Annotated[Path, typer.Option(help="the file system that /opt/ml is in", metavar="DIR")] = Path("/"),
    captures: Annotated[
        str | None,
        typer.Option(
            help="read the captures of the last full hours from here, instead of a mounted folder", metavar="S3"
        ),
    ] = None,
    hours: Annotated[int, typer.Option(min=1, max=720, help="how many hours, with --captures")] = 1,
    publish_metrics: Annotated[
        bool,
        typer.Option(
            "--publish", help="also write metrics to CloudWatch, under Model Monitor's names; they cost money"
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Monitor once, as the program of a SageMaker Processing job with the /opt/ml/processing layout."""
    out, now = Output(as_json), clock_of(load_settings())()
    job = contract(os.environ, root)
    if publish_metrics and job.endpoint is None and job.schedule == NAMELESS:
        names = "sagemaker_endpoint_name or sagemaker_monitoring_schedule_name"
        raise BadInput(f"--publish needs {names} in the environment: whose metrics would they be?")
    with tempfile.TemporaryDirectory() as folder:
        if captures is not None:
            with aws_errors(f"Captures in {captures}"):
                fetched(boto3.client("s3"), captures, now, hours, Path(folder))
            job = replace(job, data=Path(folder))
        made, message = run(job)
    put = 0
    if publish_metrics:
        with aws_errors("The files are written, but the metrics are not in CloudWatch"):
            put = publish(boto3.client("cloudwatch"), made.points, made.what, job.endpoint, job.schedule, now)
    out.say(message)
    if put:
        out.say(f"{put} metrics were written to CloudWatch.")
    files = [str(job.output / name) for name in made.files]
    out.give({"message": message, "violations": made.violations, "files": files, "metrics": put})
