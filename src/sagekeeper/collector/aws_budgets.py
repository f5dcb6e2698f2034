"""AWS's own budgets: their limits, filters, periods and thresholds, whom AWS tells, and what AWS says was and will be spent.

In: AWS Budgets of every watched account (a budget belongs to one account and is asked for there; the payer's sees all accounts).
Out: rows of the ledger's ``budgets`` with the source `AWS`; one that is no longer there goes. What AWS says (actual, forecast) is
kept beside the limit, so that a budget which our daily costs cannot judge is shown with AWS's own figures. Notifications come
with one question per fifty budgets; subscribers with one per notification. An account whose role may not ask is named in a
note, and its budgets stay as they were. Source of the shapes: aws-facts 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from botocore.exceptions import ClientError
from sqlalchemy import select

from sagekeeper.collector.source import Source, Task, aws_errors, pages
from sagekeeper.core.ledger.models import BudgetRow

AWS = "aws_budgets"
REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
KINDS = {"ACTUAL": "actual", "FORECASTED": "forecast"}
KEPT = ("BudgetType", "CostFilters", "CostTypes", "FilterExpression", "Metrics")
NO_END = 2080
"""AWS ends a budget that was given no end in 2087."""


def collect(task: Task) -> int:
    """Read every account's budgets."""
    found = 0
    for number, account in enumerate(task.settings.aws.accounts):
        task.progress(account.id, number / len(task.settings.aws.accounts))
        client = task.sessions.client("budgets", account.id, task.region)
        try:
            with aws_errors(f"AWS Budgets in {account.id}"):
                rows = _allowed(task, client, account.id)
        except _NotAllowed:
            task.note(
                f"The reader role in {account.id} may not read budgets (budgets:ViewBudget): AWS's are not known."
            )
            continue
        _keep(task, account.id, rows)
        found += len(rows)
    return found


class _NotAllowed(Exception):
    """The role may not ask."""


def _allowed(task: Task, client: Any, account: str) -> list[BudgetRow]:
    try:
        return list(_read(task, client, account))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in REFUSED:
            raise _NotAllowed from error
        raise


def _read(task: Task, client: Any, account: str) -> Iterator[BudgetRow]:
    told = {
        item["BudgetName"]: item.get("Notifications", [])
        for item in pages(
            client, "describe_budget_notifications_for_account", "BudgetNotificationsForAccount", AccountId=account
        )
    }
    for given in pages(client, "describe_budgets", "Budgets", AccountId=account, ShowFilterExpression=True):
        notices = told.get(given["BudgetName"], [])
        limit = _limit(given)
        if limit is None:
            task.note(f"The budget {given['BudgetName']} of {account} has no limit above zero and is left out.")
            continue
        yield _row(task, account, given, notices, limit, _subscribers(client, account, given["BudgetName"], notices))


def _limit(given: dict[str, Any]) -> dict[str, Any] | None:
    """BudgetLimit, or the planned one that AWS gives as the first that counts."""
    planned = given.get("PlannedBudgetLimits") or {}
    limit = given.get("BudgetLimit") or (planned[min(planned, key=int)] if planned else None)
    amount = None if limit is None else _decimal(limit["Amount"])
    return None if limit is None or amount is None or amount <= 0 else {"amount": amount, "unit": limit["Unit"]}


