"""AWS Budgets: limits on what is spent, what was spent against them, whom to tell, and what to do.

In: the account's `budget_book.py`. Out: the `budgets` API. Spending comes from the meter (`budget_spend.py`), so a budget
and Cost Explorer say the same. Refused as AWS does: what is given twice, too much or in two styles at once (old
CostFilters and CostTypes, new FilterExpression and Metrics; aws-facts section 3.1).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sagekeeper.simulator.budget_book import Budget, BudgetBook, Notice
from sagekeeper.simulator.budget_spend import LAST_DAY, actual, covered, daily, forecast, limit, period
from sagekeeper.simulator.budget_watch import LOOK_BACK, exceeded
from sagekeeper.simulator.operations import Ask, Handler, Refused

HOME = "us-east-1"
MOST_NOTICES = 10
MOST_MAILS = 10
COST_TYPES = {
    "IncludeTax": True,
    "IncludeSubscription": True,
    "UseBlended": False,
    "IncludeRefund": True,
    "IncludeCredit": True,
    "IncludeUpfront": True,
    "IncludeRecurring": True,
    "IncludeOtherSubscription": True,
    "IncludeSupport": True,
    "IncludeDiscount": True,
    "UseAmortized": False,
}


def create_budget(ask: Ask) -> dict[str, Any]:
    """A new budget, with its notifications."""
    given, book = ask.params["Budget"], book_of(ask)
    name = given["BudgetName"]
    if name in book.budgets:
        raise Refused("DuplicateRecordException", f"Error creating budget: {name} - the budget already exists.")
    budget = Budget(_completed(ask, given), ask.now)
    for item in ask.params.get("NotificationsWithSubscribers", []):
        _add_notice(budget, item["Notification"], item["Subscribers"])
    budget.tags = {tag["Key"]: tag["Value"] for tag in ask.params.get("ResourceTags", [])}
    book.budgets[name] = budget
    return {}


def update_budget(ask: Ask) -> dict[str, Any]:
    """Other limits, filters or periods; its notifications stay."""
    given = ask.params["NewBudget"]
    budget = _budget(ask, given["BudgetName"])
    if given["BudgetType"] != budget.given["BudgetType"]:
        raise Refused("InvalidParameterException", "The budget type cannot be changed.")
    budget.given, budget.updated = _completed(ask, given), ask.now
    return {}


def delete_budget(ask: Ask) -> dict[str, Any]:
    """Gone, with its notifications and actions."""
    _budget(ask, ask.params["BudgetName"])
    del book_of(ask).budgets[ask.params["BudgetName"]]
    return {}


def describe_budget(ask: Ask) -> dict[str, Any]:
    """One budget and what was spent."""
    return {"Budget": _described(ask, _budget(ask, ask.params["BudgetName"]))}


def describe_budgets(ask: Ask) -> dict[str, Any]:
    """All of them."""
    found, more = _page(ask, list(book_of(ask).budgets.values()), 100)
    return {"Budgets": [_described(ask, item) for item in found]} | more


def describe_budget_performance_history(ask: Ask) -> dict[str, Any]:
    """Budgeted and actual amounts of the periods that are over."""
    budget = _budget(ask, ask.params["BudgetName"])
    given, spent = budget.given, _spent(ask, budget)
    begin, _ = period(given, ask.now.date())
    asked = ask.params.get("TimePeriod", {})
    first = max(asked.get("Start", ask.now - LOOK_BACK).date(), min(spent, default=begin))
    last = min(asked.get("End", ask.now).date(), ask.now.date())
    rows = []
    while begin > first and given["TimeUnit"] != "CUSTOM":
        begin, end = period(given, begin - timedelta(days=1))
        may = limit(given, spent, begin)
        if begin < first or end > last:
            continue
        rows.append(
            {
                "ActualAmount": _money(actual(spent, begin, end), given),
                "TimePeriod": {"Start": _at(begin), "End": _at(end)},
            }
            | ({"BudgetedAmount": _money(may, given)} if may is not None else {})
        )
    part, more = _page(ask, rows[::-1], 100)
    told = {
        key: given[key] for key in ("BudgetName", "BudgetType", "CostFilters", "CostTypes", "TimeUnit") if key in given
    }
    return {"BudgetPerformanceHistory": told | {"BudgetedAndActualAmountsList": part}} | more


def book_of(ask: Ask) -> BudgetBook:
    """The account's budgets. Nobody reads another account's."""
    if ask.params["AccountId"] != ask.account:
        raise Refused("AccessDeniedException", f"Account {ask.params['AccountId']} is not the caller's account.")
    return ask.house.world.at(ask.account, HOME).budgets


def create_notification(ask: Ask) -> dict[str, Any]:
    """One more threshold."""
    _add_notice(_budget(ask, ask.params["BudgetName"]), ask.params["Notification"], ask.params["Subscribers"])
    return {}


def update_notification(ask: Ask) -> dict[str, Any]:
    """Another threshold in place of one; its subscribers stay."""
    budget = _budget(ask, ask.params["BudgetName"])
    notice = _notice(budget, ask.params["OldNotification"])
    changed = Notice(_plain(ask.params["NewNotification"]), notice.subscribers)
    if any(item is not notice and item.key == changed.key for item in budget.notices):
        raise Refused("DuplicateRecordException", "The notification already exists.")
    budget.notices[budget.notices.index(notice)] = changed
    return {}


def delete_notification(ask: Ask) -> dict[str, Any]:
    """One threshold less."""
    budget = _budget(ask, ask.params["BudgetName"])
    budget.notices.remove(_notice(budget, ask.params["Notification"]))
    return {}


def describe_notifications_for_budget(ask: Ask) -> dict[str, Any]:
    """A budget's thresholds, and which of them are passed."""
    budget = _budget(ask, ask.params["BudgetName"])
    part, more = _page(ask, budget.notices, 100)
    return {"Notifications": _states(ask, budget, part)} | more


