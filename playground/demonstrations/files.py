"""Episodes as Minari datasets: shipped demonstrations, people's recordings, exchange. The only user of Minari.

A dataset is a folder `<name>-v0/data/` of parquet files. What Minari has no place for is in its metadata: the task id
with the dataset, goal (as `options`, what the world was reset with) and success with each episode. Pictures of the
world are not kept; the world can be played again from the seed.

Nothing in a file is executed: Minari itself would build any environment that a dataset names, so that such are refused.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from playground.demonstrations.checks import check_episode, checked_goal, checked_seed, checked_success
from playground.demonstrations.parquet_footer import announced_values
from playground.episode import Episode
from playground.errors import DAMAGED, BadFileError, BadValueError
from playground.files import atomic_write

if TYPE_CHECKING:
    from gymnasium import Space

MAX_STEPS = 1_000_000
"""Most timesteps that a dataset from outside may have."""

MAX_NUMBERS = 200_000_000
"""Most numbers that a dataset may unpack to: a small file can say the same number very often."""

_IMPORT = "make a recording of it with `playground import`"


def save_episodes(
    episodes: Sequence[Episode], path: Path, observation_space: "Space[Any]", action_space: "Space[Any]"
) -> Path:
    """Writes episodes of one task as a Minari dataset, without loss.

    Args:
        episodes: at least one; pictures (`frames`) are left out.
        path: the dataset's folder, which must not exist. Its last two parts become the Minari id, so the name has to
            end in a version, `-v0`.
        observation_space: of the task's environment.
        action_space: of the task's environment.

    Returns:
        `path`.

    Raises:
        BadValueError: there is something at `path`, the name has no version, or the episodes do not belong together.
    """
    from minari import __version__
    from minari.dataset.minari_dataset import DATASET_ID_RE
    from minari.dataset.minari_storage import MinariStorage

    tasks = sorted({episode.task for episode in episodes})
    if len(tasks) != 1:
        raise BadValueError(f"{path}: episodes of {len(tasks)} tasks {tasks}; a dataset holds those of one")
    path = path.absolute()
    if path.exists():
        raise BadValueError(f"{path} exists already; choose another name or delete it")
    dataset_id = f"{path.parent.name}/{path.name}"
    match = DATASET_ID_RE.fullmatch(path.name)
    if match is None or match["version"] is None:
        raise BadValueError(
            f"{path.name!r} is no dataset name; give letters, digits, '-', '_' and a version, as in my-v0"
        )

    numbers = sum(values.size for e in episodes for values in (e.actions, *e.observations.values()))
    if sum(map(len, episodes)) > MAX_STEPS or numbers > MAX_NUMBERS:
        raise BadValueError(
            f"{path}: {numbers} numbers in {sum(map(len, episodes))} timesteps could not be read again; "
            f"save up to {MAX_NUMBERS} in {MAX_STEPS}"
        )
    with atomic_write(path, replace=False) as unfinished:
        unfinished.mkdir()
        storage = MinariStorage.new(
            unfinished / "data", observation_space, action_space, data_format="parquet", jpeg_encoding=False
        )
        storage.update_metadata({"dataset_id": dataset_id, "minari_version": __version__, "task": tasks[0]})
        storage.update_episodes([_to_buffer(episode, observation_space, action_space) for episode in episodes])
        storage.update_episode_metadata([{"success": episode.success} for episode in episodes])
    return path


def load_episodes(path: Path) -> list[Episode]:
    """Reads the episodes of a dataset that `save_episodes` wrote.

    Args:
        path: the dataset's folder.

    Raises:
        BadFileError: it is missing, truncated, not one of ours, or holds impossible values.
    """
    data = path / "data"
    metadata = read_metadata(path)
    try:
        from minari.dataset.minari_storage import MinariStorage

        count = metadata["total_episodes"]
        _check_size(data, count)
        storage = MinariStorage.read(data)
        details = list(storage.get_episode_metadata(range(count)))
        episodes = [
            _from_minari(metadata["task"], episode, detail)
            for episode, detail in zip(storage.get_episodes(range(count)), details, strict=True)
        ]
        for episode in episodes:
            check_episode(episode)
    except BadFileError as error:
        raise BadFileError(f"{path}: {error}") from error
    except Exception as error:  # any fault of a library that reads a file is a fault of the file
        raise BadFileError(f"{path}: not a whole dataset ({_short(error)}); copy or record it again") from error
    steps = sum(len(episode) for episode in episodes)
    if steps != metadata["total_steps"]:
        raise BadFileError(f"{path}: {steps} timesteps, {metadata['total_steps']} announced; copy or record it again")
    return episodes


def read_metadata(path: Path) -> dict[str, Any]:
    """A dataset's checked metadata, without Minari and without touching the episodes.

    Raises:
        BadFileError: it is missing, not one of ours, or too large.
    """
    file = path / "data" / "metadata.json"
    try:
        text = file.read_text(encoding="utf-8")
    except DAMAGED as error:
        raise BadFileError(f"{path}: no Minari dataset ({_short(error)}); give a folder that has data/") from error
    return parse_metadata(text, file)


def parse_metadata(text: str, file: Path) -> dict[str, Any]:
    """Checks the text of a `metadata.json`; `file` is what errors call it.

    Raises:
        BadFileError: it is not one of ours, or announces too much.
    """
    try:
        metadata = json.loads(text)
    except DAMAGED as error:
        raise BadFileError(f"{file}: cannot be read ({_short(error)}); copy the dataset again") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("task"), str):
        raise BadFileError(f"{file}: does not name its task; {_IMPORT}")
    spaces = (metadata.get("observation_space"), metadata.get("action_space"))
    if not all(isinstance(space, str) for space in spaces) or "env_spec" in metadata:
        raise BadFileError(f"{file}: names an environment in place of its spaces; {_IMPORT}")
    if metadata.get("data_format") != "parquet":
        raise BadFileError(f"{file}: data format {metadata.get('data_format')!r}, not 'parquet'; {_IMPORT}")
    episodes, steps = metadata.get("total_episodes"), metadata.get("total_steps")
    if not isinstance(episodes, int) or not isinstance(steps, int) or not 0 < episodes <= steps <= MAX_STEPS:
        raise BadFileError(
            f"{file}: {episodes} episodes of {steps} timesteps; give one with 1 to {MAX_STEPS} timesteps"
        )
    return metadata


def _check_size(data: Path, episodes: int) -> None:
    """Adds up what the files' own headers announce, before anything is unpacked."""
    numbers = 0
    for number in range(episodes):
        for file in (data / str(number)).glob("*.parquet"):
            numbers += announced_values(file.read_bytes())
            if numbers > MAX_NUMBERS:
                raise BadFileError(f"{file}: unpacks to more than {MAX_NUMBERS} numbers; give shorter episodes")


