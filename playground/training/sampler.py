"""The sampler: balanced sequences [prompt | live steps] of all tasks, packed into full rows.

A sequence's prompt always comes from *another* episode of the same goal: from its own, a model learns to copy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from playground.model import ModelConfig
from playground.settings import POSITIVE, check_range
from playground.training.collate import Batch, collate
from playground.training.dataset import Sequence, TaskData, check_modalities


@dataclass(frozen=True)
class Sampling:
    """What training sequences are drawn and how they are cut. Shares are probabilities, lengths are timesteps.

    Attributes:
        rows: modality -> rows of context length per optimiser step (on average), each full of sequences.
        batch_rows: most rows that go through the model at once.
        domain_weights: domain -> how often its tasks are drawn, relative to others of the same modality; 1 if left out.
        task_weights: glob of task ids -> how often they are drawn, relative to the others of their domain; 1 if left
            out. The last glob that matches counts. Distilled tasks are drawn alike.
        train_share: of a modality's rows, with tasks that are cloned where others are distilled.
        prompted: share of the sequences that start with a prompt (Gato: 0.25).
        from_end: share of the prompts that are cut from their episode's end (Gato: 0.5).
        goal_only: modality -> share of the sequences of tasks with hidden goals that are a prompt alone, to learn the
            goal head. Many fit into a row. In grids a predicted goal is an instruction, which all other levels teach to
            carry out; numbers are only predicted.
        corrections: share of the sequences from corrections (DAgger, takeovers) where a task has many.
        min_corrections: timesteps of corrections at which half of that share is used: fewer would be learnt by heart.
            Distilled tasks are exempt: there corrections are not cloned, and however few, they show the states that
            swapped prompts lead to.
        short_share: of the sequences whose prompt and live part are at most `short_steps` long. More of them fit into a
            row, and a gradient from more tasks and goals teaches faster (ablations in this folder's README).
        short_steps: see there.
        full_prompt_share: of the prompts that are as long as the context allows.
        full_rate_share: of the prompts without a stride, where the episode fits into the longest prompt: the one
            timestep at which something is picked up must be seen.
        max_stride: largest stride of all other prompts.
        from_start: modality -> share of the live parts that begin where their episode does; half as many in episodes
            longer than two contexts. In a maze, what to do depends on all that was seen so far.
        early_contexts: half of all other live parts begin within so many contexts of the start: the swing-up or the way
            to the target is there, and hundreds of timesteps of balance or rest come after.
        first_steps: of an episode, which weigh more in the loss: only the prompt tells the goal there.
        first_weight: their weight; all others have 1.
        empty_share: of a row, which may stay empty; no sequence is cut to less in order to fill it.
    """

    rows: Mapping[str, float] = field(default_factory=lambda: {"vector": 8.0, "grid": 2.5, "image": 0.6})
    batch_rows: int = 8
    domain_weights: Mapping[str, float] = field(default_factory=dict)
    task_weights: Mapping[str, float] = field(default_factory=dict)
    train_share: float = 0.2
    prompted: float = 0.85
    from_end: float = 0.5
    goal_only: Mapping[str, float] = field(default_factory=lambda: {"vector": 0.5, "grid": 0.85})
    corrections: float = 0.65
    min_corrections: int = 3000
    short_share: float = 0.5
    short_steps: int = 16
    full_prompt_share: float = 0.25
    full_rate_share: float = 0.75
    max_stride: int = 3
    from_start: Mapping[str, float] = field(default_factory=lambda: {"vector": 0.5, "grid": 0.75, "image": 0.5})
    early_contexts: int = 3
    first_steps: int = 20
    first_weight: float = 2.0
    empty_share: float = 1 / 16

    def __post_init__(self) -> None:
        for name in ("rows", "goal_only", "from_start"):
            check_modalities(f"sampling.{name}", getattr(self, name))
        shares = ("train_share", "prompted", "from_end", "goal_only", "corrections", "short_share")
        check_range(self, (*shares, "full_prompt_share", "full_rate_share", "from_start", "empty_share"), 0, 1)
        check_range(self, ("rows", "domain_weights", "task_weights"), POSITIVE)
        check_range(self, ("batch_rows", "short_steps", "max_stride", "early_contexts"), 1)
        check_range(self, ("min_corrections", "first_steps", "first_weight"), 0)


class Sampler:
    """Draws the batches of an optimiser step. Tasks are balanced within their modality.

    Args:
        data: every task's episodes.
        config: the model's, for the lengths of contexts, which are longer for grids.
        sampling: what is drawn.
        task_shares: task id -> how often it is drawn, relative to others of its modality, in place of the weights in
            `sampling`.
    """

    def __init__(
        self,
        data: list[TaskData],
        config: ModelConfig,
        sampling: Sampling,
        task_shares: Mapping[str, float] | None = None,
    ):
        self.config, self.sampling = config, sampling
        # Each by modality and whether the tasks are distilled.
        self.rows: dict[tuple[str, bool], float] = {}
        self.tasks: dict[tuple[str, bool], list[TaskData]] = {}
        self.probabilities: dict[tuple[str, bool], np.ndarray] = {}
        for modality, rows in sampling.rows.items():
            groups = {
                distil: [d for d in data if (d.modality, d.distil) == (modality, distil)] for distil in (False, True)
            }
            for distil, members in groups.items():
                share = sampling.train_share if not distil else 1 - sampling.train_share
                if members:
                    self.rows[modality, distil] = rows * (share if groups[not distil] else 1.0)
                    self.tasks[modality, distil] = members
                    self.probabilities[modality, distil] = _probabilities(members, sampling, distil, task_shares)
        self.modalities = sorted({modality for modality, _ in self.rows})

    def step(self, rng: np.random.Generator) -> Iterator[Batch]:
        """The batches of one optimiser step."""
        for group, rows in self.rows.items():
            count = int(rows + rng.random())
            while count > 0:
                size = min(count, self.sampling.batch_rows)
                yield collate(self._fill(group, size, rng), self.config)
                count -= size

    def draw(self, task: TaskData, rng: np.random.Generator) -> Sequence:
        """One sequence of a task."""
        sampling = self.sampling
        corrected = int(task.length[task.corrections].sum())
        needed = 1 if task.distil else sampling.min_corrections
        is_correction = rng.random() < sampling.corrections * corrected / max(1, corrected + needed)
        episode = int(rng.choice(task.corrections if is_correction else task.demonstrations))
        is_short = rng.random() < sampling.short_share
        choices = task.prompts[episode]
        prompt, source = np.zeros(0, np.int64), episode
        if len(choices) > 1 and rng.random() < sampling.prompted:
            while source == episode:
                source = int(rng.choice(choices))
            prompt = task.start[source] + self._prompt(int(task.length[source]), is_short, rng)
            if task.hidden_goal and rng.random() < sampling.goal_only.get(task.modality, 0.0):
                return Sequence(task, prompt, source, np.zeros(0, np.int64), episode, np.zeros(0))
        live = self._live(task, episode, is_short, rng)
        since = live - task.loss_start[episode]
        weight = np.where(since < 0, 0.0, np.where(since < sampling.first_steps, sampling.first_weight, 1.0))
        return Sequence(task, prompt, source, task.start[episode] + live, episode, weight)

    def _prompt(self, length: int, is_short: bool, rng: np.random.Generator) -> np.ndarray:
        """A prompt's timesteps in an episode of that length: a window with a stride, often up to the end."""
        sampling, most = self.sampling, self.config.max_prompt
        most = min(most, sampling.short_steps) if is_short else most
        is_full = rng.random() < sampling.full_prompt_share
        count = most if is_full else int(rng.integers(max(1, most // 8), most + 1))
        is_full_rate = length <= most and rng.random() < sampling.full_rate_share
        stride = 1 if is_full_rate else int(rng.integers(1, sampling.max_stride + 1))
        span = min(length, count * stride)
        first = length - span if rng.random() < sampling.from_end else int(rng.integers(length - span + 1))
        return np.arange(first + (span - 1) % stride, first + span, stride)

    def _live(self, task: TaskData, episode: int, is_short: bool, rng: np.random.Generator) -> np.ndarray:
        """The live part's timesteps in an episode: a window without a stride."""
        sampling, length = self.sampling, int(task.length[episode])
        most = self.config.live_steps(task.grid is not None)
        share = sampling.from_start.get(task.modality, 0.0)
        at_start = rng.random() < (share if length <= 2 * most else share / 2)
        until = length if rng.random() < 0.5 else min(length, sampling.early_contexts * most)
        # Where another goal was served first, the swap lies within the window.
        loss_start = int(task.loss_start[episode])
        earliest = max(0, loss_start - int(rng.integers(most // 4, most)))
        first = earliest if at_start or earliest >= until else int(rng.integers(earliest, until))
        is_whole = (at_start and length <= most) or first < loss_start
        count = most if is_whole else int(rng.integers(max(1, most // 6), most + 1))
        count = min(count, sampling.short_steps) if is_short else count
        return np.arange(first, min(first + count, length))

    def _fill(self, group: tuple[str, bool], count: int, rng: np.random.Generator) -> list[list[Sequence]]:
        """Draws sequences until so many rows are full; the last ones are cut to fit.

        In the `flat` layout a padded scalar would be a position of its own, so a batch holds one task.
        """
        tasks, probabilities = self.tasks[group], self.probabilities[group]
        only = tasks[rng.choice(len(tasks), p=probabilities)] if self.config.layout == "flat" else None
        rows: list[list[Sequence]] = [[] for _ in range(count)]
        length = self.config.max_prompt + self.config.live_steps(group[0] == "grid")
        room = np.full(count, length)
        while True:
            sequence = self.draw(only or tasks[rng.choice(len(tasks), p=probabilities)], rng)
            fitting = np.flatnonzero(room >= len(sequence))
            if len(fitting):
                row = fitting[room[fitting].argmin()]
            else:
                row = room.argmax()
                if room[row] < max(1, self.sampling.empty_share * length):
                    return rows
                sequence = sequence.cut(int(room[row]))
            rows[row].append(sequence)
            room[row] -= len(sequence)


def _probabilities(
    tasks: list[TaskData], sampling: Sampling, distil: bool, task_shares: Mapping[str, float] | None
) -> np.ndarray:
    """How likely each task is drawn: by its share, or by domain, and within it by the task's weight."""
    if task_shares is not None:
        shares = np.array([task_shares[task.id] for task in tasks])
        return shares / shares.sum()
    weights = np.ones(len(tasks))
    for pattern, weight in ({} if distil else sampling.task_weights).items():
        weights[[fnmatchcase(d.id, pattern) for d in tasks]] = weight
    domains = np.array([d.id.partition("/")[0] for d in tasks])
    for domain in np.unique(domains):
        weights[domains == domain] *= sampling.domain_weights.get(domain, 1.0) / weights[domains == domain].sum()
    return weights / weights.sum()
