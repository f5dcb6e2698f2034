"""Settings: environment (``SAGEKEEPER_...``, ``__`` between levels), then ``sagekeeper.toml``, then the defaults below.

The defaults run everything embedded in one folder: lake, SQLite ledger, no AWS account named. A secret (database password,
SMTP password) belongs in the environment; nothing here is ever logged whole.
"""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sagekeeper.core.errors import BadInput


class Account(BaseModel):
    """One AWS account to watch."""

    id: str = Field(pattern=r"^\d{12}$")
    name: str = ""
    reader_role_arn: str | None = Field(None, description="assumed to read; None: the base credentials")
    applier_role_arn: str | None = Field(None, description="assumed to change; None: this account is read only")
    external_id: str | None = None


class Aws(BaseModel):
    """How to reach AWS."""

    profile: str | None = None
    endpoint_url: str | None = Field(None, description="another address for every service: the simulated account")
    payer_account: str | None = Field(None, description="where Cost Explorer is asked; None: the first account")
    accounts: list[Account] = []
    regions: list[str] = ["us-east-1"]
    max_workers: int = Field(8, ge=1, le=64, description="concurrent AWS calls")


class Collect(BaseModel):
    """How far back and how much to read."""

    cost_months: int = Field(13, ge=1, le=38, description="months of daily cost on the first run")
    restated_days: int = Field(5, ge=2, le=45, description="days read again on each run, because AWS restates them")
    metric_days: int = Field(30, ge=3, le=400, description="days of hourly metrics on the first run")
    capture_days: int = Field(14, ge=1, le=90, description="days of data capture on the first run")
    capture_buckets: list[str] = Field([], description="restrict to these buckets; empty: wherever endpoints write")
    capture_model_attribute: str = Field(
        "TargetModel",
        pattern=r"^[\w.-]+$",
        description="custom attribute of a request (key=value) that names the model of a multi-model endpoint",
    )
    capture_late_hours: int = Field(
        24, ge=1, le=720, description="capture files that appear so long after their hour are still read"
    )
    capture_keep_days: int = Field(
        90, ge=8, le=3650, description="days for which profiles are kept by hour; by day they are kept for good"
    )
    capture_features: dict[str, list[str]] = Field(
        {},
        description="features of an endpoint in their order, where no baseline tells them (patterns: house-* = [...])",
    )
    capture_drop: list[str] = Field(
        [], description="captured features that are never kept, as feature or endpoint/feature (patterns: *email*)"
    )
    capture_hash: list[str] = Field(
        [],
        description="captured features of which only keyed hashes are kept, as feature or endpoint/feature (patterns)",
    )
    capture_hash_key: SecretStr | None = Field(
        None,
        description="secret key of those hashes: who knows it can look up a value, and the same key compares over time",
    )
    exports: list[str] = Field(
        [],
        description="s3://bucket/prefix of billing exports (CUR, CUR 2.0, FOCUS) that the payer's reader role may read",
    )
    tell_aws_subscribers: bool = Field(
        False, description="also tell those whom AWS Budgets tells, of AWS's budgets; they get AWS's own mails too"
    )
    own_cost_limit_usd_per_day: Decimal = Field(Decimal("5"), description="stop collecting above this own cost")

    @model_validator(mode="after")
    def _hashes_have_a_key(self) -> Collect:
        """Plain hashes of names or ages are undone by trying all names and ages."""
        if self.capture_hash and not (self.capture_hash_key and self.capture_hash_key.get_secret_value()):
            raise ValueError("capture_hash needs capture_hash_key (SAGEKEEPER_COLLECT__CAPTURE_HASH_KEY)")
        return self


Fallback = Literal["endpoint_config", "model", "endpoint", "parent", "execution_role", "user_profile"]


class Ownership(BaseModel):
    """Whose cost is whose, where a resource's own owner tag does not say, and how names are spelled."""

    team_tags: list[str] = Field(["team", "squad"], description="tags that name the team, first wins")
    project_tags: list[str] = Field(["project", "application"], description="tags that name the project, first wins")
    any_case: bool = Field(True, description="owner, Owner and OWNER are one tag")
    fold_names: bool = Field(
        False, description="names that differ only in case, spaces, '-' and '_' are one, written small with '-'"
    )
    same: dict[str, list[str]] = Field({}, description="a name and its other spellings: risk = ['Risk & Fraud']")
    roles: dict[str, str] = Field({}, description="execution roles by name, and whose they are")
    user_profile_names: bool = Field(True, description="a Studio user profile without tags is an owner by its name")
    fallbacks: list[Fallback] = Field(
        ["endpoint_config", "model", "endpoint", "parent", "execution_role", "user_profile"],
        description="where to look on, in this order, for what has no owner of its own",
    )


