"""Anomaly monitors and subscriptions: what is watched, and who wants to hear of it how often.

In: definitions as AWS takes them. Out: the operations that create, show, change and delete them. An account has one
monitor of its services and up to 500 of its own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sagekeeper.simulator.cost_explorer_anomalies import monitors_of
from sagekeeper.simulator.cost_explorer_lines import ledger, own_explorer
from sagekeeper.simulator.cost_explorer_named import reader
from sagekeeper.simulator.cost_explorer_pages import page_of
from sagekeeper.simulator.cost_explorer_tagging import identifier, tag_new
from sagekeeper.simulator.operations import Ask, Handler, Refused

MOST_CUSTOM, MOST_SUBSCRIPTIONS = 500, 500
THRESHOLDS = ("ANOMALY_TOTAL_IMPACT_ABSOLUTE", "ANOMALY_TOTAL_IMPACT_PERCENTAGE")
STAMP = "%Y-%m-%dT%H:%M:%S.000Z"


def create_anomaly_monitor(ask: Ask) -> dict[str, Any]:
    """A monitor of a dimension, or of what a filter takes."""
    monitors, told = monitors_of(ask), dict(ask.params["AnomalyMonitor"])
    _check_monitor(ask, told, monitors)
    explorer = own_explorer(ask)
    arn = f"arn:aws:ce::{ask.account}:anomalymonitor/{identifier(explorer, told['MonitorName'])}"
    stamp = ask.now.strftime(STAMP)
    kept = {
        key: told[key]
        for key in ("MonitorName", "MonitorType", "MonitorDimension", "MonitorSpecification")
        if key in told
    }
    monitors[arn] = {"MonitorArn": arn, "CreationDate": stamp, "LastUpdatedDate": stamp} | kept
    tag_new(explorer, arn, ask.params.get("ResourceTags"))
    return {"MonitorArn": arn}


def get_anomaly_monitors(ask: Ask) -> dict[str, Any]:
    """Monitors, all or those asked for."""
    monitors, wanted = monitors_of(ask), ask.params.get("MonitorArnList") or []
    for arn in wanted:
        _monitor(ask, arn)
    values = ledger(ask).lines["SERVICE"].n_unique()
    looked = ask.now.replace(hour=0, minute=0, second=0) - timedelta(days=1)
    rows = [
        monitor
        | {"LastEvaluatedDate": looked.strftime(STAMP)}
        | ({"DimensionalValueCount": values} if monitor.get("MonitorDimension") == "SERVICE" else {})
        for arn, monitor in monitors.items()
        if not wanted or arn in wanted
    ]
    part, more = page_of(rows, ask.params)
    return {"AnomalyMonitors": part} | more


def update_anomaly_monitor(ask: Ask) -> dict[str, Any]:
    """Another name."""
    found = _monitor(ask, ask.params["MonitorArn"])
    if ask.params.get("MonitorName"):
        found["MonitorName"] = ask.params["MonitorName"]
    found["LastUpdatedDate"] = ask.now.strftime(STAMP)
    return {"MonitorArn": found["MonitorArn"]}


def delete_anomaly_monitor(ask: Ask) -> dict[str, Any]:
    """It finds nothing any more; subscriptions forget it."""
    arn, explorer = _monitor(ask, ask.params["MonitorArn"])["MonitorArn"], own_explorer(ask)
    del explorer.monitors[arn]
    explorer.deleted.add(arn)
    explorer.resource_tags.pop(arn, None)
    for subscription in explorer.subscriptions.values():
        subscription["MonitorArnList"] = [other for other in subscription["MonitorArnList"] if other != arn]
    return {}


def create_anomaly_subscription(ask: Ask) -> dict[str, Any]:
    """Who is to hear of the anomalies of which monitors."""
    explorer, told = own_explorer(ask), dict(ask.params["AnomalySubscription"])
    if len(explorer.subscriptions) >= MOST_SUBSCRIPTIONS:
        raise Refused("LimitExceededException", "You have exceeded the maximum number of anomaly subscriptions.")
    _check_subscription(ask, told)
    arn = f"arn:aws:ce::{ask.account}:anomalysubscription/{identifier(explorer, told['SubscriptionName'])}"
    explorer.subscriptions[arn] = _whole(told) | {"SubscriptionArn": arn, "AccountId": ask.account}
    tag_new(explorer, arn, ask.params.get("ResourceTags"))
    return {"SubscriptionArn": arn}


def get_anomaly_subscriptions(ask: Ask) -> dict[str, Any]:
    """Subscriptions, all or those asked for."""
    wanted, monitor = ask.params.get("SubscriptionArnList") or [], ask.params.get("MonitorArn")
    for arn in wanted:
        _subscription(ask, arn)
    rows = [
        found
        for arn, found in own_explorer(ask).subscriptions.items()
        if (not wanted or arn in wanted) and (not monitor or monitor in found["MonitorArnList"])
    ]
    part, more = page_of(rows, ask.params)
    return {"AnomalySubscriptions": part} | more


def update_anomaly_subscription(ask: Ask) -> dict[str, Any]:
    """Change what is given."""
    found = _subscription(ask, ask.params["SubscriptionArn"])
    changes = {key: value for key, value in ask.params.items() if key != "SubscriptionArn"}
    kept = {key: value for key, value in found.items() if key not in ("Threshold", "ThresholdExpression")}
    both = (
        kept
        if {"Threshold", "ThresholdExpression"} & set(changes)
        else {key: value for key, value in found.items() if key != "Threshold"}
    )
    _check_subscription(ask, both | changes)
    own_explorer(ask).subscriptions[found["SubscriptionArn"]] = _whole(both | changes)
    return {"SubscriptionArn": found["SubscriptionArn"]}


def delete_anomaly_subscription(ask: Ask) -> dict[str, Any]:
    """Nobody hears any more."""
    arn = _subscription(ask, ask.params["SubscriptionArn"])["SubscriptionArn"]
    del own_explorer(ask).subscriptions[arn]
    own_explorer(ask).resource_tags.pop(arn, None)
    return {}


def _monitor(ask: Ask, arn: str) -> dict[str, Any]:
    found = monitors_of(ask).get(arn)
    if found is None:
        raise Refused("UnknownMonitorException", f"No monitor was found with the ARN {arn}")
    return found


def _subscription(ask: Ask, arn: str) -> dict[str, Any]:
    found = own_explorer(ask).subscriptions.get(arn)
    if found is None:
        raise Refused("UnknownSubscriptionException", f"No subscription was found with the ARN {arn}")
    return found


def _check_monitor(ask: Ask, told: dict[str, Any], monitors: dict[str, dict[str, Any]]) -> None:
    specification, dimension = told.get("MonitorSpecification"), told.get("MonitorDimension")
    if told["MonitorType"] == "CUSTOM":
        if not specification or dimension:
            raise Refused("ValidationException", "A CUSTOM monitor must have a MonitorSpecification and no dimension")
        if sum(item["MonitorType"] == "CUSTOM" for item in monitors.values()) >= MOST_CUSTOM:
            raise Refused("LimitExceededException", "You have exceeded the maximum number of custom monitors.")
        reader(ask, ledger(ask)).condition(specification)
        return
    if not dimension:
        raise Refused("ValidationException", "A DIMENSIONAL monitor must have a MonitorDimension")
    if (dimension in ("TAG", "COST_CATEGORY")) != bool(specification):
        raise Refused("ValidationException", "MonitorSpecification goes with the dimensions TAG and COST_CATEGORY only")
    if specification and set(specification) != {"Tags" if dimension == "TAG" else "CostCategories"}:
        raise Refused("ValidationException", f"MonitorSpecification does not fit the dimension {dimension}")
    if dimension == "SERVICE" and any(item.get("MonitorDimension") == "SERVICE" for item in monitors.values()):
        raise Refused("LimitExceededException", "Limit exceeded on dimensional spend monitor creation")


def _check_subscription(ask: Ask, told: dict[str, Any]) -> None:
    if not told["MonitorArnList"] or not told["Subscribers"]:
        raise Refused("ValidationException", "A subscription must have monitors and subscribers")
    for arn in told["MonitorArnList"]:
        _monitor(ask, arn)
    if ("Threshold" in told) == ("ThresholdExpression" in told):
        raise Refused("ValidationException", "Exactly one of Threshold and ThresholdExpression must be specified")
    for subscriber in told["Subscribers"]:
        if not subscriber.get("Address") or not subscriber.get("Type"):
            raise Refused("ValidationException", "A subscriber must have an address and a type")
        if (subscriber["Type"] == "SNS") != (told["Frequency"] == "IMMEDIATE"):
            raise Refused(
                "ValidationException", "Frequency IMMEDIATE goes with SNS subscribers, DAILY and WEEKLY with EMAIL"
            )
    if "ThresholdExpression" in told:
        _check_threshold(told["ThresholdExpression"])


def _check_threshold(expression: dict[str, Any]) -> None:
    if len(expression) != 1:
        raise Refused(
            "ValidationException",
            "Expression has more than one roots. Only one root operator is allowed for each expression: "
            "And, Or, Not, Dimensions, Tags, CostCategories",
        )
    root, told = next(iter(expression.items()))
    if root in ("And", "Or"):
        for part in told:
            _check_threshold(part)
        return
    fits = root == "Dimensions" and told.get("Key") in THRESHOLDS and len(told.get("Values") or []) == 1
    if not fits or told.get("MatchOptions") != ["GREATER_THAN_OR_EQUAL"]:
        raise Refused(
            "ValidationException",
            f"ThresholdExpression takes one value GREATER_THAN_OR_EQUAL of {' or '.join(THRESHOLDS)}",
        )


def _whole(told: dict[str, Any]) -> dict[str, Any]:
    """With the status that AWS adds, and the threshold in both of its notations."""
    subscribers = [{"Status": "CONFIRMED"} | item for item in told["Subscribers"]]
    if "Threshold" in told:
        leaf = {
            "Key": THRESHOLDS[0],
            "Values": [str(told["Threshold"])],
            "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
        }
        told = told | {"ThresholdExpression": {"Dimensions": leaf}}
    return told | {"Subscribers": subscribers}


HANDLERS: dict[str, Handler] = {
    "CreateAnomalyMonitor": create_anomaly_monitor,
    "GetAnomalyMonitors": get_anomaly_monitors,
    "UpdateAnomalyMonitor": update_anomaly_monitor,
    "DeleteAnomalyMonitor": delete_anomaly_monitor,
    "CreateAnomalySubscription": create_anomaly_subscription,
    "GetAnomalySubscriptions": get_anomaly_subscriptions,
    "UpdateAnomalySubscription": update_anomaly_subscription,
    "DeleteAnomalySubscription": delete_anomaly_subscription,
}
MUTATING = {name for name in HANDLERS if not name.startswith("Get")}
