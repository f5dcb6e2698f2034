"""The guard: what a file would launch, priced before it is, against what is left of the budgets that it falls under.

In: requests, the house, ``as_of``. Out: a `Ruling`. A budget's rest is its limit less what is on the bill of its period and less
what was used since the bill's last day (`estimates`). A budget applies where its scope fits the request: account (of the role),
owner tag, or nothing in particular; all that apply must hold. `Verdict`: fits, does not fit, or cannot be judged: a price that is
missing, another currency, no budget.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from sagekeeper.analyzers.effective_rates import BILL_COLUMNS, newest_rates
from sagekeeper.analyzers.facts import BILL
from sagekeeper.analyzers.launch import Range, Work, total
from sagekeeper.analyzers.launch_jobs import Assumptions
from sagekeeper.analyzers.launch_operations import ENDPOINT, ENDPOINT_CONFIG, JOB_READERS, NOTEBOOK, PIPELINE, SCALING
from sagekeeper.analyzers.launch_past import Past
from sagekeeper.analyzers.launch_pipeline import read as read_pipeline
from sagekeeper.analyzers.launch_price import PricedWork, price, quotes, whole
from sagekeeper.analyzers.launch_standing import endpoint_config, notebook, scaling_of
from sagekeeper.analyzers.launch_verdict import Verdict, judge
from sagekeeper.analyzers.owners import OwnerRules
from sagekeeper.collector.history import latest_inventory, price_book
from sagekeeper.core.clock import day_start, month_start, next_month
from sagekeeper.core.errors import BadInput
from sagekeeper.core.tables import COSTS, ESTIMATES, JOBS, SAGEMAKER
from sagekeeper.reports.views.budget_rows import covers
from sagekeeper.reports.views.budgets import BudgetState, all_states
from sagekeeper.reports.views.spend import COST_EXPLORER, load_cube
from sagekeeper.service.facts import BILL_ROW_DAYS, JOB_MONTHS_DAYS
from sagekeeper.service.house import House
from sagekeeper.service.launch_file import Request

FAMILIES = {
    "training_job": "training",
    "hyper_parameter_tuning_job": "training",
    "processing_job": "processing",
    "transform_job": "batch_transform",
    "endpoint": "hosting",
    "notebook_instance": "notebook",
}


@dataclass(frozen=True)
class PricedDocument:
    """One request of the file, or all steps of its pipeline."""

    where: str
    works: tuple[PricedWork, ...]
    notes: tuple[str, ...]

    @property
    def cost(self) -> Range:
        """Of it all; of a pipeline's conditions one branch each."""
        return whole(list(self.works))

    @property
    def unknown(self) -> list[str]:
        """What no figure holds, with whose it is."""
        return [f"{item.work.name or item.work.kind}: {why}" for item in self.works for why in item.unknown]

    @property
    def open(self) -> list[str]:
        """What has bounds only, with whose it is."""
        return [f"{item.work.name or item.work.kind}: {why}" for item in self.works for why in item.work.open]

    @property
    def tags(self) -> dict[str, str]:
        """Tags of all its requests; the first that names a key wins."""
        return {key: value for item in reversed(self.works) for key, value in item.work.tags.items()}


@dataclass(frozen=True)
class Priced:
    """All of the file. ``upto``: until when what stands is counted."""

    account: str
    region: str
    documents: tuple[PricedDocument, ...]
    upto: datetime
    currency: str

    @property
    def works(self) -> list[PricedWork]:
        """Every request and step."""
        return [work for document in self.documents for work in document.works]

    @property
    def cost(self) -> Range:
        """Of all documents together, until ``upto``."""
        return total(document.cost for document in self.documents)

    @property
    def month(self) -> Range | None:
        """What stands, per month of 730 hours; None where nothing does."""
        months = [work.month for work in self.works if work.month is not None]
        return total(months) if months else None


@dataclass(frozen=True)
class Ruling:
    """What one budget says to those documents that it applies to. ``left`` None: not known, ``why`` says so."""

    state: BudgetState
    documents: tuple[str, ...]
    cost: Range
    unbilled: float
    left: float | None
    left_if_all_goes_on: float | None
    verdict: Verdict
    why: str


