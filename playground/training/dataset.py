"""The data set: each task's demonstrations and corrections as tokens, and sequences cut from them.

`T` timesteps, `E` episodes, `K` scalar tokens, `A` action tokens.
"""

from collections.abc import Mapping
from collections.abc import Sequence as Sequence_
from dataclasses import dataclass, replace

import numpy as np

from playground import domains
from playground.demonstrations.packed import PackedTask, Shard
from playground.domains.goals import TRAINED
from playground.errors import UnknownNameError
from playground.model import ModelConfig
from playground.task import Goal
from playground.tokens.text import encode_text
from playground.tokens.timestep import TimestepSpec, encode_actions, encode_tensors
from playground.training.goals import goal_tokens, held_out_goals

MODALITIES = ("vector", "grid", "image")
"""What observations hold beside text: scalars, cells, or pictures. Batches hold tasks of one modality."""


def check_modalities(setting: str, values: Mapping[str, object]) -> None:
    """Refuses a mapping of settings whose keys are not all of `MODALITIES`.

    Raises:
        UnknownNameError: a key is no modality.
    """
    for modality in values:
        if modality not in MODALITIES:
            raise UnknownNameError(f"modality in {setting}", modality, MODALITIES)


def task_form(shard: Shard) -> TimestepSpec:
    """The shape of the timesteps in a packed shard."""
    texts = {key: np.array(strings) for key, strings in shard.texts.items()}
    return TimestepSpec.from_arrays({**shard.observations, **texts}, shard.actions)


class Chained:
    """Arrays [T_i, ...] one after the other as one [T, ...], without a copy: those of a task's shards.

    Args:
        parts: at least one; all of one type and shape behind the first axis.
    """

    def __init__(self, parts: Sequence_[np.ndarray]):
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """As of one array."""
        return int(self._ends[-1]), *self._parts[0].shape[1:]

    def __len__(self) -> int:
        """T, the number of timesteps."""
        return int(self._ends[-1])

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """The rows at `index`, int [N], as an array [N, ...]."""
        part = np.searchsorted(self._ends, index, side="right")
        if len(index) and part[0] == part[-1] and (part == part[0]).all():
            return np.asarray(self._parts[part[0]][index - (self._ends[part[0] - 1] if part[0] else 0)])
        found = np.empty((len(index), *self.shape[1:]), self._parts[0].dtype)
        for number in np.unique(part):
            here = part == number
            found[here] = self._parts[number][index[here] - (self._ends[number - 1] if number else 0)]
        return found


@dataclass(frozen=True)
class TaskShard:
    """One shard of a task as tokens.

    Attributes:
        values, grid, image, actions: as in `TaskData`, of this shard's timesteps; pictures stay on the disk.
        episodes: the shard's table.
        texts: text key -> one string per episode.
        goals: goal id -> goal.
        is_demonstration: whether the expert played these episodes alone.
    """

    values: np.ndarray
    grid: np.ndarray | None
    image: np.ndarray | None
    actions: np.ndarray
    episodes: np.ndarray
    texts: dict[str, list[str]]
    goals: dict[int, Goal]
    is_demonstration: bool

    @classmethod
    def from_packed(cls, shard: Shard, form: TimestepSpec, bins: int) -> "TaskShard":
        """Tokenises a packed shard; `bins` are the model's for continuous actions."""
        values, grid = np.zeros((len(shard.actions), 0)), None
        if form.tensors:
            values, grid = encode_tensors(form, shard.observations)
        return cls(
            values=values.astype(np.uint16),
            grid=None if grid is None else grid.astype(np.uint8),
            image=shard.observations[form.image] if form.image else None,
            actions=encode_actions(form.action, shard.actions, bins).astype(np.int16),
            episodes=np.array(shard.episodes),
            texts=shard.texts,
            goals=shard.goals,
            is_demonstration=shard.is_demonstration,
        )


