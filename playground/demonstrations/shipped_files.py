"""The shipped demonstrations: found and counted."""

from functools import lru_cache
from pathlib import Path

from playground import assets
from playground.demonstrations.files import load_episodes, read_metadata
from playground.episode import Episode
from playground.errors import UnknownNameError

VERSION = "-v0"


def shipped_folder(task: str) -> Path:
    """Where a task's shipped demonstrations lie."""
    return assets.ASSETS / "demonstrations" / f"{task}{VERSION}"


@lru_cache(maxsize=1)
def shipped_counts() -> dict[str, int]:
    """Task id -> number of shipped demonstrations. Reads small JSON files only."""
    root = assets.ASSETS / "demonstrations"
    folders = sorted(root.glob(f"*/*{VERSION}"))
    return {
        folder.relative_to(root).as_posix().removesuffix(VERSION): read_metadata(folder)["total_episodes"]
        for folder in folders
    }


@lru_cache(maxsize=256)
def shipped(task: str) -> tuple[Episode, ...]:
    """The shipped demonstrations of a task.

    Raises:
        UnknownNameError: there are none.
    """
    if task not in shipped_counts():
        raise UnknownNameError("task with shipped demonstrations", task, shipped_counts())
    return tuple(load_episodes(shipped_folder(task)))
