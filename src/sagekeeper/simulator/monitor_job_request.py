"""What a monitoring run's processing job reads and writes, as DescribeProcessingJob tells it.

The SageMaker SDK finds a run's statistics and violations by the output of its job, which is the folder of the run.
"""

from __future__ import annotations

from typing import Any

ENDPOINT_PATH, OUTPUT_PATH = "/opt/ml/processing/endpointdata", "/opt/ml/processing/resultdata"


def reads_and_writes(captures: str, folder: str) -> dict[str, Any]:
    """Members of the job's record: captures in, reports out; both S3 addresses."""
    return {
        "ProcessingInputs": [
            {
                "InputName": "endpoint_input_1",
                "AppManaged": False,
                "S3Input": {
                    "S3Uri": captures,
                    "LocalPath": ENDPOINT_PATH,
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                    "S3DataDistributionType": "FullyReplicated",
                    "S3CompressionType": "None",
                },
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "result",
                    "AppManaged": False,
                    "S3Output": {"S3Uri": folder, "LocalPath": OUTPUT_PATH, "S3UploadMode": "EndOfJob"},
                }
            ]
        },
    }
