"""Budgets are evaluated three times a simulated day, and who asked to hear of a threshold hears of it once a period.

In: the house and how far time has come. Out: messages to SNS topics (moto's) and mails, as text files in ``outbox``:
``<when>-<address>-<digest>.txt``, which tests and people may read. Whole days only are judged at moments that have
passed, so that a jump of a month says what a month of waiting would have said.
"""

from __future__ import annotations

import contextlib
import hashlib
import operator
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from moto.sns.models import sns_backends

from sagekeeper.simulator.budget_book import Budget, BudgetBook, Notice
from sagekeeper.simulator.budget_spend import actual, daily, forecast, limit, period
from sagekeeper.simulator.operations import House
from sagekeeper.simulator.world import World

EVERY = timedelta(hours=8)
"""AWS refreshes billing data several times a day (aws-facts section 3.1)."""
COMPARED = {"GREATER_THAN": operator.gt, "LESS_THAN": operator.lt, "EQUAL_TO": operator.eq}
LOOK_BACK = timedelta(days=400)


def bring_up_to(house: House, outbox: Path, world: World, now: datetime) -> None:
    """Evaluate what has not been evaluated until ``now``."""
    for here in list(world.standing.values()):
        book = here.budgets
        if not any(budget.notices for budget in book.budgets.values()):
            book.checked = now
            continue
        moments = list(_moments(book, now))
        book.checked = now
        if not moments:
            continue
        for budget in book.budgets.values():
            if budget.notices:
                spent = daily(house.meter, here.account, budget.given, (now - LOOK_BACK).date(), now)
                for moment in moments:
                    _judge(here.account, budget, spent, moment, outbox)


def exceeded(notice: Notice, budget: Budget, spent: dict[date, float], today: date, until: date) -> bool:
    """Whether the threshold is passed, with all days before ``until`` counted."""
    begin, end = period(budget.given, today)
    may = limit(budget.given, spent, begin)
    kind, compared, threshold, measure = notice.key
    amount = (
        actual(spent, begin, min(until, end)) if kind == "ACTUAL" else forecast(spent, begin, end, min(today, until))
    )
    if may is None or amount is None:
        return False
    wanted = threshold if measure == "ABSOLUTE_VALUE" else may * threshold / 100
    return bool(COMPARED[compared](amount, wanted))


def _moments(book: BudgetBook, now: datetime) -> Iterator[datetime]:
    since = book.checked or now
    moment = since.replace(hour=since.hour // 8 * 8, minute=0, second=0, microsecond=0) + EVERY
    while moment <= now:
        yield moment
        moment += EVERY


def _judge(account: str, budget: Budget, spent: dict[date, float], moment: datetime, outbox: Path) -> None:
    today = moment.date()
    begin, end = period(budget.given, today)
    for notice in budget.notices:
        if begin.isoformat() in notice.said or not begin <= today < end:
            continue
        if exceeded(notice, budget, spent, today, today):
            notice.said.add(begin.isoformat())
            _tell(account, budget, notice, spent, moment, outbox)


def _tell(
    account: str, budget: Budget, notice: Notice, spent: dict[date, float], moment: datetime, outbox: Path
) -> None:
    subject = f"AWS Budgets: {budget.given['BudgetName']} has exceeded your alert threshold"
    text = _words(account, budget, notice, spent, moment)
    for subscriber in notice.subscribers:
        if subscriber["SubscriptionType"] == "SNS":
            _publish(subscriber["Address"], subject, text)
        else:
            _mail(outbox, subscriber["Address"], subject, text, moment)


def _words(account: str, budget: Budget, notice: Notice, spent: dict[date, float], moment: datetime) -> str:
    begin, end = period(budget.given, moment.date())
    kind, compared, threshold, measure = notice.key
    may = limit(budget.given, spent, begin) or 0.0
    wanted = threshold if measure == "ABSOLUTE_VALUE" else may * threshold / 100
    reached = actual(spent, begin, moment.date()) if kind == "ACTUAL" else forecast(spent, begin, end, moment.date())
    sign = {"GREATER_THAN": ">", "LESS_THAN": "<", "EQUAL_TO": "="}[compared]
    return "\n".join(
        (
            f"AWS Budget Notification {moment:%B %d, %Y}",
            f"AWS Account {account}",
            "",
            f"You requested that we alert you when the {kind} Cost associated with your "
            f"{budget.given['BudgetName']} budget is {sign} ${wanted:,.2f} for the current period. "
            f"The {kind} Cost associated with this budget is ${reached or 0.0:,.2f}.",
            "",
            f"Budget Name: {budget.given['BudgetName']}",
            f"Budget Type: {budget.given['BudgetType'].title()}",
            f"Budgeted Amount: ${may:,.2f}",
            f"Alert Type: {kind}",
            f"Alert Threshold: {sign} ${wanted:,.2f}",
            f"{kind} Amount: ${reached or 0.0:,.2f}",
        )
    )


def _publish(arn: str, subject: str, text: str) -> None:
    _, _, _, region, account, _ = arn.split(":", 5)
    topic: Any = sns_backends[account][region].topics.get(arn)
    if topic is not None:
        # Subscribers beyond loopback are refused; those behind them shall hear of it all the same.
        with contextlib.suppress(OSError):
            topic.publish(text, subject=subject[:100])


def _mail(outbox: Path, address: str, subject: str, text: str, moment: datetime) -> None:
    outbox.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(f"{address}/{subject}/{text}".encode()).hexdigest()[:8]
    name = f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{address.replace('/', '_')}-{digest}.txt"
    head = f"From: budgets@costalerts.amazonaws.com\nTo: {address}\nDate: {moment.isoformat()}\nSubject: {subject}\n\n"
    (outbox / name).write_text(head + text + "\n")
