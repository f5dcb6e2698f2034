"""Is everything in place? One check per thing that must work, each with what to do when it does not.

In: the settings. Out: a list of `Check`. Nothing is changed: the lake check writes and removes a file of its own, the
Cost Explorer check asks for one day (AWS charges a cent for it, which is counted like every other call).
"""

from __future__ import annotations

import importlib.util
import smtplib
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected

from sagekeeper.core.aws import AwsSessions, Role, explain
from sagekeeper.core.errors import SagekeeperError
from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import open_ledger
from sagekeeper.core.ledger.connection import MIGRATIONS
from sagekeeper.core.settings import Account, Settings
from sagekeeper.core.tables import COSTS
from sagekeeper.service.house import clock_of

EXTRAS = {
    "simulator": ("moto", "the simulated account (sagekeeper demo, sagekeeper simulate)"),
    "seedling": ("xgboost", "the simulated world whose models are really trained (simulate serve --scale seedling)"),
    "postgres": ("psycopg", "a Postgres ledger"),
    "sagemaker": ("sagemaker", "reading pipeline definitions"),
    "spark": ("pyspark", "lakes too large for one machine"),
}
SILENT = (NotConnected, HTTPClientError, URLError)
NOTHING_ANSWERS = "Nothing answers there: check the network and the address; rights and roles were not reached."
CLOCK_SKEW_LIMIT = timedelta(minutes=5)
"""AWS refuses requests whose signature is older than five minutes (SigV4)."""


@dataclass(frozen=True)
class Check:
    """One thing looked at. ``advice`` says what to do when it is not ok."""

    name: str
    state: Literal["ok", "note", "failed"]
    detail: str
    advice: str = ""


def diagnose(settings: Settings) -> list[Check]:
    """Run all checks. None stops another."""
    return list(_all_checks(settings))


def _all_checks(settings: Settings) -> Iterator[Check]:
    yield _lake(settings)
    yield _ledger(settings)
    yield _clock(settings)
    yield from _aws(settings)
    yield _mail(settings)
    yield from _extras(settings)


def _lake(settings: Settings) -> Check:
    root = settings.lake_root
    try:
        version = Lake(root, settings.lake_options).version(COSTS)
        if "://" not in root:
            Path(root).mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=root, prefix=".doctor-"):
                pass
    except Exception as error:  # noqa: BLE001 (an object store may raise anything; the sentence is the check's result)
        advice = "Make the folder writable for this user, or set SAGEKEEPER_DATA_DIR or SAGEKEEPER_LAKE_URL."
        return Check("lake", "failed", f"{root}: {error}", advice)
    held = "no costs yet" if version is None else f"costs at version {version}"
    return Check("lake", "ok", f"{root}, {held}")


def _ledger(settings: Settings) -> Check:
    try:
        ledger = open_ledger(settings.ledger_address)
    except (SagekeeperError, OSError) as error:
        return Check("ledger", "failed", str(error), "Start the database, or correct SAGEKEEPER_LEDGER_URL.")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    with ledger.engine.connect() as connection:
        version = MigrationContext.configure(connection).get_current_revision()
    shown = ledger.engine.url.render_as_string(hide_password=True)
    ledger.close()
    if version != head:
        return Check("ledger", "failed", f"{shown} is at {version}, this program knows {head}", "Upgrade Sagekeeper.")
    return Check("ledger", "ok", f"{shown}, migration {version}")


def _clock(settings: Settings) -> Check:
    try:
        now = clock_of(settings)()
    except SagekeeperError as error:
        return Check("clock", "failed", str(error), "Start the simulated account, or unset SAGEKEEPER_CLOCK_URL.")
    return Check("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC, {'simulated' if settings.clock_url else 'this machine'}")


def _aws(settings: Settings) -> Iterator[Check]:
    if not settings.aws.accounts:
        advice = "Name them in sagekeeper.toml under [[aws.accounts]], or try `sagekeeper demo`."
        yield Check("aws", "note", "no AWS account is named in the settings", advice)
        return
    sessions = AwsSessions(settings.aws)
    for account in settings.aws.accounts:
        for region in settings.aws.regions[:1]:
            yield _identity(sessions, account, region, "reader", settings)
            if account.applier_role_arn is None:
                yield Check(f"aws {account.id} applier", "note", "no applier role: this account is read only")
            else:
                yield _identity(sessions, account, region, "applier", settings)
    payer = settings.payer
    if payer is not None:
        yield _cost_explorer(sessions, payer, settings)


