"""AWS into the lake: a source is one file and one line here. Later ones read what earlier ones found."""

from __future__ import annotations

from sagekeeper.collector.aws_budgets import AWS_BUDGETS
from sagekeeper.collector.billing_exports import BILLING_EXPORTS
from sagekeeper.collector.cloudtrail import CLOUDTRAIL
from sagekeeper.collector.cloudwatch_metrics import CLOUDWATCH_METRICS
from sagekeeper.collector.cost_explorer import COST_EXPLORER
from sagekeeper.collector.data_capture import DATA_CAPTURE
from sagekeeper.collector.model_monitor import MODEL_MONITOR
from sagekeeper.collector.model_requests import MODEL_REQUESTS_SOURCE
from sagekeeper.collector.monitor_metrics import MONITOR_METRICS_SOURCE
from sagekeeper.collector.price_list import PRICE_LIST
from sagekeeper.collector.sagemaker_experiments import SAGEMAKER_EXPERIMENTS
from sagekeeper.collector.sagemaker_flows import SAGEMAKER_FLOWS
from sagekeeper.collector.sagemaker_inventory import SAGEMAKER_INVENTORY
from sagekeeper.collector.sagemaker_jobs import SAGEMAKER_JOBS
from sagekeeper.collector.source import Source

SOURCES: tuple[Source, ...] = (
    PRICE_LIST,
    COST_EXPLORER,
    BILLING_EXPORTS,
    AWS_BUDGETS,
    SAGEMAKER_INVENTORY,
    SAGEMAKER_JOBS,
    SAGEMAKER_FLOWS,
    SAGEMAKER_EXPERIMENTS,
    CLOUDTRAIL,
    CLOUDWATCH_METRICS,
    MODEL_MONITOR,
    MONITOR_METRICS_SOURCE,
    DATA_CAPTURE,
    MODEL_REQUESTS_SOURCE,
)
