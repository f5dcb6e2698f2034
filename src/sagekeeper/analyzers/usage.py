"""What a bill line pays for: the grammar of usage types, and of a line's own words where its usage type does not say.

In: lines with service, usage type, description and charge category. Out: the same with ``usage_family`` (what people look at),
``component`` and ``machine`` (what ran: `Host`, `ml.m5.xlarge`; null where nothing runs). A usage type is
``<region prefix>-<component>:<what of it>``; a family is found by the first rule that fits. What no rule fits is UNKNOWN: it
keeps its amount and is shown as such.

Sources: aws-facts section 1; AWS's table of usage types with free usage (Billing user guide, "Services with usage types");
``platoinstancetype`` of SageMaker's price list; the published bill of aws-samples/sagemaker-ssh-helper for descriptions.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

UNKNOWN = "unattributed"
VOLUME = "VolumeUsage"
PREFIX = r"(?i)^(?:[A-Z]{2,4}\d?-)?"
"""USE1-, USW2-, EU- (Ireland), EUC1-, APN1- ..., or none, as older lines of us-east-1."""
KEY = ("service", "usage_type", "description", "charge_category")


class Rule(NamedTuple):
    """A usage type that fits ``form`` (after the region's prefix, up to a separator) is of ``family``."""

    family: str
    form: str
    component: str | None = None


SAGEMAKER: tuple[Rule, ...] = (
    Rule("endpoint_data", r"(?:\w+:)?Data-Bytes-(?:In|Out)"),  # Hst:Data-Bytes-Out, also of serverless endpoints
    Rule("hosting", r"Host(?:ing)?", "Host"),
    Rule("async_inference", "AsyncInf", "AsyncInf"),
    Rule("serverless", "ServerlessInf", "ServerlessInf"),
    Rule("warm_pool", r"(?:Train(?:ing)?[:_-]?)?WarmPool", "WarmPool"),
    Rule("training_plan", r"TrainingPlan\w*"),
    # Managed spot is fewer billable hours under the same usage type; a Spot in front would be the same work.
    Rule("training", r"(?:Spot)?Train(?:ing)?", "Train"),
    Rule("data_wrangler", r"DataWrangler|Processing[_-]DW|Studio:DataWrangler"),
    Rule("processing", "Processing", "Processing"),
    Rule("transform", r"Tsform|BatchTransform", "Tsform"),
    Rule("notebook", r"Notebk|Notebook", "Notebk"),
    Rule(
        "studio", r"Studio|TensorBoard", "Studio"
    ),  # JupyterLab, CodeEditor, KernelGateway, JupyterServer, volumes of spaces
    Rule("rstudio", "RStudio"),
    Rule("canvas", "Canvas"),
    Rule("mlflow", "MLflow"),
    Rule("feature_store", "FeatureStore"),
    Rule("cluster", r"(?:Reserved)?Cluster", "Cluster"),  # HyperPod
    Rule("inference_recommender", r"Inf(?:erence)?Rec\w*"),
    Rule("autopilot", r"Autopilot\w*"),
    Rule("geospatial", "Geospatial"),
    Rule("labeling", r"LabeledObject|GroundTruth\w*|A2I\w*"),
    Rule("debugger", r"Debugger\w*"),
    Rule("model_monitor", r"(?:Free|Model)Monitor\w*"),
    Rule("edge", r"Edge\w*"),
)
TOLD: tuple[Rule, ...] = (
    Rule("endpoint_data", r"\bData (?:IN|OUT)\b"),
    Rule("debugger", "Debugger"),
    Rule("warm_pool", "Warm Pool", "WarmPool"),
    Rule("training_plan", "Training Plan"),
    Rule("rstudio", "RStudio"),
    Rule("canvas", "Canvas"),
    Rule("data_wrangler", "Data Wrangler"),
    Rule("feature_store", "Feature ?Store"),
    Rule("mlflow", "MLflow"),
    Rule("cluster", r"HyperPod|\bCluster\b", "Cluster"),
    Rule("inference_recommender", "Inference Recommender"),
    Rule("studio", "Studio", "Studio"),
    Rule("notebook", "Notebook", "Notebk"),
    Rule("transform", r"Batch ?Transform", "Tsform"),
    Rule("processing", "Processing", "Processing"),
    Rule("training", r"\bTrain(?:ing)?\b", "Train"),
    Rule("async_inference", r"\bAsync", "AsyncInf"),
    Rule("serverless", "Serverless", "ServerlessInf"),
    Rule("hosting", r"Hosting|Endpoint", "Host"),
)
"""What SageMaker's lines say of themselves. A warm pool is told from training by these words alone on some bills."""
AROUND: tuple[Rule, ...] = (
    Rule("commitment", r"Savings ?Plans?"),
    Rule("s3", r"Simple Storage Service|AmazonS3|^S3$"),
    Rule("databrew", "DataBrew"),
    Rule("glue", r"\bGlue|AWSGlue"),
    Rule("kinesis", r"Kinesis|Data Firehose"),
    Rule("lambda", r"Lambda$"),
    Rule("ecr", r"Container Registry|AmazonECR"),
    Rule("ecs", r"(?:Elastic|EC2) Container Service$|AmazonECS|Fargate"),
    Rule("eks", r"Kubernetes|AmazonEKS"),
    Rule("ec2", r"Elastic Compute Cloud|^EC2|AmazonEC2"),
    Rule("rds", r"Relational Database|AmazonRDS"),
    Rule("dynamodb", "DynamoDB"),
    Rule("step_functions", r"Step Functions|AmazonStates"),
    Rule("cloudwatch", r"CloudWatch"),
    Rule("efs", r"Elastic File System|AmazonEFS"),
    Rule("fsx", r"\bFSx|AmazonFSx"),
    Rule("athena", "Athena"),
    Rule("kms", r"Key Management|awskms"),
    Rule("secrets_manager", r"Secrets ?Manager"),
    Rule("sns", r"Notification Service|AmazonSNS"),
    Rule("sqs", r"Queue Service|AWSQueueService"),
    Rule("systems_manager", r"Systems Manager|AWSSystemsManager"),
    Rule("cloudtrail", "CloudTrail"),
    Rule("cost_explorer", r"Cost ?Explorer"),
    Rule("vpc", r"Virtual Private Cloud|AmazonVPC"),
)
"""Services around machine learning, by the names that Cost Explorer, CUR and FOCUS give them: one family each."""
TRANSFER = r"DataTransfer-|AWS-(?:In|Out)-(?:ABytes|Bytes)"
COMMITMENT = r"(?i)SP:\d|SavingsPlan|HeavyUsage"
CHARGES = {"Tax": "tax", "Credit": "credit", "Adjustment": "adjustment", "Purchase": "purchase"}
"""What is charged to an account rather than to a use of it, where the line names no usage type."""


def with_usage(lines: pl.DataFrame) -> pl.DataFrame:
    """``lines`` (with the columns `KEY`, any of them null) with usage_family, component and machine."""
    return Kinds().of(lines)


class Kinds:
    """Kinds of lines that differ in `KEY`: what the last lot's were found to be is not found out again."""

    def __init__(self) -> None:
        self._known = _spelled(pl.DataFrame(schema=dict.fromkeys(KEY, pl.String())))

    def of(self, lines: pl.DataFrame) -> pl.DataFrame:
        """As `with_usage`."""
        kinds = lines.select(KEY).unique()
        known = self._known.join(kinds, on=KEY, how="semi", nulls_equal=True)
        new = kinds.join(known, on=KEY, how="anti", nulls_equal=True)
        self._known = known if new.is_empty() else pl.concat([known, _spelled(new)])
        return lines.join(self._known, on=KEY, how="left", nulls_equal=True, maintain_order="left")


def _spelled(kinds: pl.DataFrame) -> pl.DataFrame:
    service, usage = (pl.col(name).fill_null("") for name in ("service", "usage_type"))
    told = pl.col("description").fill_null("")
    sagemaker = service.str.contains("SageMaker") | (service == "")
    form = [(f"{PREFIX}(?:{rule.form})(?:[:_-]|$)", rule) for rule in SAGEMAKER]
    words = [(f"(?i){rule.form}", rule) for rule in TOLD]
    by_type = pl.coalesce(*_families(usage, form, sagemaker), pl.lit(None, pl.String))
    # Some bills tell a warm pool from the training before it by the line's words only.
    pool = (by_type == "training") & told.str.contains("(?i)Warm Pool")
    by_words = pl.coalesce(*_families(told, words, sagemaker), pl.lit(None, pl.String))
    return (
        kinds.with_columns(family=pl.when(pool.fill_null(False)).then(pl.lit("warm_pool")).otherwise(by_type))
        .with_columns(family=pl.coalesce("family", by_words))
        .with_columns(
            usage_family=pl.coalesce(
                pl.when(usage.str.contains(COMMITMENT)).then(pl.lit("commitment")),
                pl.when((usage == "") & (pl.col("charge_category") != "Usage")).then(
                    pl.col("charge_category").replace_strict(CHARGES, default=None, return_dtype=pl.String)
                ),
                pl.when(usage.str.contains(TRANSFER)).then(pl.lit("data_transfer")),
                "family",
                pl.when(usage.str.contains("DataBrew")).then(pl.lit("databrew")),
                *_families(service, [(rule.form, rule) for rule in AROUND], pl.lit(True)),
                pl.when(told.str.contains("Advanced Instance Hr")).then(pl.lit("systems_manager")),
                pl.lit(UNKNOWN),
            ),
            component=pl.col("family").replace_strict(COMPONENTS, default=None, return_dtype=pl.String),
            machine=_machine(usage, told),
        )
        .drop("family")
    )


COMPONENTS = {rule.family: rule.component for rule in SAGEMAKER if rule.component}


def _families(words: pl.Expr, forms: list[tuple[str, Rule]], there: pl.Expr) -> list[pl.Expr]:
    return [pl.when(there & words.str.contains(form)).then(pl.lit(rule.family)) for form, rule in forms]


def _machine(usage: pl.Expr, told: pl.Expr) -> pl.Expr:
    """The instance type, or VOLUME for storage by the month."""
    instance = r"(ml\.[a-z0-9-]+\.[a-z0-9]+)"
    stored = usage.str.contains(VOLUME) | ((usage == "") & told.str.contains(r"GB-Mo\b.*storage"))
    return (
        pl.when(stored)
        .then(pl.lit(VOLUME))
        .otherwise(pl.coalesce(usage.str.extract(instance), told.str.extract(instance)))
    )
