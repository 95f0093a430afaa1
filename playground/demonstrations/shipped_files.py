"""The shipped demonstrations: a zipped Minari dataset for each task, found, counted, read and written."""

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import assets
from playground.demonstrations.archives import pack_dataset, packed_metadata, unpack_dataset
from playground.demonstrations.files import load_episodes, parse_metadata, save_episodes
from playground.episode import Episode
from playground.errors import UnknownNameError
from playground.files import atomic_write

if TYPE_CHECKING:
    from gymnasium import Space

VERSION = "-v0"


def shipped_file(task: str) -> Path:
    """Where a task's shipped demonstrations lie."""
    return assets.ASSETS / "demonstrations" / f"{task}{VERSION}.zip"


@lru_cache(maxsize=1)
def shipped_counts() -> dict[str, int]:
    """Task id -> number of shipped demonstrations. Reads small JSON texts only."""
    root = assets.ASSETS / "demonstrations"
    return {
        file.relative_to(root).with_suffix("").as_posix().removesuffix(VERSION): parse_metadata(
            packed_metadata(file), file
        )["total_episodes"]
        for file in sorted(root.glob(f"*/*{VERSION}.zip"))
    }


@lru_cache(maxsize=256)
def shipped(task: str) -> tuple[Episode, ...]:
    """The shipped demonstrations of a task.

    Raises:
        UnknownNameError: there are none.
    """
    if task not in shipped_counts():
        raise UnknownNameError("task with shipped demonstrations", task, shipped_counts())
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder, f"{task}{VERSION}")
        unpack_dataset(shipped_file(task).read_bytes(), dataset)
        return tuple(load_episodes(dataset))


def save_shipped(episodes: Sequence[Episode], observation_space: "Space[Any]", action_space: "Space[Any]") -> None:
    """Writes a task's shipped demonstrations, replacing those that are there; see `save_episodes`."""
    task = episodes[0].task
    with tempfile.TemporaryDirectory() as folder:
        content = pack_dataset(
            save_episodes(episodes, Path(folder, f"{task}{VERSION}"), observation_space, action_space)
        )
    with atomic_write(shipped_file(task)) as unfinished:
        unfinished.write_bytes(content)
