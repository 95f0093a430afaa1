"""Timesteps as tensors: what the model reads. B batch, S timesteps, K scalar tokens, A action tokens, N rows."""

from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenBatch:
    """A batch of timesteps of one modality mix; whatever a task does not have is None or padded with -1.

    Attributes:
        values: int64 [B, S, K] token ids of scalars, -1 pads.
        actions: int64 [B, S, A] action tokens (bins, or choices), -1 pads and stands for "not there".
        discrete: bool [B, S], whether the actions are choices rather than bins.
        show_observation: bool [B, S], False hides the observation.
        show_action: bool [B, S], True only in prompts: the agent does not see its own past actions.
        grid: int64 [B, S, H, W, C] symbols of cells.
        image: uint8 [B, S, H, W, 3].
        text: int64 [U, L] token ids of the distinct texts, 0 pads.
        text_index: int64 [B, S], which text each timestep has.
        first: int64 [B, S], where in its row the sequence of each timestep begins; None: each row is one sequence.
    """

    values: Tensor
    actions: Tensor
    discrete: Tensor
    show_observation: Tensor
    show_action: Tensor
    grid: Tensor | None = None
    image: Tensor | None = None
    text: Tensor | None = None
    text_index: Tensor | None = None
    first: Tensor | None = None

    @classmethod
    def live(cls, tokens: int, discrete: bool, **parts: Tensor) -> "TokenBatch":
        """One observation from each of N running episodes, [N, 1]; the actions are hidden.

        Args:
            tokens: A.
            discrete: whether the actions are choices.
            parts: the observations: `values`, and the other fields that there are.
        """
        return cls(**_hidden_actions(len(parts["values"]), tokens, discrete), **parts)

    def to(self, device: torch.device | str) -> "TokenBatch":
        """The same batch on another device."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        return TokenBatch(**{name: tensor.to(device, non_blocking=True) for name, tensor in given.items()})

    @property
    def shape(self) -> tuple[int, int]:
        """(B, S)."""
        return self.values.shape[0], self.values.shape[1]


@lru_cache(maxsize=64)
def _hidden_actions(N: int, tokens: int, discrete: bool) -> dict[str, Tensor]:
    """What live timesteps [N, 1] have in common; nobody writes into it."""
    return {
        "actions": torch.full((N, 1, tokens), -1),
        "discrete": torch.full((N, 1), discrete),
        "show_observation": torch.ones(N, 1, dtype=torch.bool),
        "show_action": torch.zeros(N, 1, dtype=torch.bool),
    }