def _to_buffer(episode: Episode, observation_space: "Space[Any]", action_space: "Space[Any]") -> Any:
    from minari.data_collector.episode_buffer import EpisodeBuffer

    last = np.arange(len(episode)) == len(episode) - 1
    return EpisodeBuffer(
        seed=None if episode.seed is None else int(episode.seed),
        options={"goal": episode.goal},
        observations={
            key: [str(s) for s in values] if values.dtype.kind == "U" else _as(observation_space[key], values, key)  # type: ignore[index]
            for key, values in episode.observations.items()
        },
        actions=_as(action_space, episode.actions, "actions"),
        rewards=episode.rewards.astype(np.float32),
        terminations=last & episode.terminated,
        truncations=last & episode.truncated,
    )


def _as(space: "Space[Any]", values: np.ndarray, key: str) -> np.ndarray:
    """Values in the space's own type, which is the type they are read back in."""
    converted = values.astype(space.dtype)
    if not np.array_equal(converted, values) or values.shape[1:] != space.shape:
        raise BadValueError(
            f"{key}: {values.dtype} {values.shape} does not fit {space}; give what the task's space holds"
        )
    return converted


def _from_minari(task: str, episode: dict[str, Any], detail: dict[str, Any]) -> Episode:
    loaded = Episode(
        task=task,
        observations={
            key: np.array(values) if isinstance(values, list) else values
            for key, values in episode["observations"].items()
        },
        actions=episode["actions"],
        rewards=episode["rewards"],
        terminated=bool(episode["terminations"][-1]),
        truncated=bool(episode["truncations"][-1]),
        seed=checked_seed(detail.get("seed")),
        goal=checked_goal(detail["options"]["goal"]),
        success=checked_success(detail["success"]),
    )
    # Arrow hands out views that cannot be written to and keep the whole file alive.
    return replace(loaded, actions=np.array(loaded.actions), rewards=np.array(loaded.rewards))


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
