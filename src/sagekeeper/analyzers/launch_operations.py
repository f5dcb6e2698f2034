"""Which of AWS's requests the guard reads: how a bare one is told from its members, who reads it. None is ever sent."""

from __future__ import annotations

from sagekeeper.analyzers.launch_jobs import processing, training, transform, tuning

ENDPOINT, ENDPOINT_CONFIG, NOTEBOOK = "CreateEndpoint", "CreateEndpointConfig", "CreateNotebookInstance"
PIPELINE, PIPELINE_REQUEST, SCALING = "PipelineDefinition", "CreatePipeline", "RegisterScalableTarget"
SEEN_FROM = {
    "CreateTrainingJob": ({"TrainingJobName"}, {"AlgorithmSpecification", "ResourceConfig"}),
    "CreateProcessingJob": ({"ProcessingJobName"}, {"ProcessingResources"}),
    "CreateTransformJob": ({"TransformJobName"}, {"TransformResources"}),
    "CreateHyperParameterTuningJob": ({"HyperParameterTuningJobName"}, {"HyperParameterTuningJobConfig"}),
    "CreateEndpointConfig": ({"ProductionVariants"}, {"EndpointConfigName", "ProductionVariants"}),
    "CreateEndpoint": ({"EndpointName", "EndpointConfigName"}, set()),
    "CreateNotebookInstance": ({"NotebookInstanceName"}, {"NotebookInstanceName"}),
    "CreatePipeline": ({"PipelineName", "PipelineDefinition"}, {"PipelineDefinition"}),
    "RegisterScalableTarget": ({"ServiceNamespace", "ScalableDimension"}, {"ServiceNamespace"}),
    "PipelineDefinition": ({"Version", "Steps"}, {"Steps"}),
}
"""Operation -> the members by which a bare request is known, and members of which one is enough to tell it, too."""
ALIASES = {"UpdateEndpoint": "CreateEndpoint"}
STEP_OPERATIONS = {
    "Training": "CreateTrainingJob",
    "Processing": "CreateProcessingJob",
    "Transform": "CreateTransformJob",
    "Tuning": "CreateHyperParameterTuningJob",
    "EndpointConfig": "CreateEndpointConfig",
}
JOB_READERS = {
    "CreateTrainingJob": training,
    "CreateProcessingJob": processing,
    "CreateTransformJob": transform,
    "CreateHyperParameterTuningJob": tuning,
}
