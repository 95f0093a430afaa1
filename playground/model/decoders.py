"""The trunk's outputs to action tokens, in either layout.

Shapes: N timesteps, T positions per timestep, A action tokens, L tokens in all, V action vocabulary (bins, then
choices), D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.encoders import Tables
from playground.model.layers import linear, smooth
from playground.model.segment_sum import gather, pad_to_multiple, segment_starts, segment_sum
from playground.tokens.timestep import MAX_DISCRETE_ACTIONS

MODE_WINDOW = 4
MODE_SHARE = 0.6
"""A distribution over bins has one mode if this share of it lies within `MODE_WINDOW` bins of the most likely one."""


def action_head(config: ModelConfig) -> nn.Linear:
    """Vectors [..., D] -> logits of action tokens [..., V]; neighbouring bins begin alike."""
    head = linear(config.width, config.action_bins + MAX_DISCRETE_ACTIONS)
    smooth(head.weight[: config.action_bins], 0.02)
    return head


class StepDecoder(nn.Module):
    """Emits a timestep's action tokens one by one from its vector: each sees the sum of those before it."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.vector = linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.up = linear(config.width, 2 * config.width)
        self.down = linear(2 * config.width, config.width, 0.02 / (2 * config.layers) ** 0.5)
        self.norm_out = nn.LayerNorm(config.width)
        self.head = action_head(config)

    def logits(self, h: Tensor, tokens: Tensor, discrete: Tensor, tables: Tables) -> Tensor:
        """See `GeneralistModel.logits`."""
        mask = tokens >= 0
        x, index = tables.unique_actions(tokens, discrete, mask)
        row, place = mask.nonzero().unbind(1)  # [L] each
        first = segment_starts(mask.sum(1))[row]
        begin = segment_starts(place)
        before = (first - begin).repeat_interleave(place) + torch.arange(int(place.sum()), device=place.device)
        x = segment_sum(x, index[before], begin) + gather(self.vector(h[:, 0]), row)
        x = x + gather(tables.action_position.weight, place)
        return self.head(self._refine(pad_to_multiple(x)))[: len(row)]

    def start(self, h: Tensor) -> Tensor:
        """The trunk's outputs [N, T, D] -> what the first token is read from, [N, D]."""
        return self.vector(h[:, 0])

    def next_logits(self, x: Tensor, place: int, size: int, tables: Tables) -> Tensor:
        """Logits [N, V] of the token at a place in an action of `size` tokens, given those before it in x."""
        return self.head(self._refine(x + tables.action_position.weight[place]))

    def add(self, x: Tensor, tokens: Tensor, place: int, tables: Tables) -> Tensor:
        """Takes the bins int64 [N] that were chosen at a place -> what the next token is read from."""
        return x + F.gelu(F.embedding(tokens, tables.action.weight) + tables.action_position.weight[place])

    def _refine(self, x: Tensor) -> Tensor:
        """Sums of vector, tokens so far and action position [..., D] -> [..., D]."""
        return self.norm_out(x + self.down(F.gelu(self.up(self.norm(x)))))


class FlatDecoder(nn.Module):
    """Reads each action token off the position before it, as in Gato; the trunk has seen the earlier ones."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.head = action_head(config)

    def logits(self, h: Tensor, tokens: Tensor, discrete: Tensor, tables: Tables) -> Tensor:
        """See `GeneralistModel.logits`."""
        return self.head(h[:, -tokens.shape[1] - 1 : -1][tokens >= 0])

    def start(self, h: Tensor) -> Tensor:
        """The trunk's outputs [N, T, D], as they are."""
        return h

    def next_logits(self, x: Tensor, place: int, size: int, tables: Tables) -> Tensor:
        """Logits [N, V] of the token at a place in an action of `size` tokens."""
        return self.head(x[:, place - size - 1])

    def add(self, x: Tensor, tokens: Tensor, place: int, tables: Tables) -> Tensor:
        """Changes nothing: while acting, the tokens before are hidden."""
        return x


def expected_bin(p: Tensor) -> Tensor:
    """Distributions over bins [N, bins] -> expected bin index, fractional, [N].

    It is the expectation of the distribution. Where less than `MODE_SHARE` of the mass lies within `MODE_WINDOW` bins
    of the mode, there may be several modes, and it is the expectation within that window.
    """
    index = torch.arange(p.shape[-1], device=p.device, dtype=p.dtype)
    near = (index - p.argmax(-1, keepdim=True)).abs() <= MODE_WINDOW
    window = p * near
    mass = window.sum(-1)
    return torch.where(mass < MODE_SHARE, (window * index).sum(-1) / mass, (p * index).sum(-1))
