"""Packed episodes: what training reads, as memory-mapped arrays in one folder per shard.

`<root>/<domain>/<name>/<shard>/` holds

* `observations.<key>.npy` [T, ...]: o_t for t < N of every episode, one after the other (text excepted),
* `actions.npy` [T, A] or [T]: the expert's clean labels,
* `episodes.npy` [E]: a table (`EPISODE`) that says where in T each episode lies and what it was,
* `texts.json`: key -> one string per episode; text does not change within an episode,
* `meta.json`: task, format version, goals by id, how many episodes were asked for, and whether they are demonstrations.

A shard is written beside its place and renamed, so that a folder that exists is complete.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from playground.episode import Episode
from playground.errors import DAMAGED, BadFileError
from playground.files import atomic_write
from playground.prompt import Prompt, Segment
from playground.task import Goal

FORMAT = 2

EPISODE = np.dtype(
    [
        ("start", "<i8"),
        ("length", "<i4"),
        ("goal", "<i4"),
        ("success", "?"),
        ("total_reward", "<f4"),
        ("seed", "<i8"),
        ("loss_start", "<i4"),
    ]
)
"""One row per episode: first timestep, number of timesteps, goal group, outcome, the seed of its reset (or -1), and the
first timestep whose action is to be learnt: those before served another goal."""


def default_root() -> Path:
    """Where collected demonstrations lie unless another folder is named."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("prompt-playground")) / "packed"


def goal_id(goal: Goal) -> int:
    """A number that is the same for equal goals in every shard; 0 where there is no goal."""
    if goal is None:
        return 0
    digest = blake2b(json.dumps(goal).encode(), digest_size=4).digest()
    return 1 + int.from_bytes(digest, "little") % (2**31 - 2)


def write_shard(
    folder: Path,
    episodes: Sequence[Episode],
    grouped: bool,
    planned: int,
    is_demonstration: bool = True,
    loss_start: Sequence[int] = (),
) -> None:
    """Writes episodes of one task as a shard, replacing the one of that name.

    Args:
        folder: the shard's place, `<root>/<domain>/<name>/<shard>`.
        episodes: at least one; all of one task.
        grouped: whether episodes are grouped by goal (hidden goals); else all are one group, 0.
        planned: number of episodes that were asked for, which may be more than could be had.
        is_demonstration: whether the expert played alone. Its labels alone do not make an episode fit to be a prompt.
        loss_start: first timestep of each episode whose action is to be learnt; 0 if left out.
    """
    pack(episodes, grouped, is_demonstration, loss_start).save(folder, planned)


def pack(
    episodes: Sequence[Episode], grouped: bool, is_demonstration: bool = True, loss_start: Sequence[int] = ()
) -> "Shard":
    """A shard of episodes of one task, in memory; see `write_shard` for the arguments."""
    lengths = np.array([len(episode) for episode in episodes])
    table = np.zeros(len(episodes), EPISODE)
    table["start"] = np.cumsum(lengths) - lengths
    table["length"] = lengths
    table["goal"] = [goal_id(episode.goal) if grouped else 0 for episode in episodes]
    table["success"] = [bool(episode.success) for episode in episodes]
    table["total_reward"] = [episode.total_reward for episode in episodes]
    table["seed"] = [-1 if episode.seed is None else episode.seed for episode in episodes]
    table["loss_start"] = list(loss_start) or 0
    keys = episodes[0].observations
    texts = [key for key in keys if keys[key].dtype.kind == "U"]
    return Shard(
        task=episodes[0].task,
        observations={
            key: np.concatenate([episode.observations[key][:-1] for episode in episodes])
            for key in keys
            if key not in texts
        },
        actions=np.concatenate([episode.actions for episode in episodes]),
        episodes=table,
        texts={key: [str(episode.observations[key][0]) for episode in episodes] for key in texts},
        goals={goal_id(episode.goal): episode.goal for episode in episodes} if grouped else {},
        is_demonstration=is_demonstration,
    )


def shard_folders(root: Path, task: str) -> list[Path]:
    """The finished shards of a task, in order."""
    folder = root / task
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")) if folder.is_dir() else []


def planned_episodes(folder: Path) -> int:
    """How many episodes a finished shard was asked for; 0 for one that does not exist."""
    return int(_read_json(folder / "meta.json").get("planned", 0)) if folder.is_dir() else 0


