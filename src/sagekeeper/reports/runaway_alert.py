"""The alert about a runaway job: what it costs by the hour, what its family usually takes, where it ends, how to stop it.

In: an open finding of kind ``runaway_job``. Out: a `Letter`, the same for the same job however often it is composed: nobody is
told twice. Amounts are estimates (running x price), and said to be.
"""

from __future__ import annotations

import shlex
from datetime import datetime

from sagekeeper.core.types import Finding
from sagekeeper.reports.letters import render
from sagekeeper.reports.mail import Letter

KIND = "runaway_job"
STOP = {
    "training_job": "stop-training-job --training-job-name",
    "processing_job": "stop-processing-job --processing-job-name",
    "transform_job": "stop-transform-job --transform-job-name",
}


def runaway_letter(finding: Finding, link: str, as_of: datetime) -> Letter:
    """Compose it."""
    subject = finding.subject
    how = STOP[subject.kind]
    stop = f"aws sagemaker {how} {shlex.quote(subject.name)} --region {shlex.quote(subject.region)}"
    html, text = render("runaway", finding=finding, stop=stop, link=link.rstrip("/"), as_of=as_of)
    return Letter(f"runaway:{finding.fingerprint}", f"Runaway job: {finding.title}", text, html)