def _identity(sessions: AwsSessions, account: Account, region: str, role: Role, settings: Settings) -> Check:
    name = f"aws {account.id} {role}"
    arn = account.reader_role_arn if role == "reader" else account.applier_role_arn
    advice = f"Check the base credentials and the trust policy of {arn or 'the base credentials'}."

    def ask() -> Check:
        answer = sessions.client("sts", account.id, region, role).get_caller_identity()
        if answer["Account"] != account.id:
            detail = f"answers as account {answer['Account']}"
            return Check(name, "failed", detail, f"Give account {account.id} a role of its own ({role}_role_arn).")
        skew = _skew(answer)
        if settings.aws.endpoint_url is None and skew > CLOCK_SKEW_LIMIT:
            detail = f"{answer['Arn']}, but this machine's clock is off by {skew}"
            return Check(name, "failed", detail, "Set the machine's clock (NTP): AWS refuses such signatures.")
        return Check(name, "ok", answer["Arn"])

    return tried(name, advice, ask)


def _skew(answer: dict[str, Any]) -> timedelta:
    stated = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return abs(datetime.now(UTC) - parsedate_to_datetime(stated)) if stated else timedelta(0)


def _cost_explorer(sessions: AwsSessions, payer: Account, settings: Settings) -> Check:
    advice = "Enable Cost Explorer in the payer account, and allow ce:GetCostAndUsage to its reader role."

    def ask() -> Check:
        today = clock_of(settings)().date()
        period = {"Start": str(today - timedelta(days=2)), "End": str(today - timedelta(days=1))}
        client = sessions.client("ce", payer.id, "us-east-1")
        answer = client.get_cost_and_usage(TimePeriod=period, Granularity="DAILY", Metrics=["UnblendedCost"])
        total = answer["ResultsByTime"][0]["Total"]["UnblendedCost"]
        return Check(
            "cost explorer", "ok", f"{period['Start']}: {total['Amount']} {total['Unit']} (asking cost 0.01 USD)"
        )

    return tried("cost explorer", advice, ask)


def tried(name: str, advice: str, ask: Callable[[], Check]) -> Check:
    """``ask``'s check, or the one that its error amounts to; ``advice`` is for an answer that refuses."""
    try:
        return ask()
    except (ClientError, BotoCoreError) as error:
        return Check(name, "failed", explain(error), NOTHING_ANSWERS if isinstance(error, SILENT) else advice)
    except SagekeeperError as error:
        return Check(name, "failed", str(error), NOTHING_ANSWERS if isinstance(error.__cause__, SILENT) else advice)


def _mail(settings: Settings) -> Check:
    mail = settings.mail
    if mail.host is None:
        advice = "Set SAGEKEEPER_MAIL__HOST to send them."
        return Check("mail", "note", f"no mail server: reports are written to {settings.data_dir / 'reports'}", advice)
    where = f"{mail.host}:{mail.port}"
    try:
        if mail.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                mail.host, mail.port, timeout=5, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(mail.host, mail.port, timeout=5)
        with server:
            if mail.tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if mail.user and mail.password:
                server.login(mail.user, mail.password)
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        return Check("mail", "failed", f"{where}: {error}", "Check mail.host, mail.port, mail.tls and the password.")
    return Check("mail", "ok", f"{where} answers" + (", logged in" if mail.user else ""))


def _extras(settings: Settings) -> Iterator[Check]:
    for extra, (module, purpose) in EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            yield Check(f"extra {extra}", "ok", f"installed: {purpose}")
            continue
        needed = (extra == "postgres" and settings.ledger_address.startswith("postgresql")) or (
            extra == "spark" and settings.rollup.engine == "spark"
        )
        advice = f"pip install 'sagekeeper[{extra}]'"
        yield Check(f"extra {extra}", "failed" if needed else "note", f"not installed: {purpose}", advice)
