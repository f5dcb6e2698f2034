"""The whole account in a file, and back; time until a moment."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sagekeeper.core.errors import BadInput
from sagekeeper.simulator.process import start
from sagekeeper.simulator.snapshot import read_snapshot, write_snapshot


@pytest.mark.integration
def test_a_restored_account_is_the_account_it_was_taken_from(tmp_path: Path) -> None:
    with start(tmp_path / "first") as account:
        account.incident("forgotten_endpoint", "try-out")
        assert account.advance_until(datetime(2026, 11, 25, 12, tzinfo=UTC)) >= datetime(2026, 11, 25, 12, tzinfo=UTC)
        write_snapshot(tmp_path / "first", tmp_path / "account.tar.gz")
        told, now = account.truth(), account.now()
    read_snapshot(tmp_path / "account.tar.gz", tmp_path / "second")
    with start(tmp_path / "second") as account:
        assert account.truth() == told
        assert abs((account.now() - now).total_seconds()) < 60


@pytest.mark.integration
def test_time_does_not_go_back(tmp_path: Path) -> None:
    with start(tmp_path) as account, pytest.raises(BadInput, match="only goes forward"):
        account.advance_until(datetime(2026, 11, 1, tzinfo=UTC))


def test_what_is_no_snapshot_is_refused_and_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(BadInput, match="cannot be read as a snapshot"):
        read_snapshot(tmp_path / "text", tmp_path / "new")
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("holiday.txt"), io.BytesIO())
    with pytest.raises(BadInput, match="is no snapshot"):
        read_snapshot(tmp_path / "other.tar.gz", tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").touch()
    with pytest.raises(BadInput, match="is not empty"):
        read_snapshot(tmp_path / "other.tar.gz", tmp_path / "full")
    with pytest.raises(BadInput, match="is no folder of a simulated account"):
        write_snapshot(tmp_path / "full", tmp_path / "out.tar.gz")
