"""The organisation that lives in the simulated account, and what stands in it now.

`Standing` is the state of one account and region: endpoints with their history, configurations, models, notebooks,
jobs, schedules, tags. `settle` (`organisation.py`) fills it with thirteen months of a small ML organisation; API calls
change it (`sagemaker_*.py`); the meter (`meter.py`) and the metrics (`traffic.py`) are functions of it and of time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sagekeeper.simulator.advice_book import AdviceBook
from sagekeeper.simulator.bill_orders import Orders
from sagekeeper.simulator.budget_book import BudgetBook
from sagekeeper.simulator.commercial import Commercial
from sagekeeper.simulator.commitments import SavingsPlan
from sagekeeper.simulator.deeds import Deed
from sagekeeper.simulator.explorer_state import Explorer
from sagekeeper.simulator.flow_book import FlowBook
from sagekeeper.simulator.hosting import Fault, Hosting, Traffic
from sagekeeper.simulator.job_book import JobBook
from sagekeeper.simulator.lives import FOREVER, SETTLE, Deployed, Life, Scaled, Stretch, stretches
from sagekeeper.simulator.scaling_state import Scaling
from sagekeeper.simulator.watch import Watch
from sagekeeper.simulator.workspaces import Workspaces

if TYPE_CHECKING:
    from sagekeeper.simulator.worlds.asked import Asked
    from sagekeeper.simulator.worlds.truth import Truth

__all__ = [
    "ACCOUNT_NAMES",
    "FOREVER",
    "PAYER",
    "PRODUCTS",
    "REGIONS",
    "SETTLE",
    "Deployed",
    "Drift",
    "Fault",
    "Life",
    "PriceChange",
    "Scaled",
    "Standing",
    "Stored",
    "Stretch",
    "Surge",
    "Traffic",
    "World",
    "stretches",
]

PAYER = "123456789012"
PRODUCTS = "210987654321"
ACCOUNT_NAMES = {PAYER: "ml-platform", PRODUCTS: "ml-products"}
REGIONS = ("us-east-1", "eu-west-1")


class Drift(NamedTuple):
    """What an endpoint is asked with changes from ``since`` on, in one of the kinds of `worlds.incidents`."""

    kind: str
    since: datetime
    size: float = 1.0


class Stored(NamedTuple):
    """An object that a world has in S3, and since when."""

    account: str
    region: str
    bucket: str
    key: str
    data: bytes
    at: datetime


class Surge(NamedTuple):
    """Much more of one operation's use for a while: gigabytes a day on top of the usual."""

    operation: str
    since: datetime
    until: datetime
    gigabytes_a_day: float


class PriceChange(NamedTuple):
    """A usage type (without its region) costs ``factor`` times as much from a day on."""

    usage_type: str
    since: date
    factor: float


@dataclass
class Standing:
    """Everything in one account and region. ``version`` moves with every change: what is kept of it is then stale."""

    account: str
    region: str
    version: int = 0
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    lives: dict[str, list[Life]] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    hosting: Hosting = field(default_factory=Hosting)
    scaling: Scaling = field(default_factory=Scaling)
    notebooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notebook_runs: dict[str, list[tuple[datetime, datetime | None]]] = field(default_factory=dict)
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    processing: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    job_definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    drifts: dict[str, list[Drift]] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    """What captured endpoints are asked with and answer, where that is not the stand-in of `captures.py`."""
    surges: list[Surge] = field(default_factory=list)
    price_changes: list[PriceChange] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    explorer: Explorer = field(default_factory=Explorer)
    savings_plans: dict[str, SavingsPlan] = field(default_factory=dict)
    budgets: BudgetBook = field(default_factory=BudgetBook)
    advice: AdviceBook = field(default_factory=AdviceBook)
    orders: Orders = field(default_factory=Orders)
    work: Workspaces = field(default_factory=Workspaces)
    flows: FlowBook = field(default_factory=FlowBook)
    jobs: JobBook = field(default_factory=JobBook)
    deeds: list[Deed] = field(default_factory=list)

    def arn(self, kind: str, name: str) -> str:
        """The resource's ARN."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def life(self, name: str) -> Life | None:
        """The endpoint's present life, None when there is none."""
        lives = self.lives.get(name)
        return lives[-1] if lives and lives[-1].deleted is None else None


class World:
    """All accounts and regions, and one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.accounts: dict[str, str] = {}
        """The organisation's accounts and their names, the paying one (`PAYER`) first."""
        self.standing: dict[tuple[str, str], Standing] = {}
        self.open(ACCOUNT_NAMES)
        self.commercial = Commercial()
        self.truths: list[Truth] = []
        self.passing: list[Callable[[World, datetime], None]] = []
        self.data: Path | None = None
        """The account's own copy of the data that its person named, for worlds that take some."""
        self.stored: list[Stored] = []
        self.real_models = False
        """Whether models are really trained here, and really answer."""
        self.programs: dict[str, Callable[[Standing, dict[str, Any], datetime], None]] = {}
        """What processing jobs of this world do when they end, by the file that their entry point names."""

    def open(self, accounts: dict[str, str], regions: Iterable[str] = REGIONS) -> None:
        """Begin anew with these accounts, empty, in these regions."""
        self.accounts = dict(accounts)
        self.standing = {(account, region): Standing(account, region) for account in accounts for region in regions}

    def until(self, now: datetime) -> None:
        """Let what happens by itself happen up to now."""
        for passing in self.passing:
            passing(self, now)

    def at(self, account: str, region: str) -> Standing:
        """What stands in this account and region; an unknown one is empty."""
        with self.lock:
            return self.standing.setdefault((account, region), Standing(account, region))
