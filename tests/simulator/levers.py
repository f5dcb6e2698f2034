"""The levers as people pull them through boto3, each on an endpoint, job or notebook of its own; what stands before them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from .hosted import IMAGE, ROLE, Hosted

NIGHT_BEGINS, NIGHT_ENDS = datetime(2026, 11, 22, 20, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC)
REQUESTS_AN_HOUR = 1800


def training(aws: Hosted, name: str, spot: bool = False, keep: int = 0) -> None:
    cluster: dict[str, Any] = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50}
    aws.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://somewhere/models"},
        ResourceConfig=cluster | ({"KeepAlivePeriodInSeconds": keep} if keep else {}),
        StoppingCondition={"MaxRuntimeInSeconds": 7200} | ({"MaxWaitTimeInSeconds": 80_000} if spot else {}),
        HyperParameters={"sagekeeper_run_seconds": "3600"},
        EnableManagedSpotTraining=spot,
    )


def stand(aws: Hosted) -> None:
    """What both accounts have."""
    for name, kind, count in (
        ("right-size", "ml.m5.xlarge", 1),
        ("inferentia", "ml.g4dn.xlarge", 1),
        ("fewer", "ml.m5.large", 3),
        ("tenant-a", "ml.m5.large", 1),
        ("tenant-b", "ml.m5.large", 1),
        ("serverless", "ml.m5.large", 1),
        ("nights", "ml.m5.large", 1),
        ("idle", "ml.c5.xlarge", 2),
        ("scaled", "ml.m5.large", 4),
        ("compiled", "ml.c5.2xlarge", 1),
        ("asked-later", "ml.g4dn.xlarge", 1),
    ):
        aws.config(name, kind, count)
        aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    aws.sagemaker.create_notebook_instance(
        NotebookInstanceName="bench", InstanceType="ml.t3.medium", RoleArn=ROLE, VolumeSizeInGB=20
    )
    aws.running.advance(hours=1)
    aws.running.set_hosting("traffic", endpoint="serverless", per_hour=REQUESTS_AN_HOUR)


def another_config(aws: Hosted, endpoint: str, name: str, **variant: Any) -> None:
    given = {"VariantName": "main", "ModelName": endpoint, "InitialInstanceCount": 1} | variant
    if "ServerlessConfig" in given:
        del given["InitialInstanceCount"]
    aws.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[given])


def pull(aws: Hosted) -> None:
    """Every lever that is pulled once and holds."""
    sagemaker = aws.sagemaker
    another_config(aws, "right-size", "right-size-2", InstanceType="ml.m5.large")
    sagemaker.update_endpoint(EndpointName="right-size", EndpointConfigName="right-size-2")
    another_config(aws, "inferentia", "inferentia-2", InstanceType="ml.inf2.xlarge")
    sagemaker.update_endpoint(EndpointName="inferentia", EndpointConfigName="inferentia-2")
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="fewer", DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 1}]
    )
    sagemaker.create_model(
        ModelName="tenants",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://bucket/tenants/"},
    )
    another_config(aws, "tenants", "tenants", InstanceType="ml.m5.large")
    sagemaker.update_endpoint(EndpointName="tenant-a", EndpointConfigName="tenants")
    sagemaker.delete_endpoint(EndpointName="tenant-b")
    sagemaker.delete_endpoint(EndpointName="serverless")
    another_config(aws, "serverless", "serverless-2", ServerlessConfig={"MemorySizeInMB": 2048, "MaxConcurrency": 5})
    compile_for_less(aws)
    scale_to_zero(aws)
    aws.running.advance(hours=1)
    sagemaker.create_endpoint(EndpointName="serverless", EndpointConfigName="serverless-2")
    aws.running.set_hosting("traffic", endpoint="serverless", per_hour=REQUESTS_AN_HOUR)
    sagemaker.delete_endpoint(EndpointName="idle")
    sagemaker.stop_notebook_instance(NotebookInstanceName="bench")
    scaling = aws.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/scaled/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=4, **target)
    scaling.put_scaling_policy(
        PolicyName="requests",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 100.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
        **target,
    )


def compile_for_less(aws: Hosted) -> None:
    """Neo compiles the model, and what it makes runs on half the machine."""
    aws.sagemaker.create_compilation_job(
        CompilationJobName="neo",
        RoleArn=ROLE,
        InputConfig={
            "S3Uri": "s3://bucket/compiled.tar.gz",
            "DataInputConfig": '{"input": [1, 3, 224, 224]}',
            "Framework": "PYTORCH",
            "FrameworkVersion": "2.0",
        },
        OutputConfig={"S3OutputLocation": "s3://bucket/neo/", "TargetDevice": "ml_c5"},
        StoppingCondition={"MaxRuntimeInSeconds": 900},
    )
    aws.running.advance(seconds=900)
    done = aws.sagemaker.describe_compilation_job(CompilationJobName="neo")
    assert done["CompilationJobStatus"] == "COMPLETED"
    aws.sagemaker.create_model(
        ModelName="compiled-2",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": done["InferenceImage"],
            "ModelDataUrl": done["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    another_config(aws, "compiled-2", "compiled-2", InstanceType="ml.c5.xlarge")
    aws.sagemaker.update_endpoint(EndpointName="compiled", EndpointConfigName="compiled-2")


def scale_to_zero(aws: Hosted) -> None:
    """The same model behind a queue: an asynchronous endpoint has no instance while nobody asks."""
    aws.sagemaker.delete_endpoint(EndpointName="asked-later")
    variant = {
        "VariantName": "main",
        "ModelName": "asked-later",
        "InstanceType": "ml.g4dn.xlarge",
        "InitialInstanceCount": 1,
    }
    aws.sagemaker.create_endpoint_config(
        EndpointConfigName="asked-later-2",
        ProductionVariants=[variant],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://bucket/answers/"}},
    )
    aws.running.advance(seconds=600)
    aws.sagemaker.create_endpoint(EndpointName="asked-later", EndpointConfigName="asked-later-2")
    aws.running.advance(seconds=600)
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/asked-later/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling = aws.client("application-autoscaling")
    scaling.register_scalable_target(MinCapacity=0, MaxCapacity=1, **target)
    scaling.put_scheduled_action(
        ScheduledActionName="sleep",
        Schedule=f"at({(aws.running.now() + timedelta(minutes=5)):%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MinCapacity": 0, "MaxCapacity": 0},
        **target,
    )


def nights(aws: Hosted) -> None:
    """Deleted in the evening, made again in the morning."""
    aws.running.advance_until(NIGHT_BEGINS)
    aws.sagemaker.delete_endpoint(EndpointName="nights")
    aws.running.advance_until(NIGHT_ENDS)
    aws.sagemaker.create_endpoint(EndpointName="nights", EndpointConfigName="nights")


def jobs(aws: Hosted, pulled: bool) -> None:
    """On DAY: one job that may be on spot, and one whose warm pool may be off."""
    aws.running.advance_until(NIGHT_ENDS + timedelta(hours=1))
    training(aws, "spot", spot=pulled)
    training(aws, "warm", keep=0 if pulled else 3600)
