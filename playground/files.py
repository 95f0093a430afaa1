"""Writing whole files or none: a crash, an interrupt or a full disk never leaves half of one behind."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a place to write a file or a folder to, which takes the place of `path` when the block ends without error.

    The folder that `path` lies in is made if it is missing. Two processes may write the same path: the later one wins.

    Args:
        path: what to replace.

    Yields:
        A path that does not exist yet, of the same name, on the same file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        unfinished = Path(folder, path.name)
        yield unfinished
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(unfinished, path)


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Writes JSON with a line break at its end; see `atomic_write`."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")
