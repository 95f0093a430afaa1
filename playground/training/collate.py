"""Sequences to tensors: rows full of sequences, padded to the model's context. `B` rows of `S` timesteps."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.model import GOAL_TOKENS, ModelConfig, TokenBatch
from playground.training.dataset import Sequence

TEXT_MULTIPLE = 8
"""Number and length of a batch's texts are rounded up to a multiple of this: few shapes, as in `segment_sum.ROWS`."""


@dataclass(frozen=True)
class Batch:
    """Rows full of sequences of one modality.

    Attributes:
        steps: [B, S] timesteps.
        weight: float32 [B, S], weight in the loss of actions; 0 in prompts and padding.
        goal_tokens: int64 [P, GOAL_TOKENS], goals of the P prompts as tokens; -1 pads.
        prompt_end: int64 [P], index among the B * S timesteps of each prompt's last one.
        distil: whether the model learns from its teacher here, see `Recipe.train_tasks`.
    """

    steps: TokenBatch
    weight: Tensor
    goal_tokens: Tensor
    prompt_end: Tensor
    distil: bool = False

    @property
    def modality(self) -> str:
        """One of `playground.training.dataset.MODALITIES`."""
        return "image" if self.steps.image is not None else "grid" if self.steps.grid is not None else "vector"

    @property
    def timesteps(self) -> int:
        """How many timesteps are no padding."""
        return int((self.steps.actions[..., 0] >= 0).sum())

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device."""
        return Batch(
            self.steps.to(device),
            self.weight.to(device, non_blocking=True),
            self.goal_tokens.to(device, non_blocking=True),
            self.prompt_end.to(device, non_blocking=True),
            self.distil,
        )


def collate(rows: list[list[Sequence]], config: ModelConfig) -> Batch:
    """Makes a batch of rows of sequences.

    Args:
        rows: the sequences of each row, which must fit into a context; all of one modality.
        config: the model's, for the length of a context.

    Returns:
        Scalar and action tokens are padded with -1. Texts are the goal's in words where a prompt is read and the
        observation's text is empty: the agent gives itself its predicted goal there.
    """
    sequences = [sequence for row in rows for sequence in row]
    sample = sequences[0].task
    B, S = len(rows), config.max_prompt + config.live_steps(sample.grid is not None)
    values = np.full((B, S, max(s.task.values.shape[1] for s in sequences)), -1, np.int64)
    actions = np.full((B, S, max(s.task.actions.shape[1] for s in sequences)), -1, np.int64)
    discrete = np.zeros((B, S), bool)
    grid = None if sample.grid is None else np.zeros((B, S, *sample.grid.shape[1:]), np.int64)
    image = None if sample.image is None else np.zeros((B, S, *sample.image.shape[1:]), np.uint8)
    show_action = np.zeros((B, S), bool)
    weight = np.zeros((B, S), np.float32)
    text_index = np.zeros((B, S), np.int64)
    first = np.tile(np.arange(S), (B, 1))  # a padded timestep is a sequence of its own
    goals: list[np.ndarray] = []
    prompt_end: list[int] = []
    texts = _Texts()
    for b, row in enumerate(rows):
        start = 0
        for s in row:
            task, index = s.task, np.concatenate((s.prompt, s.live))
            middle, stop = start + len(s.prompt), start + len(s)
            here = slice(start, stop)
            values[b, here, : task.values.shape[1]] = task.values[index]
            actions[b, here, : task.actions.shape[1]] = task.actions[index]
            discrete[b, here] = task.form.action.kind == "discrete"
            if grid is not None and task.grid is not None:
                grid[b, here] = task.grid[index]
            if image is not None and task.image is not None:
                image[b, here] = task.image[index]
            if task.text is not None and task.goal_text is not None:
                swap = middle + s.loss_start  # from here on the prompt counts
                current = task.goal_text if len(s.prompt) else task.text
                text_index[b, start:middle] = texts.index(s, task.text[s.prompt_episode])
                text_index[b, middle:swap] = texts.index(s, task.text[s.live_episode])
                text_index[b, swap:stop] = texts.index(s, current[s.live_episode])
            show_action[b, start:middle] = True
            if len(s.prompt):
                goals.append(task.goal_tokens[s.prompt_episode])
                prompt_end.append(b * S + middle - 1)
            weight[b, middle:stop] = s.weight
            first[b, here] = start
            start = stop
    text = texts.array()
    steps = TokenBatch(
        values=torch.from_numpy(values),
        actions=torch.from_numpy(actions),
        discrete=torch.from_numpy(discrete),
        show_observation=torch.ones(B, S, dtype=torch.bool),
        show_action=torch.from_numpy(show_action),
        grid=None if grid is None else torch.from_numpy(grid),
        image=None if image is None else torch.from_numpy(image),
        text=None if text is None else torch.from_numpy(text),
        text_index=None if text is None else torch.from_numpy(text_index),
        first=torch.from_numpy(first),
    )
    return Batch(
        steps,
        torch.from_numpy(weight),
        torch.from_numpy(np.stack(goals) if goals else np.zeros((0, GOAL_TOKENS), np.int64)),
        torch.tensor(prompt_end, dtype=torch.int64),
        sample.distil,
    )


class _Texts:
    """The distinct texts of a batch, in the order in which they are first used."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], int] = {}
        self._tokens: list[np.ndarray] = []

    def index(self, sequence: Sequence, text: int) -> int:
        """Row of one of a task's texts; it is added if it is new."""
        key = (sequence.task.id, int(text))
        if key not in self._rows:
            self._rows[key] = len(self._rows)
            self._tokens.append(sequence.task.texts[key[1]])
        return self._rows[key]

    def array(self) -> np.ndarray | None:
        """Tokens int64 [texts, longest], both rounded up, 0 pads; None if there is no text."""
        if not self._tokens:
            return None
        longest = max([1, *map(len, self._tokens)])
        shape = (len(self._tokens), longest)
        text = np.zeros([size + -size % TEXT_MULTIPLE for size in shape], np.int64)
        for line, tokens in zip(text, self._tokens, strict=False):
            line[: len(tokens)] = tokens
        return text
