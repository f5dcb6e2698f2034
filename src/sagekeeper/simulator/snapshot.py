"""The whole simulated account in one file, and back.

An account is what its folder holds: the world it was made from, the journal of what was done, its time, and what was
put into it. Everything else is computed from these, so the folder, packed, is the account.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from sagekeeper.core.errors import BadInput

WORLD_FILE = "world.json"


def write_snapshot(state: Path, file: Path) -> None:
    """Pack the folder. The account may be running: what it has answered is in the journal. Raises BadInput."""
    if not (state / WORLD_FILE).is_file():
        raise BadInput(f"{state} is no folder of a simulated account: it has no {WORLD_FILE}.")
    part = file.with_name(file.name + ".part")
    with tarfile.open(part, "w:gz") as packed:
        for item in sorted(state.iterdir()):
            packed.add(item, arcname=item.name)
    part.replace(file)


def read_snapshot(file: Path, state: Path) -> None:
    """Unpack into an empty or new folder. Raises BadInput for a file that is no snapshot, and rather than overwrite."""
    if state.exists() and any(state.iterdir()):
        raise BadInput(f"{state} is not empty: choose another folder, or remove it first.")
    try:
        with tarfile.open(file, "r:gz") as packed:
            if WORLD_FILE not in packed.getnames():
                raise BadInput(f"{file} is no snapshot of a simulated account: it has no {WORLD_FILE}.")
            packed.extractall(state, filter="data")
    except (tarfile.TarError, OSError, EOFError) as broken:
        raise BadInput(f"{file} cannot be read as a snapshot: {broken}") from broken