def describe_budget_notifications_for_account(ask: Ask) -> dict[str, Any]:
    """The thresholds of all budgets."""
    part, more = _page(ask, list(book_of(ask).budgets.values()), 50)
    rows = [
        {"BudgetName": item.given["BudgetName"], "Notifications": _states(ask, item, item.notices)} for item in part
    ]
    return {"BudgetNotificationsForAccount": rows} | more


def create_subscriber(ask: Ask) -> dict[str, Any]:
    """One more to tell."""
    notice = _notice(_budget(ask, ask.params["BudgetName"]), ask.params["Notification"])
    if ask.params["Subscriber"] in notice.subscribers:
        raise Refused("DuplicateRecordException", "The subscriber already exists.")
    notice.subscribers = _subscribers([*notice.subscribers, ask.params["Subscriber"]])
    return {}


def update_subscriber(ask: Ask) -> dict[str, Any]:
    """Another one to tell."""
    notice = _notice(_budget(ask, ask.params["BudgetName"]), ask.params["Notification"])
    others = [item for item in notice.subscribers if item != ask.params["OldSubscriber"]]
    if len(others) == len(notice.subscribers):
        raise Refused("NotFoundException", "The subscriber was not found.")
    notice.subscribers = _subscribers([*others, ask.params["NewSubscriber"]])
    return {}


def delete_subscriber(ask: Ask) -> dict[str, Any]:
    """One less to tell: with the last one the threshold itself goes."""
    budget = _budget(ask, ask.params["BudgetName"])
    notice = _notice(budget, ask.params["Notification"])
    if ask.params["Subscriber"] not in notice.subscribers:
        raise Refused("NotFoundException", "The subscriber was not found.")
    notice.subscribers.remove(ask.params["Subscriber"])
    if not notice.subscribers:
        budget.notices.remove(notice)
    return {}


def describe_subscribers_for_notification(ask: Ask) -> dict[str, Any]:
    """Who is told."""
    notice = _notice(_budget(ask, ask.params["BudgetName"]), ask.params["Notification"])
    part, more = _page(ask, notice.subscribers, 100)
    return {"Subscribers": part} | more


def _budget(ask: Ask, name: str) -> Budget:
    found = book_of(ask).budgets.get(name)
    if found is None:
        raise Refused("NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")
    return found


def _completed(ask: Ask, given: dict[str, Any]) -> dict[str, Any]:
    """A budget with AWS's defaults, or a refusal."""
    new, old = ("FilterExpression" in given or "Metrics" in given), ("CostFilters" in given or "CostTypes" in given)
    if new and old:
        raise _wrong("CostFilters and CostTypes cannot be used together with FilterExpression and Metrics.")
    if any(part in given["BudgetName"] for part in (":", "\\", "/action/")):
        # The model's own pattern is written in a dialect that is not checked here (`constraints.py`).
        raise _wrong("The budget name must not contain a colon, a backslash or /action/.")
    limits = sum(key in given for key in ("BudgetLimit", "PlannedBudgetLimits", "AutoAdjustData"))
    if limits != 1:
        raise _wrong("Exactly one of BudgetLimit, PlannedBudgetLimits and AutoAdjustData must be given.")
    if "BudgetLimit" in given and not float(given["BudgetLimit"]["Amount"]) > 0:
        raise _wrong("The budget limit must be greater than zero.")
    if given["BudgetType"] == "COST" and given.get("BudgetLimit", {}).get("Unit", "USD") != "USD":
        raise _wrong("The unit of a cost budget must be USD.")
    if given["TimeUnit"] == "CUSTOM" and not {"Start", "End"} <= set(given.get("TimePeriod", {})):
        raise _wrong("A custom budget needs a start and an end.")
    times = (
        {"Start": _at(period(given | {"TimePeriod": {}}, ask.now.date())[0])} if given["TimeUnit"] != "CUSTOM" else {}
    )
    times |= {"End": _at(LAST_DAY)} if given["TimeUnit"] != "CUSTOM" else {}
    times |= given.get("TimePeriod", {})
    if times["Start"] >= times["End"]:
        raise _wrong("The start of the budget must be before its end.")
    covered(given)
    styled = {} if new else {"CostTypes": COST_TYPES | given.get("CostTypes", {})}
    kept = {key: value for key, value in given.items() if key not in ("CalculatedSpend", "LastUpdatedTime")}
    return kept | {"TimePeriod": times} | styled