@dataclass(frozen=True)
class TaskData:
    """One task's episodes as tokens.

    Attributes:
        id: task id.
        form: shape of its timesteps.
        values: uint16 [T, K].
        grid: uint8 [T, H, W, C] or None.
        image: uint8 [T, H, W, 3] or None.
        actions: int16 [T, A], what the expert would do.
        texts: distinct texts as token ids.
        text: int [E], which text each episode's observations hold; None for tasks without texts.
        goal_text: int [E], which text the agent gives itself once it has read a prompt of that goal: the goal in words
            where the observation's text is empty (`playground.agent.BatchAgent`), else the same as `text`.
        start, length: int [E], where in T each episode lies.
        loss_start: int [E], first timestep of each episode at which loss is taken. The actions before it served another
            goal; they are seen only.
        prompts: int [E] -> the demonstrations of the same goal, each goal's list shared.
        goal_tokens: int64 [E, GOAL_TOKENS], the goal that each episode shows, see `playground.training.goals`.
        demonstrations: int, the episodes that the expert played alone.
        corrections: int, all others: there the expert says what it would have done.
        hidden_goal: whether there are several goals, which only prompts tell.
        goals_held_out: whether the task is a goal family and none of its held-out goals is among these.
        distil: whether the model learns here from its teacher instead of the expert, see `Recipe.train_tasks`.
    """

    id: str
    form: TimestepSpec
    values: Chained
    grid: Chained | None
    image: Chained | None
    actions: Chained
    texts: list[np.ndarray]
    text: np.ndarray | None
    goal_text: np.ndarray | None
    start: np.ndarray
    length: np.ndarray
    loss_start: np.ndarray
    prompts: list[np.ndarray]
    goal_tokens: np.ndarray
    demonstrations: np.ndarray
    corrections: np.ndarray
    hidden_goal: bool
    goals_held_out: bool
    distil: bool = False

    @property
    def modality(self) -> str:
        """One of `MODALITIES`."""
        return "image" if self.image is not None else "grid" if self.grid is not None else "vector"

    def hold_out(self, one_in: int) -> tuple["TaskData", "TaskData | None"]:
        """Splits the episodes by goal: those to train on, and those of the goals that are held out (None if none is).

        Args:
            one_in: about one goal in so many is held out, see `held_out_goals`.
        """
        held_out = held_out_goals(self.goal_tokens, one_in)
        if not held_out.any():
            return self, None
        shown, corrected = self.demonstrations, self.corrections
        trained, rest = (
            replace(self, demonstrations=shown[part[shown]], corrections=corrected[part[corrected]])
            for part in (~held_out, held_out)
        )
        return trained, rest if len(rest.demonstrations) else None

    @classmethod
    def from_packed(cls, packed: PackedTask, config: ModelConfig) -> "TaskData":
        """Tokenises one task's packed episodes."""
        form = task_form(packed.shards[0])
        shards = [TaskShard.from_packed(shard, form, config.action_bins) for shard in packed.shards]
        return cls.from_shards(packed.task, form, shards, config)

    @classmethod
    def from_shards(
        cls, task: str, form: TimestepSpec, shards: Sequence_["TaskShard"], config: ModelConfig
    ) -> "TaskData":
        """Joins a task's shards; their arrays are not copied."""
        tables, offset = [], 0
        for shard in shards:
            table = shard.episodes.copy()
            table["start"] += offset
            offset += len(shard.actions)
            tables.append(table)
        episodes = np.concatenate(tables)
        is_demonstration = np.repeat([s.is_demonstration for s in shards], [len(s.episodes) for s in shards])
        all_goals: dict[int, Goal] = {number: goal for shard in shards for number, goal in shard.goals.items()}
        goal_ids = episodes["goal"].tolist()
        text, goal_text, texts = None, None, []
        if form.text:
            observed = [string for shard in shards for string in shard.texts[form.text]]
            goals = (all_goals.get(goal) for goal in goal_ids)
            goal_texts = [
                text or (goal if isinstance(goal, str) else "") for text, goal in zip(observed, goals, strict=True)
            ]
            distinct, index = np.unique(observed + goal_texts, return_inverse=True)
            text, goal_text = index[: len(observed)], index[len(observed) :]
            texts = [encode_text(str(string))[: config.max_text] for string in distinct]
        groups: dict[int, list[int]] = {goal: [] for goal in goal_ids}
        for i in np.flatnonzero(is_demonstration).tolist():
            groups[goal_ids[i]].append(i)
        shared = {goal: np.array(members) for goal, members in groups.items()}
        tokens = {goal: goal_tokens(task, all_goals.get(goal)) for goal in groups}
        family = domains.families().get(task)
        grids = [shard.grid for shard in shards if shard.grid is not None]
        images = [shard.image for shard in shards if shard.image is not None]
        return cls(
            id=task,
            form=form,
            values=Chained([shard.values for shard in shards]),
            grid=Chained(grids) if grids else None,
            image=Chained(images) if images else None,
            actions=Chained([shard.actions for shard in shards]),
            texts=texts,
            text=text,
            goal_text=goal_text,
            start=episodes["start"].astype(np.int64),
            length=episodes["length"].astype(np.int64),
            loss_start=episodes["loss_start"].astype(np.int64),
            prompts=[shared[goal] for goal in goal_ids],
            goal_tokens=np.stack([tokens[goal] for goal in goal_ids]),
            demonstrations=np.flatnonzero(is_demonstration),
            corrections=np.flatnonzero(~is_demonstration),
            hidden_goal=len(groups) > 1,
            goals_held_out=family is not None and all(family.part(goal) == TRAINED for goal in all_goals.values()),
        )


@dataclass(frozen=True)
class Sequence:
    """Timesteps of one task that make one training sequence [prompt | live steps].

    Attributes:
        task: whose timesteps.
        prompt: int [P], indices of the prompt's timesteps; may be empty.
        prompt_episode: which episode they are from.
        live: int [L], indices of the live timesteps; may be empty.
        live_episode: which episode they are from. It has the prompt's goal.
        weight: float [L], weight of each live timestep in the loss.
    """

    task: TaskData
    prompt: np.ndarray
    prompt_episode: int
    live: np.ndarray
    live_episode: int
    weight: np.ndarray

    def __len__(self) -> int:
        """Number of timesteps."""
        return len(self.prompt) + len(self.live)

    @property
    def loss_start(self) -> int:
        """First live timestep at which loss is taken; the actions before it served another goal."""
        return int((self.weight == 0).sum())

    def cut(self, length: int) -> "Sequence":
        """At most `length` timesteps: first the last live ones go, and where half are left, the prompt's first too."""
        live = min(len(self.live), max(length - len(self.prompt), (length + 1) // 2))
        prompt = self.prompt[len(self.prompt) - min(len(self.prompt), length - live) :]
        return replace(self, prompt=prompt, live=self.live[:live], weight=self.weight[:live])
