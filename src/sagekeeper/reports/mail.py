"""A letter -> an SMTP server: HTML with a text alternative and the pictures inside, so that nothing is loaded from
anywhere.

In: the mail settings, recipients, a `Letter`. Out: nothing, or SourceUnavailable in one sentence. Without a mail
server the letter is written as a file that every mail program opens. Subjects and names are one line each: a line
break in a tag cannot add a header.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from sagekeeper.core.errors import BadInput, SourceUnavailable
from sagekeeper.core.settings import Mail
from sagekeeper.core.types import fingerprint
from sagekeeper.reports.wording import plain

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Picture:
    """A PNG inside the letter, shown where the HTML says ``cid:<name>``."""

    name: str
    png: bytes
    alt: str


@dataclass(frozen=True)
class Letter:
    """What is said. ``key`` is what the ledger claims: the same key is the same letter."""

    key: str
    subject: str
    text: str
    html: str
    pictures: tuple[Picture, ...] = ()


def as_message(letter: Letter, sender: str, recipients: Sequence[str], now: datetime) -> EmailMessage:
    """The MIME message. Raises BadInput for an address that is none."""
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = plain(letter.subject)
    message["From"] = _address(sender)
    message["To"] = [_address(item) for item in recipients]
    message["Date"] = format_datetime(now)
    # The same letter sent again after a crash is recognised as the same by mail programs.
    message["Message-ID"] = f"<{fingerprint(letter.key, *recipients)}@sagekeeper>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    assert isinstance(html, EmailMessage)
    for picture in letter.pictures:
        html.add_related(
            picture.png,
            maintype="image",
            subtype="png",
            cid=f"<{picture.name}>",
            filename=f"{picture.name}.png",
            disposition="inline",
        )
    return message


def send(mail: Mail, recipients: Sequence[str], letter: Letter, now: datetime) -> None:
    """Hand the letter to the server. Raises SourceUnavailable when it does not take it for every recipient."""
    if mail.host is None:
        raise BadInput("No mail server is set. Set SAGEKEEPER_MAIL__HOST.")
    message = as_message(letter, mail.sender, recipients, now)
    server = f"{mail.host}:{mail.port}"
    try:
        with _connected(mail) as connection:
            if mail.user:
                connection.login(mail.user, mail.password or "")
            refused = connection.send_message(message)
    except smtplib.SMTPAuthenticationError as error:
        raise SourceUnavailable(
            f"The mail server {server} refused the login of {mail.user} ({error.smtp_code}). Check mail.user and mail.password."
        ) from error
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        raise SourceUnavailable(
            f"The mail server {server} did not take '{plain(letter.subject)}': {plain(str(error))}. "
            "Check mail.host, mail.port and mail.tls; it is tried again at the next run."
        ) from error
    if refused:
        raise SourceUnavailable(
            f"The mail server {server} refused these recipients: {', '.join(sorted(refused))}. Correct them."
        )


def write(folder: Path, sender: str, recipients: Sequence[str], letter: Letter, now: datetime) -> Path:
    """Put the letter into ``folder`` as an .eml file, for a house without a mail server."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%d}-{fingerprint(letter.key)}.eml"
    path.write_bytes(as_message(letter, sender, recipients, now).as_bytes())
    return path


def _connected(mail: Mail) -> smtplib.SMTP:
    assert mail.host is not None
    if mail.tls == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    connection = smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_S)
    if mail.tls == "starttls":
        try:
            connection.starttls(context=ssl.create_default_context())
        except (smtplib.SMTPException, ssl.SSLError):
            connection.close()
            raise
    return connection


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=plain(text))
    except (ValueError, IndexError) as error:
        raise BadInput(f"{plain(text)!r} is not a mail address. Correct it in the settings.") from error
