"""What people's workspaces cost: notebook instances, Studio apps and space volumes, MLflow tracking servers.

Instances at the price book's hourly rates under the usage types of aws-facts 1 and 1.6 to 1.8; volumes at its rate for
notebook storage. Rates that neither the price book nor aws-facts has are stand-ins and say so. Domain EFS and Canvas
sessions have no known rate at all and are not billed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sagekeeper.simulator.charges import HOURS_A_MONTH, Run, _hourly, _span, _tags, _unit, _volume
from sagekeeper.simulator.keeping import tags_of
from sagekeeper.simulator.studio_apps import paid_until
from sagekeeper.simulator.things import spans
from sagekeeper.simulator.world import FOREVER, Standing

FREE_TYPE = "system"
UNPRICED_APPS = ("Canvas", "RStudioServerPro")
MLFLOW_USD_PER_HOUR = {"Small": 0.60, "Medium": 1.20, "Large": 2.40}
"""Stand-ins: the price list's figures are not among the facts at hand."""


def runs(here: Standing) -> Iterator[Run]:
    """Everything of `Workspaces` that is paid for while it runs or stands."""
    for name, item in here.notebooks.items():
        yield from _notebook(here, item, here.notebook_runs.get(name, []))
    for item, past in here.work.past_notebooks:
        yield from _notebook(here, item, past)
    yield from _studio(here)
    yield from _mlflow(here)


def _notebook(here: Standing, item: dict[str, Any], ran: list[tuple[datetime, datetime | None]]) -> Iterator[Run]:
    arn, gone = item["NotebookInstanceArn"], item.get("x_deleted", FOREVER)
    tags, begun = _tags(here, arn), item["CreationTime"]
    for until, kind, size in [*item.get("x_was", []), (gone, item["InstanceType"], item["VolumeSizeInGB"])]:
        price = _hourly(kind, "Notebook", here.region)
        for start, stop in ran:
            if max(start, begun) < min(stop or FOREVER, until):
                span = _span(max(start, begun), min(stop or FOREVER, until))
                yield Run(*span, f"Notebk:{kind}", "RunInstance", arn, tags, 1, price)
        span = _span(begun, until)
        yield _volume("Notebk:VolumeUsage.gp2", "notebook_storage", size, span, arn, tags, here.region)
        begun = until


def _studio(here: Standing) -> Iterator[Run]:
    for app in here.work.apps.ever():
        kind, app_type = app.about["ResourceSpec"]["InstanceType"], app.key[2]
        if kind == FREE_TYPE or app_type in UNPRICED_APPS:
            continue
        tags, span = json.dumps(tags_of(here, app)), _span(app.runs[0][0], paid_until(app))
        price = _hourly(kind, "Notebook", here.region)
        yield Run(*span, f"Studio:{app_type}-{kind}", "RunInstance", app.arn, tags, 1, price)
    for space in here.work.spaces.ever():
        tags, rate = json.dumps(tags_of(here, space)), _unit("notebook_storage", here.region)
        for start, stop, about in space.stays():
            size = about["x_volume_gb"] / HOURS_A_MONTH
            usage = "Studio:VolumeUsage.gp3"
            yield Run(*_span(start, stop), usage, "CreateVolume-Gp3", space.arn, tags, size, rate)


def _mlflow(here: Standing) -> Iterator[Run]:
    for server in here.work.mlflow_servers.ever():
        tags = json.dumps(tags_of(here, server))
        for start, stop, about in spans(server):
            size = about["TrackingServerSize"]
            usage, price = f"MLflow:TrackingServer-{size}", MLFLOW_USD_PER_HOUR[size]
            yield Run(*_span(start, stop), usage, "RunTrackingServer", server.arn, tags, 1, price)