SplitColumn = Literal[
    "account",
    "region",
    "service",
    "usage_family",
    "charge_category",
    "resource_kind",
    "resource_name",
    "owner",
    "team",
    "project",
]


class Split(BaseModel):
    """A shared cost and those who share it. Rules are tried in order; a cost is split by the first that matches."""

    name: str = Field(min_length=1)
    match: dict[SplitColumn, str] = Field(
        min_length=1, description="column = pattern with * and ?; an empty pattern: what has nothing there"
    )
    over: Literal["owner", "team", "project"] = "owner"
    by: Literal["even", "usage", "fixed"] = Field("usage", description="usage: in proportion to what each costs itself")
    shares: dict[str, float] = Field({}, description="by = 'fixed': who pays which part, together at most 1")

    @model_validator(mode="after")
    def _shares_fit(self) -> Split:
        if (self.by == "fixed") != bool(self.shares):
            raise ValueError("shares belong to by = 'fixed', and to nothing else")
        if any(share <= 0 for share in self.shares.values()) or sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError("shares are above 0 and together at most 1")
        return self

    @property
    def words(self) -> str:
        """The rule in a few words, as every row that came of it carries them."""
        how = {"even": "evenly", "usage": "by usage", "fixed": "by fixed shares"}[self.by]
        return f"{self.name}: {how} over {self.over}s"


Names = str | list[str] | None


class Budget(BaseModel):
    """A budget and who is told when it is, or will be, exceeded. Without a scope it is about everything."""

    name: str = Field(min_length=1, max_length=200)
    amount: Decimal = Field(gt=0)
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    period: Literal["DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM"] = "MONTHLY"
    first: date | None = Field(None, description="of a CUSTOM period")
    last: date | None = Field(None, description="of a CUSTOM period, included")
    planned: dict[date, Decimal] = Field({}, description="other amounts from a day on: {2026-11-01 = 500}")
    notion: Literal["billed", "effective"] = Field("billed", description="effective: commitments spread over their use")
    account: Names = None
    owner: Names = None
    team: Names = None
    project: Names = None
    region: Names = None
    service: Names = None
    usage_family: Names = None
    endpoint: Names = None
    model: Names = None
    family: Names = Field(None, description="jobs whose names differ in dates, numbers and hashes only")
    notebook: Names = None
    actual_percent: list[Annotated[int, Field(gt=0, le=1000)]] = [80, 100]
    forecast_percent: list[Annotated[int, Field(gt=0, le=1000)]] = [100]
    forecast_probability: float = Field(0.5, gt=0, lt=1, description="how likely a breach must be to be told")
    recipients: list[str] = []

    @model_validator(mode="after")
    def _period_fits(self) -> Budget:
        if (self.period == "CUSTOM") != (self.first is not None and self.last is not None):
            raise ValueError("first and last belong to period = 'CUSTOM', and it needs both")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("last is before first")
        return self

    @property
    def scope(self) -> dict[str, Any]:
        """What it is about, by the keys that are given."""
        keys = ("account", "owner", "team", "project", "region", "service", "usage_family")
        given = {name: getattr(self, name) for name in (*keys, "endpoint", "model", "family", "notebook")}
        return {name: value for name, value in given.items() if value}


class Mail(BaseModel):
    """The SMTP server that reports go through."""

    host: str | None = None
    port: int = 587
    user: str | None = None
    password: str | None = Field(None, repr=False)
    tls: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = "sagekeeper@localhost"
    digest_recipients: list[str] = []
    alert_recipients: list[str] = Field(
        [], description="told at once of a job that runs away and of incidents; empty: those of the digest"
    )
    owners: dict[str, list[str]] = Field({}, description="mail addresses of owners: {risk = ['risk@example.com']}")
    owner_domains: list[str] = Field(
        [], description="an owner tag that is an address at one of these is written to; no other address from AWS is"
    )


class Lifecycle(BaseModel):
    """How changes are made."""

    enabled: bool = Field(True, description="False: nothing is ever changed in AWS")
    watch_hours: int = Field(24, ge=0, le=336, description="how long health is watched after an update")
    poll_seconds: float = Field(5.0, gt=0, description="pause of the worker between looks at the queue")
    lease_seconds: int = Field(120, ge=5)
    opt_in_tag: str = Field(
        "cost-optimizer=managed", description="key=value that a resource must carry; empty: none needed"
    )
    opt_out_tag: str = Field(
        "cost-optimizer=ignore", description="what carries it is not called idle, and no change of it is proposed"
    )


