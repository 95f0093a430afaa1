"""Writing whole files or none: a crash, an interrupt or a full disk never leaves half of one behind."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from playground.errors import BadValueError


@contextmanager
def atomic_write(path: Path, replace: bool = True) -> Iterator[Path]:
    """Gives a place to write a file or a folder to, which takes the place of `path` when the block ends without error.

    The folder that `path` lies in is made if it is missing. Two processes may write the same path: the later one wins.

    Args:
        path: what to replace.
        replace: False leaves a folder alone that another process has put at `path` meanwhile.

    Yields:
        A path that does not exist yet, of the same name, on the same file system.

    Raises:
        FileExistsError: `path` is there already and is not to be replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        unfinished = Path(folder, path.name)
        yield unfinished
        if not replace and path.exists():
            raise FileExistsError(f"{path} exists already")
        if replace and path.is_dir():
            shutil.rmtree(path)
        try:
            os.rename(unfinished, path) if unfinished.is_dir() else os.replace(unfinished, path)
        except OSError as error:
            if not replace and path.exists():  # a folder is never renamed onto one that holds something
                raise FileExistsError(f"{path} exists already") from error
            raise


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Writes JSON with a line break at its end; see `atomic_write`."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")


def check_file_target(path: Path) -> None:
    """Refuses a path that no file can be written to, before the work whose result it is to hold.

    Raises:
        BadValueError: there is a folder or a device of that name, the name is too long, or it may not be written.
    """
    mode = _mode(path, "file")
    if mode is None:
        return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
        raise BadValueError(f"cannot write {str(path)!r}: it is {kind}; give the name of a file")
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise BadValueError(f"cannot write {str(path)!r}; give a file that you may write")


def check_folder_target(path: Path) -> None:
    """Refuses a path where no folder can be made or filled, before the work whose results it is to hold.

    Raises:
        BadValueError: there is a file of that name, the name is too long, or it may not be written.
    """
    mode = _mode(path, "folder")
    if mode is None:
        return
    if not stat.S_ISDIR(mode):
        raise BadValueError(f"cannot write into {str(path)!r}: it is a file; give the name of a folder")
    if not os.access(path, os.W_OK):
        raise BadValueError(f"cannot write into {str(path)!r}; give a folder that you may write")


def _mode(path: Path, wanted: str) -> int | None:
    """What is at a path, or None if nothing is and it can be made.

    Raises:
        BadValueError: nothing can be made there.
    """
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise BadValueError(f"{str(path)!r} links to a {wanted} that is missing; write elsewhere") from None
        parent = next(folder for folder in (path.parent, *path.parent.parents) if folder.exists())
        if not parent.is_dir():
            raise BadValueError(f"cannot write {str(path)!r}: {str(parent)!r} is a file; write elsewhere") from None
        if not os.access(parent, os.W_OK):
            raise BadValueError(f"cannot write {str(path)!r}; give a {wanted} that you may write") from None
        return None
    except (OSError, ValueError) as error:  # the latter of a zero byte
        reason = getattr(error, "strerror", None) or error
        raise BadValueError(f"cannot write {str(path)[:60]!r} ({reason}); write elsewhere") from error


def write_json_lines(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON object compactly: a line for each of its values, and for each entry of a value that is an object.

    Large tables of records take a third less room than with indentation, and a change still shows as changed lines.
    """
    dump = partial(json.dumps, separators=(",", ":"))
    parts = []
    for key, part in value.items():
        if isinstance(part, Mapping) and part:
            entries = ",\n".join(f"{dump(name)}:{dump(entry)}" for name, entry in part.items())
            parts.append(f"{dump(key)}:{{\n{entries}}}")
        else:
            parts.append(f"{dump(key)}:{dump(part)}")
    with atomic_write(path) as unfinished:
        unfinished.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")
