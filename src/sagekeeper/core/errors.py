"""The error tree. A message says what happened, to what, and what to do next; it is written for the person who must act.

SagekeeperError
├── BadInput            a file, option or setting is wrong; exit code 2, nothing was changed
│   └── SchemaMismatch  a frame does not have the columns or types its table declares
├── SourceUnavailable   AWS, a bucket or a server did not answer, or refused; the rest of the run goes on
├── PriceUnknown        no price for this SKU; the amount is unknown, never zero
├── PlanRefused         a change may not be made now (a gate failed, the resource is not as planned)
└── Conflict            somebody else did it first, or holds the lock
"""


class SagekeeperError(Exception):
    """Base of everything Sagekeeper raises on purpose. ``exit_code`` is what the command line ends with."""

    exit_code = 1


class BadInput(SagekeeperError):
    """The caller's file, option or setting is wrong. Nothing was changed."""

    exit_code = 2


class SchemaMismatch(BadInput):
    """A frame does not have the columns or types that its table declares."""


class SourceUnavailable(SagekeeperError):
    """AWS, a bucket or a server did not answer, or refused."""

    exit_code = 3


class PriceUnknown(SagekeeperError):
    """There is no price for this SKU: whatever depends on it is unknown, never zero."""


class PlanRefused(SagekeeperError):
    """A change may not be made now: a gate does not pass, or the resource is no longer as planned."""

    exit_code = 4


class Conflict(SagekeeperError):
    """Somebody else did it first, or holds the lock."""

    exit_code = 5