class Rollup(BaseModel):
    """Where bill rows are summed to days."""

    engine: Literal["embedded", "spark"] = Field("embedded", description="spark: needs the extra `spark`")
    spark_remote: str = Field("local[*]", description="sc://host:15002 (Spark Connect), or local[N]: on this machine")
    memory_mb: int = Field(
        512, ge=128, description="embedded: memory for one day's sums; beyond it, a temporary folder"
    )


class Anomalies(BaseModel):
    """Which unusual costs are told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_share: float = Field(
        0.07, gt=0, le=0.5, description="share of what is told that may be chance (false discovery rate)"
    )
    least_surprise: float = Field(
        4.0,
        ge=1,
        le=30,
        description="-log10 of the chance of a day, weighed by its money, below which it is never told",
    )
    money_weight: float = Field(
        0.7, ge=0, le=1, description="how much money makes up for certainty: the power of the money in its weight"
    )
    least_money: float = Field(
        5.0, gt=0, description="excess, in the currency of the costs, below which nothing is told"
    )
    accept_after_days: int = Field(
        5, ge=1, le=90, description="elevated days after which a new level is known and learned, and only more is news"
    )
    provisional_days: int = Field(
        2, ge=0, le=10, description="last days of the costs, which AWS still restates: a flag on them may be withdrawn"
    )


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="SAGEKEEPER_", env_nested_delimiter="__", extra="forbid", toml_file="sagekeeper.toml"
    )

    data_dir: Path = Path(".sagekeeper")
    lake_url: str | None = Field(None, description="folder or s3:// address; None: <data_dir>/lake")
    lake_options: dict[str, str] = Field({}, repr=False, description="object store options, for example credentials")
    ledger_url: str | None = Field(None, repr=False, description="None: SQLite in <data_dir>")
    clock_url: str | None = Field(None, description="where to ask for the time; None: the machine's clock")
    dashboard_url: str = "http://localhost:8501"
    owner_tags: list[str] = Field(["owner", "Owner", "team"], description="tags that name the owner, first wins")
    planned_tags: list[str] = Field(
        ["change", "change-id", "deployment", "release", "aws:cloudformation:stack-name"],
        description="tags by which a change says that it was meant: what it costs is expected, not alarmed",
    )
    ownership: Ownership = Ownership()
    splits: list[Split] = Field([], description="shared costs and who shares them")
    aws: Aws = Aws()
    collect: Collect = Collect()
    rollup: Rollup = Rollup()
    anomalies: Anomalies = Anomalies()
    budgets: list[Budget] = []
    currency_rates: dict[str, Annotated[Decimal, Field(gt=0)]] = Field(
        {},
        description="what one of the first costs of the second, {'EUR/USD' = 1.08}; without one nothing is converted",
    )
    mail: Mail = Mail()
    notify: list[str] = Field([], repr=False, description="Apprise addresses for alerts besides mail")
    lifecycle: Lifecycle = Lifecycle()
    analyzers: dict[str, dict[str, Any]] = Field({}, description="settings of single analyzers, by name")
    levers: dict[str, dict[str, Any]] = Field({}, description="settings of single levers, by name")

    @property
    def lake_root(self) -> str:
        """Where the lake is."""
        return self.lake_url or str(self.data_dir / "lake")

    @property
    def ledger_address(self) -> str:
        """Where the ledger is."""
        return self.ledger_url or f"sqlite:///{(self.data_dir / 'ledger.db').resolve()}"

    @property
    def payer(self) -> Account | None:
        """The account that Cost Explorer is asked in."""
        named = [account for account in self.aws.accounts if account.id == self.aws.payer_account]
        return next(iter(named or self.aws.accounts), None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (pydantic's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the file named by SAGEKEEPER_CONFIG (default: sagekeeper.toml here)."""
        file = os.environ.get("SAGEKEEPER_CONFIG", "sagekeeper.toml")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises BadInput naming each wrong setting."""
    named = os.environ.get("SAGEKEEPER_CONFIG")
    if named and not Path(named).is_file():
        raise BadInput(f"SAGEKEEPER_CONFIG names {named}, which is not there. Correct it or unset it.")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise BadInput(f"Settings are wrong: {wrong}.") from error
    except ValueError as error:
        raise BadInput(f"sagekeeper.toml cannot be read: {error}.") from error