def priced(
    house: House,
    requests: list[Request],
    account: str | None,
    region: str,
    given: dict[str, Any],
    as_of: datetime,
    assumed: Assumptions,
) -> Priced:
    """Read and price every request. Raises BadInput for one that cannot be read."""
    today = as_of.date()
    where = account or _account(house, requests)
    since = month_start(today - timedelta(days=JOB_MONTHS_DAYS))
    jobs = house.lake.scan(JOBS).filter((pl.col("account") == where) & (pl.col("month") >= since)).collect()
    reader = _Reader(house, requests, Past(jobs), given, assumed, where, region, as_of)
    read = [(item, reader.works(item)) for item in requests]
    usage = {use.usage_type for _, works in read for work in works for use in work.uses}
    first = today - timedelta(days=BILL_ROW_DAYS)
    on_bill = (pl.col("x_Dataset") == BILL) & pl.col("x_ChargeDate").is_between(first, today)
    rates = newest_rates(house.lake.scan(COSTS).filter(on_bill).select(BILL_COLUMNS).collect())
    offered = quotes(rates, price_book(house.lake, today), where, region, usage)
    upto = day_start(next_month(today))
    hours = (upto - as_of).total_seconds() / 3600
    currencies = {offered[name].currency for name in usage if offered[name].price is not None}
    return Priced(
        account=where,
        region=region,
        documents=tuple(
            PricedDocument(item.where, tuple(price(works, offered, hours)), item.notes) for item, works in read
        ),
        upto=upto,
        currency="USD" if not currencies else currencies.pop() if len(currencies) == 1 else "several currencies",
    )


def rulings(house: House, seen: Priced, named: str | None, as_of: datetime, ceiling: bool = False) -> list[Ruling]:
    """What each budget that applies says, the tightest first. Raises BadInput where ``named`` is no budget."""
    states = all_states(house.ledger, house.lake, house.settings, load_cube(house.lake, COST_EXPLORER, as_of), as_of)
    if named is not None and named not in {state.name for state in states}:
        known = ", ".join(sorted(state.name for state in states)) or "none"
        raise BadInput(f"There is no budget {named}. There are: {known}.")
    rules = OwnerRules.of(house.settings)
    found = []
    for state in states:
        of_it = [item for item in seen.documents if named == state.name or _applies(state, seen, item, rules)]
        if of_it and (named is None or named == state.name):
            found.append(_ruling(house, state, seen, of_it, as_of, ceiling))
    return sorted(found, key=lambda ruling: float("inf") if ruling.left is None else ruling.left)


def _ruling(
    house: House, state: BudgetState, seen: Priced, of_it: list[PricedDocument], as_of: datetime, ceiling: bool
) -> Ruling:
    cost = total(item.cost for item in of_it)
    unknown = [why for item in of_it for why in item.unknown]
    opened = [why for item in of_it for why in item.open]
    unbilled, left, if_all, why = 0.0, None, None, ""
    if state.currency != seen.currency:
        why = f"The budget is in {state.currency} and the price in {seen.currency}: never compared without a rate."
    elif state.why:
        why = state.why
    elif state.spent is None:
        why = f"There is no bill of {state.month:%B} yet, so what is left of the budget is not known."
    else:
        unbilled = _unbilled(house, state, as_of)
        left = float(state.amount) - state.spent - unbilled
        if state.forecast is not None:
            if_all = float(state.amount) - max(state.forecast.expected, state.spent + unbilled)
    judged = Range(cost.low, cost.high, cost.high) if ceiling else cost
    verdict = judge(judged, left, known=not unknown, bounded=not opened)
    return Ruling(state, tuple(item.where for item in of_it), cost, unbilled, left, if_all, verdict, why)


def _unbilled(house: House, state: BudgetState, as_of: datetime) -> float:
    """Used after the bill's last day and not billed yet, in the budget's scope, by the estimate."""
    after = state.upto or state.month - timedelta(days=1)
    rows = (
        house.lake.scan(ESTIMATES)
        .filter((pl.col("day") > after) & (pl.col("day") <= as_of.date()) & (pl.col("currency") == state.currency))
        .with_columns(
            pl.lit(None, pl.String).alias("team"),
            pl.lit(None, pl.String).alias("project"),
            service=pl.lit(SAGEMAKER),
            charge_category=pl.lit("Usage"),
        )
        .filter(state.where)
    )
    return float(rows.select(pl.col("cost").sum()).collect().item())


