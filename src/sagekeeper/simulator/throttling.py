"""Throttling on demand: the next calls of an operation are refused as AWS refuses who asks too often.

In: a service, an operation and how many calls. Out: whether a call is one of them, and the error. It is set by a control
request, is not written down, and is over with the process. Codes: the throttling errors that botocore's retry handler
knows for each service.
"""

from __future__ import annotations

import threading
from typing import Any

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.operations import Refused, service_model

CODES = {
    "ce": ("LimitExceededException", "Rate limit exceeded"),
    "cloudwatch": ("Throttling", "Rate exceeded"),
    "sts": ("Throttling", "Rate exceeded"),
    "s3": ("SlowDown", "Please reduce your request rate."),
}
USUAL = ("ThrottlingException", "Rate exceeded")
UNAVAILABLE = 503
"""S3 answers its SlowDown with this status, every other service with 400."""


class Throttle:
    """How many calls of which operation are still to be refused."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def set(self, given: dict[str, Any]) -> None:
        """``service``, ``operation``, ``calls``. Raises BadInput for an operation that the service does not have."""
        service, operation, calls = (
            str(given.get("service", "")),
            str(given.get("operation", "")),
            given.get("calls", 1),
        )
        try:
            known = operation in service_model(service).operation_names
        except Exception as unknown:
            raise BadInput(f"There is no service {service}.") from unknown
        if not known or not isinstance(calls, int) or calls < 0:
            raise BadInput(f"Throttle an operation of {service} by a number of calls: it has no {operation}.")
        with self._lock:
            self._left[service, operation] = calls

    @property
    def idle(self) -> bool:
        """Whether nothing is to be refused: then nobody needs to know which operation a request is for."""
        return not any(self._left.values())

    def refusal(self, service: str, operation: str) -> Refused | None:
        """The error that this call gets; None when it may pass."""
        with self._lock:
            left = self._left.get((service, operation), 0)
            if not left:
                return None
            self._left[service, operation] = left - 1
        return Refused(*CODES.get(service, USUAL))