def _row(
    task: Task,
    account: str,
    given: dict[str, Any],
    notices: list[dict[str, Any]],
    limit: dict[str, Any],
    who: list[str],
) -> BudgetRow:
    times, spend = given.get("TimePeriod", {}), given.get("CalculatedSpend", {})
    starts, ends = (_day(times.get(name)) for name in ("Start", "End"))
    custom = given["TimeUnit"] == "CUSTOM"
    amounts = {"actual": spend.get("ActualSpend"), "forecast": spend.get("ForecastedSpend")}
    known = {name: money["Amount"] for name, money in amounts.items() if money}
    notes = [f"AWS says its health is {health}." for health in [_health(given)] if health not in ("", "HEALTHY")]
    thresholds, ignored = _thresholds(notices, limit["amount"])
    payer = task.settings.payer
    return BudgetRow(
        name=f"{account}:{given['BudgetName']}",
        scope={},
        amount=limit["amount"],
        currency=str(limit["unit"])[:8],
        thresholds=thresholds,
        recipients=who if task.settings.collect.tell_aws_subscribers else [],
        source=AWS,
        updated_at=task.as_of,
        document={
            "account": account,
            "payer": payer is not None and payer.id == account,
            "period": given["TimeUnit"],
            "first": starts.isoformat() if custom and starts else None,
            "last": (ends - timedelta(days=1)).isoformat() if custom and ends else None,
            "starts": None if starts is None else starts.isoformat(),
            "ends": None if ends is None or ends.year >= NO_END else ends.isoformat(),
            "planned": _planned(given),
            "told": known | ({"unit": limit["unit"]} if known else {}),
            "subscribers": who,
            "notes": notes + ignored,
            "aws": {key: given[key] for key in KEPT if given.get(key)},
        },
    )


def _thresholds(notices: list[dict[str, Any]], limit: Decimal) -> tuple[list[dict[str, Any]], list[str]]:
    """Ours, and what of AWS's is none of ours."""
    found, ignored = [], []
    for notice in notices:
        if notice.get("ComparisonOperator") != "GREATER_THAN":
            ignored.append(f"A threshold {notice.get('ComparisonOperator')} {notice.get('Threshold')} is AWS's alone.")
            continue
        share = float(notice["Threshold"])
        percent = share if notice.get("ThresholdType") != "ABSOLUTE_VALUE" else 100 * share / float(limit)
        found.append({"kind": KINDS[notice["NotificationType"]], "percent": round(percent, 4)})
    return found, ignored


def _subscribers(client: Any, account: str, name: str, notices: list[dict[str, Any]]) -> list[str]:
    """Mail addresses that AWS tells, each once. Topics are not mailed."""
    found: list[str] = []
    for notice in notices:
        asked = {key: value for key, value in notice.items() if key != "NotificationState"}
        listed = pages(
            client,
            "describe_subscribers_for_notification",
            "Subscribers",
            AccountId=account,
            BudgetName=name,
            Notification=asked,
        )
        found += [item["Address"] for item in listed if item["SubscriptionType"] == "EMAIL"]
    return list(dict.fromkeys(found))


def _planned(given: dict[str, Any]) -> dict[str, str]:
    """Planned limits by the day they begin; AWS names them by the second."""
    begin = {
        datetime.fromtimestamp(int(second), tz=UTC).date(): limit["Amount"]
        for second, limit in (given.get("PlannedBudgetLimits") or {}).items()
    }
    return {day.isoformat(): amount for day, amount in sorted(begin.items()) if (_decimal(amount) or 0) > 0}


def _health(given: dict[str, Any]) -> str:
    return str((given.get("HealthStatus") or {}).get("Status", ""))


def _day(moment: Any) -> date | None:
    return moment.date() if isinstance(moment, datetime) else None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _keep(task: Task, account: str, rows: list[BudgetRow]) -> None:
    """This account's budgets are these, and no others. What has not changed is left as it is."""
    mine = BudgetRow.name.startswith(f"{account}:", autoescape=True)
    with task.ledger.session() as session:
        there = {row.name: row for row in session.scalars(select(BudgetRow).where(BudgetRow.source == AWS, mine))}
        for row in rows:
            before = there.pop(row.name, None)
            if before is None or _content(before) != _content(row):
                session.merge(row)
        for gone in there.values():
            session.delete(gone)


def _content(row: BudgetRow) -> tuple[Any, ...]:
    return (row.amount, row.currency, row.thresholds, row.recipients, row.document)


AWS_BUDGETS = Source(
    name="aws_budgets",
    description="AWS's own budgets with their thresholds, subscribers, and what AWS says was and will be spent",
    per="payer",
    permissions=("budgets:ViewBudget",),
    collect=collect,
)