@dataclass(frozen=True)
class Shard:
    """Episodes of one task, in memory or memory-mapped.

    Attributes:
        task: task id.
        observations: key -> array [T, ...], o_t for t < N of every episode.
        actions: array [T, A] or [T], the expert's.
        episodes: table [E] of `EPISODE`, starts relative to this shard.
        texts: key -> one string per episode.
        goals: goal id -> goal.
        is_demonstration: whether the expert played alone, so that the episodes can be prompts.
    """

    task: str
    observations: dict[str, np.ndarray]
    actions: np.ndarray
    episodes: np.ndarray
    texts: dict[str, list[str]]
    goals: dict[int, Goal]
    is_demonstration: bool

    def save(self, folder: Path, planned: int) -> None:
        """Writes the shard's folder, replacing the one of that name; `planned` episodes were asked for."""
        meta = {
            "format": FORMAT,
            "task": self.task,
            "planned": planned,
            "is_demonstration": self.is_demonstration,
            "goals": {str(number): goal for number, goal in self.goals.items()},
        }
        with atomic_write(folder) as unfinished:
            unfinished.mkdir()
            np.save(unfinished / "episodes.npy", self.episodes)
            np.save(unfinished / "actions.npy", self.actions)
            for key, values in self.observations.items():
                np.save(unfinished / f"observations.{key}.npy", values)
            (unfinished / "texts.json").write_text(json.dumps(self.texts), encoding="utf-8")
            (unfinished / "meta.json").write_text(json.dumps(meta), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path, task: str) -> "Shard":
        """Maps a shard's arrays.

        Raises:
            BadFileError: something is missing, truncated, of another version or task, or impossible.
        """
        meta = _read_json(folder / "meta.json")
        if meta.get("format") != FORMAT:
            raise BadFileError(
                f"{folder}: format {meta.get('format')!r}, this version reads {FORMAT}; delete it and collect it again"
            )
        if meta.get("task") != task:
            raise BadFileError(f"{folder}: holds task {meta.get('task')!r}, not {task!r}; move it to its own folder")

        episodes = _map(folder / "episodes.npy")
        if episodes.dtype != EPISODE or episodes.ndim != 1 or not len(episodes):
            raise BadFileError(f"{folder}/episodes.npy: a table {episodes.dtype} {episodes.shape}; collect it again")
        steps = int(episodes["length"].sum(dtype=np.int64))
        starts = np.cumsum(episodes["length"], dtype=np.int64) - episodes["length"]
        if (episodes["length"] < 1).any() or not np.array_equal(starts, episodes["start"]):
            raise BadFileError(f"{folder}/episodes.npy: episodes overlap or are empty; collect it again")

        actions = _map_steps(folder / "actions.npy", steps)
        prefix = "observations."
        observations = {
            path.name.removeprefix(prefix).removesuffix(".npy"): _map_steps(path, steps)
            for path in sorted(folder.glob(f"{prefix}*.npy"))
        }
        texts = _read_json(folder / "texts.json")
        for key, strings in texts.items():
            if not isinstance(strings, list) or len(strings) != len(episodes):
                raise BadFileError(
                    f"{folder}/texts.json: {key!r} is not a list of {len(episodes)} strings; collect it again"
                )
        goals = {int(number): as_goal(goal) for number, goal in meta.get("goals", {}).items()}
        if missing := set(episodes["goal"].tolist()) - set(goals) - {0}:
            raise BadFileError(f"{folder}/meta.json: goal {min(missing)} is missing; collect it again")
        loss_start = episodes["loss_start"]
        if (loss_start < 0).any() or (loss_start >= episodes["length"]).any():
            raise BadFileError(
                f"{folder}/episodes.npy: loss_start {loss_start} lies outside of episodes; collect it again"
            )
        return cls(task, observations, actions, episodes, texts, goals, bool(meta.get("is_demonstration")))


