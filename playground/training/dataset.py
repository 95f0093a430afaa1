"""The data set: each task's demonstrations and corrections as tokens in memory, and sequences cut from them.

`T` timesteps, `E` episodes, `K` scalar tokens, `A` action tokens.
"""

from dataclasses import dataclass, replace

import numpy as np

from playground import domains
from playground.demonstrations.packed import PackedTask
from playground.domains.goals import TRAINED
from playground.model import ModelConfig
from playground.tokens.text import encode_text
from playground.tokens.timestep import TimestepSpec, encode_actions, encode_tensors
from playground.training.goals import goal_tokens, held_out_goals

MODALITIES = ("vector", "grid", "image")
"""What observations hold beside text: scalars, cells, or pictures. Batches hold tasks of one modality."""


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
    values: np.ndarray
    grid: np.ndarray | None
    image: np.ndarray | None
    actions: np.ndarray
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
        arrays = packed.arrays()
        recorded = arrays.pop("actions")
        strings = packed.texts
        form = TimestepSpec.from_arrays({**arrays, **strings}, recorded)
        if form.tensors:
            values, grid = encode_tensors(form, arrays)
        else:
            values, grid = np.zeros((len(recorded), 0)), None
        episodes = packed.episodes
        goal_ids = episodes["goal"].tolist()
        text, goal_text, texts = None, None, []
        if form.text:
            observed = strings[form.text].tolist()
            goals = (packed.goals.get(goal) for goal in goal_ids)
            told = [text or (goal if isinstance(goal, str) else "") for text, goal in zip(observed, goals, strict=True)]
            distinct, index = np.unique(observed + told, return_inverse=True)
            text, goal_text = index[: len(observed)], index[len(observed) :]
            texts = [encode_text(str(string))[: config.max_text] for string in distinct]
        groups: dict[int, list[int]] = {goal: [] for goal in goal_ids}
        for i in packed.demonstrations.tolist():
            groups[goal_ids[i]].append(i)
        shared = {goal: np.array(members) for goal, members in groups.items()}
        tokens = {goal: goal_tokens(packed.task, packed.goals.get(goal)) for goal in groups}
        family = domains.families().get(packed.task)
        return cls(
            id=packed.task,
            form=form,
            values=values.astype(np.uint16),
            grid=None if grid is None else grid.astype(np.uint8),
            image=arrays[form.image] if form.image else None,
            actions=encode_actions(form.action, recorded, config.action_bins).astype(np.int16),
            texts=texts,
            text=text,
            goal_text=goal_text,
            start=episodes["start"].astype(np.int64),
            length=episodes["length"].astype(np.int64),
            loss_start=episodes["loss_start"].astype(np.int64),
            prompts=[shared[goal] for goal in goal_ids],
            goal_tokens=np.stack([tokens[goal] for goal in goal_ids]),
            demonstrations=packed.demonstrations,
            corrections=np.flatnonzero(~packed.is_demonstration),
            hidden_goal=len(groups) > 1,
            goals_held_out=family is not None and all(family.part(goal) == TRAINED for goal in packed.goals.values()),
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
