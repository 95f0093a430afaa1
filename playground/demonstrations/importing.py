"""Minari datasets that other programs made, as recordings of a task with the same spaces."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from playground import domains
from playground.demonstrations.checks import checked_seed, difference
from playground.demonstrations.files import MAX_STEPS
from playground.demonstrations.recordings import save_recording
from playground.episode import Episode
from playground.errors import DAMAGED, BadFileError, BadValueError, MissingLibraryError
from playground.task import Task

FORMATS = ("parquet", "arrow", "hdf5")


def import_dataset(dataset: str, task_id: str, episodes: int | None = None) -> Iterator[Path]:
    """Makes a recording of every episode of a Minari dataset.

    Args:
        dataset: its folder, or its id in Minari's own folder.
        task_id: the task whose spaces the episodes have.
        episodes: how many to take, from the first; all if left out.

    Yields:
        The folder of each recording, as it is written.

    Raises:
        UnknownNameError: there is no such task.
        BadFileError: there is no such dataset, it is damaged, or not one of Minari's.
        BadValueError: its spaces are not the task's; the first difference is named.
        MissingLibraryError: its format needs a library that is not installed.
    """
    task = domains.task(task_id)
    data = _data_folder(dataset)
    env = task.make(64)
    try:
        for episode in _read(data, task, env.observation_space, env.action_space, episodes):
            yield save_recording(episode, env)
    finally:
        env.close()


def _data_folder(dataset: str) -> Path:
    """The folder `data` of a dataset.

    Raises:
        BadFileError: there is none, or it is of another kind.
    """
    folder = Path(dataset)
    if not folder.exists():
        root = os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets"
        folder = Path(root, dataset)
    if (folder / "meta" / "info.json").is_file():
        raise BadFileError(f"{folder} is a LeRobot dataset; convert it to Minari's format first")
    if not folder.is_dir():
        raise BadFileError(f"no dataset {dataset!r}: neither a folder nor one of Minari's in {folder.parent}")
    if not (folder / "data" / "metadata.json").is_file():
        raise BadFileError(f"{folder} is no Minari dataset: data/metadata.json is missing; give a dataset's folder")
    return folder / "data"


def _read(
    data: Path, task: Task, observation_space: gym.Space[Any], action_space: gym.Space[Any], most: int | None
) -> Iterator[Episode]:
    """The episodes, in the task's own form."""
    try:
        metadata = json.loads((data / "metadata.json").read_text(encoding="utf-8"))
        total, steps, kind = metadata["total_episodes"], metadata["total_steps"], metadata.get("data_format", "hdf5")
    except DAMAGED as error:
        raise BadFileError(f"{data}: the metadata cannot be read ({error}); copy the dataset again") from error
    if kind not in FORMATS:
        raise BadFileError(f"{data}: data format {kind!r}; give a dataset in {', '.join(FORMATS)}")
    if not isinstance(steps, int) or not isinstance(total, int) or not 0 < total <= steps <= MAX_STEPS:
        raise BadFileError(f"{data}: {total} episodes of {steps} timesteps; give one with 1 to {MAX_STEPS} timesteps")
    found = _spaces(data, metadata)
    try:
        from minari.dataset._storages import get_minari_storage

        storage = get_minari_storage(kind)(data, *found, jpeg_encoding=bool(metadata.get("jpeg_encoding", True)))
    except ImportError as error:
        raise MissingLibraryError(f"{data}: format {kind!r} needs a library ({error}); pip install h5py") from error
    except Exception as error:  # any fault of a library that reads a file is a fault of the file
        raise BadFileError(f"{data}: cannot be read ({error}); copy the dataset again") from error
    key = _check_spaces(found, (observation_space, action_space), task)
    numbers = range(total if most is None else min(most, total))
    try:
        details = storage.get_episode_metadata(numbers)
        for episode, detail in zip(storage.get_episodes(numbers), details, strict=True):
            yield _episode(task, episode, detail, key, action_space)
    except (BadFileError, BadValueError):
        raise
    except Exception as error:
        raise BadFileError(f"{data}: an episode cannot be read ({error}); copy the dataset again") from error


def _spaces(data: Path, metadata: dict[str, Any]) -> tuple[gym.Space[Any], gym.Space[Any]]:
    """A dataset's spaces: those that it says, or those of an environment that this program knows by its id.

    Raises:
        BadFileError: it says neither. An environment that a file describes is never built: that would run its code.
    """
    from minari.serialization import deserialize_space

    texts = [metadata.get(name) for name in ("observation_space", "action_space")]
    try:
        if all(isinstance(text, str) for text in texts):
            return deserialize_space(texts[0]), deserialize_space(texts[1])
        name = json.loads(metadata["env_spec"])["id"]
    except Exception as error:  # any fault of a library that reads a file is a fault of the file
        raise BadFileError(f"{data}: says neither its spaces nor its environment ({error}); store it anew") from error
    if name not in gym.registry:
        raise BadFileError(
            f"{data}: is of the environment {str(name)[:80]!r}, which is not known; store it with spaces"
        )
    env = gym.make(name)
    env.close()
    return env.observation_space, env.action_space


def _check_spaces(
    found: tuple[gym.Space[Any], gym.Space[Any]], wanted: tuple[gym.Space[Any], gym.Space[Any]], task: Task
) -> str | None:
    """Compares spaces; returns the key under which a single array of observations belongs, None for a Dict.

    Raises:
        BadValueError: they differ.
    """
    assert isinstance(wanted[0], gym.spaces.Dict)
    keys = list(wanted[0].spaces)
    key = None if isinstance(found[0], gym.spaces.Dict) else keys[0] if len(keys) == 1 else ""
    if key == "":
        raise BadValueError(f"observations are one {found[0]}, and {task.id} has {', '.join(keys)}; take another task")
    parts = found[0].spaces if key is None else {key: found[0]}  # type: ignore[attr-defined]
    forms = {name: _form(space) for name, space in {**parts, "action": found[1]}.items()}
    known = {name: _form(space) for name, space in {**wanted[0].spaces, "action": wanted[1]}.items()}
    if forms != known:
        raise BadValueError(f"{difference(forms, known)} in {task.id}; take a task with the dataset's spaces")
    return key


def _form(space: gym.Space[Any]) -> tuple[str, tuple[int, ...]]:
    if isinstance(space, gym.spaces.Text):
        return "text", ()
    if isinstance(space, gym.spaces.Discrete):
        return f"one of {space.n}", ()
    kind = "float" if space.dtype is not None and space.dtype.kind == "f" else "integer"
    return kind, tuple(space.shape or ())


def _episode(
    task: Task, episode: dict[str, Any], detail: dict[str, Any], key: str | None, action_space: gym.Space[Any]
) -> Episode:
    observations = episode["observations"] if key is None else {key: episode["observations"]}
    seed = detail.get("seed")
    return Episode(
        task=task.id,
        observations={name: _array(values) for name, values in observations.items()},
        actions=np.array(episode["actions"]).astype(action_space.dtype),
        rewards=np.array(episode["rewards"], np.float32),
        terminated=bool(episode["terminations"][-1]),
        truncated=bool(episode["truncations"][-1]),
        seed=None if seed is None else checked_seed(int(seed)),
    )


def _array(values: Any) -> np.ndarray:
    array = np.array(values)
    return array.astype(np.float32) if array.dtype == np.float64 else array