def _applies(state: BudgetState, seen: Priced, document: PricedDocument, rules: OwnerRules) -> bool:
    """Whether any of its requests would be on the budget's rows. A budget that cannot be judged is asked for by name only."""
    if "cannot be judged here" in state.why or "model" in state.limits:
        return False
    whose = {column: _named(document.tags, rules, column) for column in ("owner", "team", "project")}
    here = whose | {"account": seen.account, "region": seen.region, "service": SAGEMAKER, "charge_category": "Usage"}
    things = [here | _resource(item.work) for item in document.works]
    return any(covers(state.where, things))


def _named(tags: dict[str, str], rules: OwnerRules, of: str) -> str | None:
    return rules.spell(next((tags[key] for key in rules.keys(of) if key in tags), None))


def _resource(work: Work) -> dict[str, str | None]:
    kind = "endpoint" if work.kind == "endpoint_config" else work.kind
    return {"resource_kind": kind, "resource_name": work.name, "usage_family": FAMILIES.get(kind)}


def _account(house: House, requests: list[Request]) -> str:
    """The account of the role that the first request names, if it is a watched one, else the payer."""
    accounts = {item.id for item in house.settings.aws.accounts}
    for item in requests:
        role = str(item.parameters.get("RoleArn") or item.parameters.get("ExecutionRoleArn") or "").split(":")
        if len(role) > 5 and role[4] in accounts:
            return role[4]
    payer = house.settings.payer
    return "" if payer is None else payer.id


@dataclass(frozen=True)
class _Reader:
    house: House
    requests: list[Request]
    past: Past
    given: dict[str, Any]
    assumed: Assumptions
    account: str
    region: str
    as_of: datetime

    def works(self, request: Request) -> list[Work]:
        """The request as `Work`s: several of a pipeline, none of a scaling target."""
        document = request.parameters
        if request.operation in JOB_READERS:
            return [JOB_READERS[request.operation](document, self.past, self.assumed)]
        if request.operation == PIPELINE:
            return read_pipeline(document, self.given, self.past, self.assumed)
        if request.operation == NOTEBOOK:
            return [notebook(document)]
        if request.operation == ENDPOINT:
            return [self._endpoint(document)]
        if request.operation == ENDPOINT_CONFIG:
            used = [
                item.parameters["EndpointName"]
                for item in self.requests
                if item.operation == ENDPOINT
                and item.parameters["EndpointConfigName"] == document.get("EndpointConfigName")
            ]
            # An endpoint of the same file that runs it is where it costs.
            return [] if used else [endpoint_config(document, "", self._scaling())]
        return []

    def _scaling(self) -> dict[tuple[str, str], tuple[float, float]]:
        return scaling_of([item.parameters for item in self.requests if item.operation == SCALING])

    def _endpoint(self, document: dict[str, Any]) -> Work:
        name, wanted = document["EndpointName"], document["EndpointConfigName"]
        for item in self.requests:
            if item.operation == ENDPOINT_CONFIG and item.parameters.get("EndpointConfigName") == wanted:
                tags = [*(item.parameters.get("Tags") or []), *(document.get("Tags") or [])]
                return endpoint_config(item.parameters | {"Tags": tags}, name, self._scaling())
        seen = latest_inventory(self.house.lake, self.as_of.date()).filter(
            (pl.col("account") == self.account) & (pl.col("region") == self.region)
        )
        found = seen.filter((pl.col("kind") == "endpoint_config") & (pl.col("name") == wanted))
        if found.is_empty():
            why = f"what it runs on: the endpoint configuration {wanted} is neither in the file nor in the last look"
            return Work("endpoint", name, unknown=(why,))
        config = json.loads(found["config"][0])
        work = endpoint_config(config | {"Tags": document.get("Tags") or []}, name, self._scaling())
        stands = seen.filter((pl.col("kind") == "endpoint") & (pl.col("name") == name)).height
        told = ("The endpoint stands already: what it costs now is in the bill, and is not taken off here.",)
        return replace(work, notes=(*work.notes, *(told if stands else ())))
