"""Minari datasets as one zip file: what is shipped, and what people send each other.

What comes in is data from outside: its size, its names and its kind are checked before anything is written, and the
loader checks what is inside.
"""

import re
import zipfile
from io import BytesIO
from pathlib import Path

from playground.errors import BadFileError

MAX_UNPACKED = 64_000_000
"""Bytes of all files of an archive."""

MAX_FILES = 60

_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file in an archive, so that equal datasets are equal archives."""

_KIND = re.compile(r"(?:[^/]+/){0,3}(data/(?:\d{1,3}/)?[\w.-]+\.(?:json|parquet))")
_LITTER = re.compile(r"(?:.*/)?(?:__MACOSX/.*|\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini)")
"""What macOS and Windows add when they pack a folder again."""


def pack_dataset(folder: Path) -> bytes:
    """A dataset's folder as a zip file, `<name>-v0/data/…`."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder.parent).as_posix(), _DATE)
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def packed_metadata(file: Path) -> str:
    """The text of `metadata.json` in a zipped dataset of ours; nothing else is unpacked.

    Raises:
        BadFileError: the file is missing, or no zipped dataset of ours.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.read(f"{file.stem}/data/metadata.json").decode("utf-8")
    except Exception as error:  # any fault of a library that unpacks a file is a fault of the file
        raise BadFileError(f"{file}: no zipped dataset ({error}); fetch it again") from error


def unpack_dataset(content: bytes, folder: Path) -> None:
    """Writes a zipped dataset to a folder, `<folder>/data/…`, whatever it was called when it was packed.

    Raises:
        BadFileError: it is no zip file, too large, or holds anything but a dataset.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = {info: info.filename.replace("\\", "/") for info in archive.infolist() if not info.is_dir()}
            entries = [info for info, name in names.items() if not _LITTER.fullmatch(name)]
            if len(entries) > MAX_FILES or sum(info.file_size for info in entries) > MAX_UNPACKED:
                raise BadFileError(
                    f"the file unpacks to more than {MAX_FILES} files or {MAX_UNPACKED // 10**6} MB; "
                    "upload fewer episodes"
                )
            for info in entries:
                kind = _KIND.fullmatch(names[info])
                if kind is None:
                    raise BadFileError(
                        f"{info.filename[:80]!r} is not part of a dataset; upload a file that this page made"
                    )
                target = folder / kind[1]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(info))
    except BadFileError:
        raise
    except Exception as error:  # any fault of a library that unpacks a file is a fault of the file
        raise BadFileError(f"this is no whole zip file ({error}); upload a file that this page made") from error
