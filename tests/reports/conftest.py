"""The sample house for tests of what people read, and a real mail server."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sagekeeper.core.lake import Lake
from sagekeeper.core.ledger import Ledger, open_ledger
from sagekeeper.core.settings import Settings


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The builder of the sample house (`sample_house.py`)."""
    spec = importlib.util.spec_from_file_location("sample_house", Path(__file__).with_name("sample_house.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_house"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def built_house(sample: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample house, built once; tests work on copies."""
    folder = tmp_path_factory.mktemp("house")
    _, ledger = sample.build(folder)
    ledger.close()
    return folder


@pytest.fixture
def house(built_house: Path, tmp_path: Path) -> Iterator[tuple[Lake, Ledger]]:
    """A copy of the sample house of this test's own."""
    folder = tmp_path / "house"
    shutil.copytree(built_house, folder)
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    yield Lake(folder / "lake"), ledger
    ledger.close()


class Mailbox:
    """What the mail server took. ``refuse`` makes it answer every letter with a temporary error."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.refuse = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse:
            return "451 try again later"
        message = message_from_bytes(envelope.content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append((envelope.rcpt_tos, message))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mail server on a free port, and what it took."""
    box = Mailbox()
    with socket.socket() as probe:  # aiosmtpd cannot be asked for any free port itself
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def settings(mailbox: tuple[Mailbox, int], tmp_path: Path) -> Settings:
    """Settings with the sample's budgets and this mail server."""
    return Settings(
        data_dir=tmp_path,
        dashboard_url="https://sagekeeper.example",
        budgets=[
            {"name": "ML platform", "amount": "12000", "recipients": ["budget@example.com"]},
            {"name": "Search", "amount": "90000", "owner": "search", "recipients": ["search@example.com"]},
        ],
        mail={"host": "127.0.0.1", "port": mailbox[1], "tls": "none", "digest_recipients": ["team@example.com"]},
    )
