"""One letter to everybody who should get it, each way at most once: mail (or a file where there is no mail server)
and channels.

In: ledger, settings, a `Letter`. Out: a `Told` per way. Each way is claimed for itself, so that a channel that fails
does not make the mail go out again. A failure is a value with a sentence, kept in the ledger; the next run tries
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import apprise

from sagekeeper.core.errors import SagekeeperError, SourceUnavailable
from sagekeeper.core.ledger import Ledger
from sagekeeper.core.settings import Settings
from sagekeeper.core.types import fingerprint
from sagekeeper.reports import mail
from sagekeeper.reports.claims import claim, mark_failed, mark_sent, was_sent
from sagekeeper.reports.mail import Letter
from sagekeeper.reports.wording import plain

State = Literal["sent", "written", "already sent", "elsewhere", "failed"]


@dataclass(frozen=True)
class Told:
    """What became of a letter on one way. ``where``: recipients, the file, or the channel's kind (never its address)."""

    key: str
    subject: str
    way: Literal["mail", "file", "channel"]
    where: str
    state: State
    error: str | None = None


def deliver(
    ledger: Ledger, settings: Settings, kind: str, letter: Letter, recipients: Sequence[str], now: datetime
) -> list[Told]:
    """Send ``letter`` wherever it has not gone yet."""
    told = []
    if recipients:
        told.append(by_mail(ledger, settings, kind, letter, recipients, now))
    return told + [_by_channel(ledger, kind, letter, url, now) for url in settings.notify]


def by_mail(
    ledger: Ledger, settings: Settings, kind: str, letter: Letter, recipients: Sequence[str], now: datetime
) -> Told:
    """Send it by mail only, or write it as a file where there is no mail server."""
    key, where = f"{letter.key}:mail", ", ".join(plain(item) for item in recipients)
    if not claim(ledger, key, kind, plain(letter.subject), recipients, now):
        return Told(key, letter.subject, "mail", where, _why_not(ledger, key))
    try:
        if settings.mail.host is None:
            path = mail.write(settings.data_dir / "reports", settings.mail.sender, recipients, letter, now)
        else:
            mail.send(settings.mail, recipients, letter, now)
    except SagekeeperError as error:
        return _failed(ledger, key, letter, "mail", where, str(error))
    mark_sent(ledger, key, now)
    if settings.mail.host is None:
        return Told(key, letter.subject, "file", str(path), "written")
    return Told(key, letter.subject, "mail", where, "sent")


def _by_channel(ledger: Ledger, kind: str, letter: Letter, url: str, now: datetime) -> Told:
    name = plain(url.split(":", 1)[0])  # the rest of an Apprise address is a secret
    key = f"{letter.key}:{name[:16]}-{fingerprint(url)}"
    if not claim(ledger, key, kind, plain(letter.subject), [name], now):
        return Told(key, letter.subject, "channel", name, _why_not(ledger, key))
    try:
        _notify(url, name, letter)
    except SourceUnavailable as error:
        return _failed(ledger, key, letter, "channel", name, str(error))
    mark_sent(ledger, key, now)
    return Told(key, letter.subject, "channel", name, "sent")


def _notify(url: str, name: str, letter: Letter) -> None:
    channel = apprise.Apprise()
    if not channel.add(url):
        raise SourceUnavailable(f"The {name} address in notify is not one that Apprise knows. Correct it.")
    if not channel.notify(title=plain(letter.subject), body=letter.text, body_format=apprise.NotifyFormat.TEXT):
        raise SourceUnavailable(
            f"The {name} channel did not take '{plain(letter.subject)}'. It is tried again at the next run."
        )


def _failed(ledger: Ledger, key: str, letter: Letter, way: Literal["mail", "channel"], where: str, error: str) -> Told:
    mark_failed(ledger, key, error)
    return Told(key, letter.subject, way, where, "failed", error)


def _why_not(ledger: Ledger, key: str) -> State:
    return "already sent" if was_sent(ledger, key) else "elsewhere"
