"""From packed demonstrations to batches: sequences [prompt | live steps], cut, balanced and padded.

A sequence's prompt always comes from *another* episode of the same goal: from its own, a model learns to copy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.demonstrations.packed import PackedTask
from playground.model import ModelConfig, Steps
from playground.tokens.text import encode_text
from playground.tokens.timestep import Form, encode_actions, encode_tensors

FIRST_STEPS = 20
FIRST_WEIGHT = 2.0
"""The first steps of an episode weigh more: there only the prompt tells the goal."""


@dataclass(frozen=True)
class TaskData:
    """One task's demonstrations as tokens, in memory. T timesteps, E episodes.

    Attributes:
        id: task id.
        form: shape of its timesteps.
        values: uint16 [T, K].
        grid: uint8 [T, H, W, C] or None.
        image: uint8 [T, H, W, 3] or None.
        actions: int16 [T, A].
        texts: distinct texts as token ids.
        text: int [E], which text each episode has; None without texts.
        start, length: int [E].
        others: int [E] -> the episodes of the same goal, each goal's list shared.
    """

    id: str
    form: Form
    values: np.ndarray
    grid: np.ndarray | None
    image: np.ndarray | None
    actions: np.ndarray
    texts: list[np.ndarray]
    text: np.ndarray | None
    start: np.ndarray
    length: np.ndarray
    others: list[np.ndarray]

    @property
    def modality(self) -> str:
        return "image" if self.image is not None else "grid" if self.grid is not None else "vector"

    @classmethod
    def load(cls, packed: PackedTask, config: ModelConfig) -> "TaskData":
        """Tokenises one task's packed demonstrations."""
        arrays = packed.arrays()
        recorded = arrays.pop("actions")
        strings = packed.texts
        form = Form.of_arrays({**arrays, **strings}, recorded)
        if form.tensors:
            values, grid = encode_tensors(form, arrays)
        else:
            values, grid = np.zeros((len(recorded), 0)), None
        text, texts = None, []
        if form.text:
            distinct, text = np.unique(strings[form.text], return_inverse=True)
            texts = [encode_text(str(string))[: config.max_text] for string in distinct]
        episodes = packed.episodes
        groups: dict[int, list[int]] = {}
        for i, goal in enumerate(episodes["goal"].tolist()):
            groups.setdefault(goal, []).append(i)
        shared = {goal: np.array(members) for goal, members in groups.items()}
        return cls(
            id=packed.task,
            form=form,
            values=values.astype(np.uint16),
            grid=None if grid is None else grid.astype(np.uint8),
            image=arrays[form.image] if form.image else None,
            actions=encode_actions(form.action, recorded, config.action_bins).astype(np.int16),
            texts=texts,
            text=text,
            start=episodes["start"].astype(np.int64),
            length=episodes["length"].astype(np.int64),
            others=[shared[goal] for goal in episodes["goal"].tolist()],
        )


@dataclass(frozen=True)
class Sequence:
    """Which timesteps of which task make one sequence; `prompt` may be empty."""

    task: TaskData
    prompt: np.ndarray
    prompt_episode: int
    live: np.ndarray
    live_episode: int
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.prompt) + len(self.live)


@dataclass(frozen=True)
class Batch:
    """Sequences padded to one length. `weight` float32 [B, S] is 0 where no loss is taken."""

    steps: Steps
    weight: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.steps.to(device), self.weight.to(device, non_blocking=True))