@dataclass(frozen=True)
class PackedTask:
    """All shards of one task.

    Attributes:
        task: task id.
        shards: in order.
    """

    task: str
    shards: tuple[Shard, ...]

    @classmethod
    def open(cls, root: Path, task: str) -> "PackedTask":
        """Maps a task's shards below `root`.

        Raises:
            BadFileError: there is none, a shard is broken, or two of them differ in form.
        """
        folders = shard_folders(root, task)
        if not folders:
            raise BadFileError(f"{root / task}: no demonstrations; run `playground collect {task}`")
        shards = tuple(Shard.open(folder, task) for folder in folders)
        first = _form(shards[0])
        for folder, shard in zip(folders, shards, strict=True):
            if _form(shard) != first:
                raise BadFileError(
                    f"{folder}: arrays {_form(shard)}, the task's first shard has {first}; collect it again"
                )
        return cls(task, shards)

    def __len__(self) -> int:
        """Number of episodes."""
        return sum(len(shard.episodes) for shard in self.shards)

    @property
    def timesteps(self) -> int:
        """Number of timesteps of all episodes."""
        return sum(len(shard.actions) for shard in self.shards)

    @property
    def episodes(self) -> np.ndarray:
        """The table [E] of all episodes; `start` counts timesteps of the concatenated arrays."""
        tables, offset = [], 0
        for shard in self.shards:
            table = np.array(shard.episodes)
            table["start"] += offset
            offset += len(shard.actions)
            tables.append(table)
        return np.concatenate(tables)

    @property
    def is_demonstration(self) -> np.ndarray:
        """Which episodes the expert played alone, bool [E]."""
        return np.repeat(
            [shard.is_demonstration for shard in self.shards], [len(shard.episodes) for shard in self.shards]
        )

    @property
    def demonstrations(self) -> np.ndarray:
        """Indices of the episodes that can be prompts."""
        return np.flatnonzero(self.is_demonstration)

    @property
    def texts(self) -> dict[str, np.ndarray]:
        """Key -> string array [E]."""
        return {key: np.array([s for shard in self.shards for s in shard.texts[key]]) for key in self.shards[0].texts}

    @property
    def goals(self) -> dict[int, Goal]:
        """Goal id -> goal, over all shards."""
        return {number: goal for shard in self.shards for number, goal in shard.goals.items()}

    def prompt(self, episode: int) -> Prompt:
        """One whole episode as a prompt; text keys are repeated for every timestep."""
        for shard in self.shards:
            if episode < len(shard.episodes):
                break
            episode -= len(shard.episodes)
        row = shard.episodes[episode]
        steps = slice(int(row["start"]), int(row["start"] + row["length"]))
        observations = {key: np.array(values[steps]) for key, values in shard.observations.items()}
        observations |= {key: np.full(row["length"], strings[episode]) for key, strings in shard.texts.items()}
        segment = Segment(self.task, observations, np.array(shard.actions[steps]), name=self.task)
        return Prompt(self.task, (segment,), shard.goals.get(int(row["goal"])), int(row["seed"]))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays [T, ...] in memory: `actions`, and every observation by its key."""
        keys = self.shards[0].observations
        observations = {key: np.concatenate([shard.observations[key] for shard in self.shards]) for key in keys}
        return {"actions": np.concatenate([shard.actions for shard in self.shards]), **observations}


def packed_tasks(root: Path) -> list[str]:
    """Ids of the tasks that have demonstrations below `root`."""
    names = (f"{path.parent.name}/{path.name}" for path in root.glob("*/*") if path.is_dir())
    return sorted(name for name in names if shard_folders(root, name))


def as_goal(value: Any) -> Goal:
    """A goal as it comes out of JSON, which knows no tuples."""
    return tuple(float(x) for x in value) if isinstance(value, list) else value


def _form(shard: Shard) -> dict[str, str]:
    arrays = {"actions": shard.actions, **shard.observations}
    form = {key: f"{values.dtype}{list(values.shape[1:])}" for key, values in arrays.items()}
    return form | dict.fromkeys(shard.texts, "text")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except DAMAGED as error:
        raise BadFileError(f"{path}: cannot be read ({error}); delete the folder and collect it again") from error
    if not isinstance(value, dict):
        raise BadFileError(f"{path}: holds a {type(value).__name__}, not a table; delete the folder and collect again")
    return value


def _map(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadFileError(f"{path}: cannot be read ({error}); delete the folder and collect it again") from error


def _map_steps(path: Path, steps: int) -> np.ndarray:
    values = _map(path)
    if not values.ndim or len(values) != steps:
        raise BadFileError(
            f"{path}: shape {values.shape} for {steps} timesteps; delete the folder and collect it again"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadFileError(f"{path}: holds NaN or infinity; delete the folder and collect it again")
    if values.dtype.kind not in "fiu":
        raise BadFileError(f"{path}: holds {values.dtype}, not numbers; delete the folder and collect it again")
    return values
