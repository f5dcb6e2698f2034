"""A bill within a zip, which AWS's reports and some portals deliver: the one file in it, brought to disk.

In: a path. Out: the same path, or, where its first bytes are a zip's, the path of what it holds. It keeps the archive's name, so
that what is said of the bill names the file that people know. A zip that is damaged, locked or holds several bills
raises BadInput.
"""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from sagekeeper.collector.bill_file import UNCHANGED
from sagekeeper.core.errors import BadInput

MAGIC = b"PK\x03\x04"
HIDDEN = ("__MACOSX/", ".")


def unpacked(path: Path, folder: Path) -> Path:
    """The file itself, or what the zip at ``path`` holds, brought to ``folder``."""
    try:
        with path.open("rb") as raw:
            if raw.read(len(MAGIC)) != MAGIC:
                return path
    except OSError:
        return path  # which error it is, and what to do, the reader says
    try:
        with ZipFile(path) as archive:
            names = [item for item in archive.infolist() if not item.is_dir() and not item.filename.startswith(HIDDEN)]
            if len(names) != 1:
                raise BadInput(f"{path.name} holds {len(names)} files. Unpack it and name the bills. {UNCHANGED}")
            place = folder / "unpacked" / path.name
            place.parent.mkdir(exist_ok=True)
            with archive.open(names[0]) as packed, place.open("wb") as out:
                shutil.copyfileobj(packed, out)
            return place
    except (BadZipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path.name} is a damaged or truncated zip. Fetch it again. {UNCHANGED}") from error
    except (RuntimeError, NotImplementedError) as error:  # a password, or a compression that is not known here
        raise BadInput(f"{path.name} cannot be unpacked: {error}. Unpack it and name the bill. {UNCHANGED}") from error
