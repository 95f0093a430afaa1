"""Down- and uploads of episodes, as zipped Minari datasets.

An upload is data from outside: its size and the names in it are checked before anything is written, and the loader
checks what is inside.
"""

import re
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

from playground import domains
from playground.demonstrations import load_episodes, save_episodes
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadFileError

MAX_UPLOAD = 8_000_000
"""Most bytes of an uploaded file."""

MAX_UNPACKED = 64_000_000
"""Most bytes that it unpacks to."""

MAX_FILES = 60
_KIND = re.compile(r"(?:[^/]+/){0,3}(data/(?:\d{1,3}/)?[\w.-]+\.(?:json|parquet))")
_LITTER = re.compile(r"(?:.*/)?(?:__MACOSX/.*|\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini)")
"""What macOS and Windows add when they pack a folder again."""


def zipped(episode: Episode, env: DomainEnv) -> bytes:
    """An episode as a zipped Minari dataset, `<domain>-<task>-v0/data/…`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "playground" / f"{episode.task.replace('/', '-')}-v0"
        save_episodes([episode], path, env.observation_space, env.action_space)
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(path.parent))
        return buffer.getvalue()


def unzipped(content: bytes) -> list[Episode]:
    """The episodes of a zipped dataset from outside.

    Raises:
        BadFileError: it is too large, no zip file, holds anything but a dataset, or is of a task that does not exist.
    """
    if len(content) > MAX_UPLOAD:
        raise BadFileError(f"the file has more than {MAX_UPLOAD // 10**6} MB; upload a shorter episode")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "upload-v0"
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
                    target = root / kind[1]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(info))
        except BadFileError:
            raise
        except Exception as error:  # any fault of a library that unpacks a file is a fault of the file
            raise BadFileError(f"this is no whole zip file ({error}); upload a file that this page made") from error
        try:
            episodes = load_episodes(root)
        except BadFileError as error:
            raise BadFileError(str(error).replace(f"{folder}/", "")) from error
    for episode in episodes:
        domains.task(episode.task)
    return episodes