def _described(ask: Ask, budget: Budget) -> dict[str, Any]:
    given, spent = budget.given, _spent(ask, budget)
    begin, end = period(given, ask.now.date())
    calculated = {"ActualSpend": _money(actual(spent, begin, end), given)}
    expected = forecast(spent, begin, end, ask.now.date())
    if expected is not None:
        calculated["ForecastedSpend"] = _money(expected, given)
    may = limit(given, spent, begin)
    shown = {"BudgetLimit": _money(may, given)} if may is not None else {}
    if not ask.params.get("ShowFilterExpression") and "FilterExpression" in given:
        given = {key: value for key, value in given.items() if key != "FilterExpression"}
    health = {"HealthStatus": {"Status": "HEALTHY", "LastUpdatedTime": budget.updated}}
    return shown | given | {"CalculatedSpend": calculated, "LastUpdatedTime": budget.updated} | health


def _spent(ask: Ask, budget: Budget) -> dict[date, float]:
    return daily(ask.house.meter, ask.account, budget.given, (ask.now - LOOK_BACK).date(), ask.now)


def _add_notice(budget: Budget, given: dict[str, Any], subscribers: list[dict[str, str]]) -> None:
    notice = Notice(_plain(given), _subscribers(subscribers))
    if any(item.key == notice.key for item in budget.notices):
        raise Refused("DuplicateRecordException", "The notification already exists.")
    if len(budget.notices) >= MOST_NOTICES:
        raise Refused("CreationLimitExceededException", f"A budget has at most {MOST_NOTICES} notifications.")
    budget.notices.append(notice)


def _subscribers(given: list[dict[str, str]]) -> list[dict[str, str]]:
    topics = [item["Address"] for item in given if item["SubscriptionType"] == "SNS"]
    mails = [item["Address"] for item in given if item["SubscriptionType"] == "EMAIL"]
    if len(topics) > 1 or len(mails) > MOST_MAILS:
        raise Refused(
            "CreationLimitExceededException", "A notification has one SNS and ten e-mail subscribers at most."
        )
    if not all(topic.startswith("arn:aws:sns:") and topic.count(":") == 5 for topic in topics):
        raise _wrong("The SNS topic's ARN is not valid.")
    if not all("@" in mail for mail in mails):
        raise _wrong("The e-mail address is not valid.")
    return list(given)


def _notice(budget: Budget, given: dict[str, Any]) -> Notice:
    key = Notice(given, []).key
    for notice in budget.notices:
        if notice.key == key:
            return notice
    raise Refused("NotFoundException", "The notification was not found.")


def _states(ask: Ask, budget: Budget, notices: list[Notice]) -> list[dict[str, Any]]:
    spent, today = _spent(ask, budget), ask.now.date()
    tomorrow = today + timedelta(days=1)
    return [
        item.given | {"NotificationState": "ALARM" if exceeded(item, budget, spent, today, tomorrow) else "OK"}
        for item in notices
    ]


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in given.items() if key != "NotificationState"}
    return {"ThresholdType": "PERCENTAGE"} | kept


def _money(amount: float, given: dict[str, Any]) -> dict[str, str]:
    return {"Amount": f"{max(amount, 0.0):.3f}", "Unit": given.get("BudgetLimit", {}).get("Unit", "USD")}


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _wrong(sentence: str) -> Refused:
    return Refused("InvalidParameterException", sentence)


def _page(ask: Ask, found: list[Any], most: int) -> tuple[list[Any], dict[str, str]]:
    token, size = ask.params.get("NextToken") or "0", ask.params.get("MaxResults") or most
    if not token.isdigit():
        raise Refused("InvalidNextTokenException", "The NextToken is invalid.")
    start = int(token)
    return found[start : start + size], {"NextToken": str(start + size)} if start + size < len(found) else {}


HANDLERS: dict[str, Handler] = {
    "CreateBudget": create_budget,
    "UpdateBudget": update_budget,
    "DeleteBudget": delete_budget,
    "DescribeBudget": describe_budget,
    "DescribeBudgets": describe_budgets,
    "DescribeBudgetPerformanceHistory": describe_budget_performance_history,
    "CreateNotification": create_notification,
    "UpdateNotification": update_notification,
    "DeleteNotification": delete_notification,
    "DescribeNotificationsForBudget": describe_notifications_for_budget,
    "DescribeBudgetNotificationsForAccount": describe_budget_notifications_for_account,
    "CreateSubscriber": create_subscriber,
    "UpdateSubscriber": update_subscriber,
    "DeleteSubscriber": delete_subscriber,
    "DescribeSubscribersForNotification": describe_subscribers_for_notification,
}
MUTATING = {name for name in HANDLERS if not name.startswith("Describe")}