class Sampler:
    """Draws balanced sequences and pads them into batches.

    Args:
        data: every task's demonstrations.
        config: the model's, for context lengths.
        samples: modality -> sequences per optimiser step.
        domain_weights: domain -> relative frequency.
        prompted, from_end: see `Recipe`.
        positions: most padded timesteps per batch.
    """

    def __init__(
        self,
        data: list[TaskData],
        config: ModelConfig,
        samples: dict[str, int],
        domain_weights: dict[str, float],
        prompted: float,
        from_end: float,
        positions: int,
    ):
        self.config = config
        self.prompted, self.from_end, self.positions = prompted, from_end, positions
        self.samples = {m: n for m, n in samples.items() if any(d.modality == m for d in data)}
        self.tasks = {m: [d for d in data if d.modality == m] for m in self.samples}
        self.chances = {}
        for modality, members in self.tasks.items():
            domains = [d.id.partition("/")[0] for d in members]
            chance = np.array([domain_weights.get(domain, 1.0) / domains.count(domain) for domain in domains])
            self.chances[modality] = chance / chance.sum()

    def step(self, rng: np.random.Generator) -> Iterator[tuple[str, Batch]]:
        """The batches of one optimiser step with their modality; sequences of like length share a batch."""
        for modality, count in self.samples.items():
            members = self.tasks[modality]
            drawn = [self._sequence(members[i], rng) for i in rng.choice(len(members), count, p=self.chances[modality])]
            if self.config.layout == "flat":  # a padded scalar would be a position of its own: one form per batch
                drawn.sort(key=lambda s: (s.task.id, len(s)))
            else:
                drawn.sort(key=len)
            group: list[Sequence] = []
            for sequence in drawn:
                new_form = self.config.layout == "flat" and group and group[0].task.id != sequence.task.id
                if group and (new_form or (len(group) + 1) * len(sequence) > self.positions):
                    yield modality, pad(group)
                    group = []
                group.append(sequence)
            yield modality, pad(group)

    def _sequence(self, task: TaskData, rng: np.random.Generator) -> Sequence:
        episode = int(rng.integers(len(task.length)))
        others = task.others[episode]
        prompt, source = np.zeros(0, np.int64), episode
        if len(others) > 1 and rng.random() < self.prompted:
            while source == episode:
                source = int(rng.choice(others))
            prompt = task.start[source] + self._window(int(task.length[source]), rng)
        length = int(task.length[episode])
        at_start = rng.random() < (0.5 if length <= 2 * self.config.max_live else 0.2)
        first = 0 if at_start else int(rng.integers(length))
        most = self.config.max_live
        count = most if at_start and length <= most else int(rng.integers(max(1, most // 6), most + 1))
        live = np.arange(first, min(first + count, length))
        weight = np.where(live < FIRST_STEPS, FIRST_WEIGHT, 1.0)
        return Sequence(task, prompt, source, task.start[episode] + live, episode, weight)

    def _window(self, length: int, rng: np.random.Generator) -> np.ndarray:
        """Timesteps of a prompt from an episode of that length: a window of stride 1 to 3, often up to the end."""
        most = self.config.max_prompt
        count = most if rng.random() < 0.6 else int(rng.integers(max(1, most // 8), most + 1))
        stride = int(rng.integers(1, 4))
        span = min(length, count * stride)
        first = length - span if rng.random() < self.from_end else int(rng.integers(length - span + 1))
        return np.arange(first + (span - 1) % stride, first + span, stride)


def pad(sequences: list[Sequence]) -> Batch:
    """Sequences of one modality -> a batch; scalars and actions are padded with -1."""
    B, S = len(sequences), max(len(s) for s in sequences)
    K = max(s.task.values.shape[1] for s in sequences)
    A = max(s.task.actions.shape[1] for s in sequences)
    values = np.full((B, S, K), -1, np.int64)
    actions = np.full((B, S, A), -1, np.int64)
    first = sequences[0].task
    grid = None if first.grid is None else np.zeros((B, S, *first.grid.shape[1:]), np.int64)
    image = None if first.image is None else np.zeros((B, S, *first.image.shape[1:]), np.uint8)
    show_action = np.zeros((B, S), bool)
    weight = np.zeros((B, S), np.float32)
    text_index = np.zeros((B, S), np.int64)
    rows: dict[tuple[str, int], int] = {}
    for b, s in enumerate(sequences):
        task, index = s.task, np.concatenate((s.prompt, s.live))
        P, N = len(s.prompt), len(index)
        values[b, :N, : task.values.shape[1]] = task.values[index]
        actions[b, :N, : task.actions.shape[1]] = task.actions[index]
        if grid is not None and task.grid is not None:
            grid[b, :N] = task.grid[index]
        if image is not None and task.image is not None:
            image[b, :N] = task.image[index]
        if task.text is not None:
            for part, episode in ((slice(0, P), s.prompt_episode), (slice(P, N), s.live_episode)):
                key = (task.id, int(task.text[episode]))
                text_index[b, part] = rows.setdefault(key, len(rows))
        show_action[b, :P] = True
        weight[b, P:N] = s.weight
    text = None
    if rows:
        tokens = {task.id: task.texts for task in {id(s.task): s.task for s in sequences}.values()}
        texts = [tokens[id][i] for id, i in rows]
        padded = np.zeros((len(texts), max([1, *map(len, texts)])), np.int64)
        for row, ids in zip(padded, texts, strict=True):
            row[: len(ids)] = ids
        text = torch.from_numpy(padded)
    discrete = np.array([s.task.form.action.kind == "discrete" for s in sequences])
    return Batch(
        Steps(
            values=torch.from_numpy(values),
            actions=torch.from_numpy(actions),
            discrete=torch.from_numpy(discrete),
            show_observation=torch.ones(B, S, dtype=torch.bool),
            show_action=torch.from_numpy(show_action),
            grid=None if grid is None else torch.from_numpy(grid),
            image=None if image is None else torch.from_numpy(image),
            text=text,
            text_index=torch.from_numpy(text_index) if text is not None else None,
        ),
        torch.from_numpy(weight),
    )
