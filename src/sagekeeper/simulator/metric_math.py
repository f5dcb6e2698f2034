"""Metric math: the tree of an expression and the time series it names in; a number, one or several series out.

Functions live in `metric_functions.py`, operators in `metric_lines.py`. Anomaly detection bands, Contributor Insights and
quotas are refused with a sentence, not answered wrongly.
"""

from __future__ import annotations

import numpy as np

from sagekeeper.simulator.metric_expression import Binary, Call, Listing, Malformed, Name, Negated, Node, Number
from sagekeeper.simulator.metric_functions import PLAIN, SPECIAL
from sagekeeper.simulator.metric_lines import Surroundings, Value, binary, each, many

NOT_COMPUTED = {"ANOMALY_DETECTION_BAND", "INSIGHT_RULE_METRIC", "SERVICE_QUOTA", "DB_PERF_INSIGHTS", "LAMBDA"}


def computed(node: Node, around: Surroundings) -> Value:
    """The expression's value; raises Malformed."""
    match node:
        case Number(value):
            return value
        case Name(value):
            return around.named(value)
        case Negated(operand):
            return each(computed(operand, around), np.negative)
        case Listing(items):
            return many([computed(item, around) for item in items])
        case Binary(sign, left, right):
            return binary(sign, computed(left, around), computed(right, around))
        case Call(function, arguments):
            return _called(function, arguments, around)
    raise Malformed("A text is no time series")


def _called(function: str, arguments: tuple[Node, ...], around: Surroundings) -> Value:
    if function in NOT_COMPUTED:
        raise Malformed(f"The simulated account does not compute {function}")
    special = SPECIAL.get(function)
    if special is not None:
        return special(arguments, around, computed)
    least, most, plain = PLAIN.get(function, (0, -1, None))
    if plain is None:
        raise Malformed(f"Unknown function {function}")
    if not least <= len(arguments) <= most:
        raise Malformed(f"Invalid number of arguments for function {function}")
    return plain(around, *(computed(item, around) for item in arguments))
