"""Layers that initialise themselves, and the one attention function.

Shapes: B batch, H heads, S queries, C keys, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.hooks import HookPoint
from playground.model.segment_sum import gather


def linear(inputs: int, outputs: int, std: float = 0.02) -> nn.Linear:
    """A linear layer with normal weights and no bias at the start."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)
    return layer


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution that keeps the variance of its inputs at the start."""
    layer = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding)
    nn.init.normal_(layer.weight, std=(inputs * size * size) ** -0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def embedding(count: int, width: int, std: float = 0.3) -> nn.Embedding:
    """A small table of vectors."""
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=std)
    return table


class Table(nn.Embedding):
    """A large table of vectors, whose gradient is summed in float32."""

    def __init__(self, count: int, width: int, std: float = 0.3):
        super().__init__(count, width)
        nn.init.normal_(self.weight, std=std)

    def forward(self, index: Tensor) -> Tensor:
        """int64 [...] -> [..., D]."""
        return gather(self.weight, index.flatten()).view(*index.shape, self.embedding_dim)


@torch.no_grad()
def smooth(rows: Tensor, scale: float) -> None:
    """Makes neighbouring rows of a table of bins [count, D] alike, so that they mean nearly the same from the start.

    Rows become random waves of 1/2 to `count` / 16 periods.
    """
    if rows.is_meta:
        return
    count, width = rows.shape
    periods = 0.5 * (count / 8) ** torch.rand(width)
    phases = torch.rand(width) * 2 * torch.pi
    waves = torch.cos(2 * torch.pi * torch.arange(count)[:, None] / count * periods + phases)
    rows.copy_(scale * 2**0.5 * waves)


def attend(
    q: Tensor, k: Tensor, v: Tensor, hook_pattern: HookPoint | None = None, mask: Tensor | None = None
) -> Tensor:
    """Attention of queries [B, H, S, D/H] to keys and values [B, H, C, D/H].

    Args:
        q: queries.
        k: keys.
        v: values.
        hook_pattern: takes the weights [B, H, S, C], which are computed apart only while somebody looks.
        mask: added to the scores, broadcastable to [B, H, S, C]: -inf where a query must not look and else 0. None:
            each of S = C positions looks at itself and those before it.

    Returns:
        [B, H, S, D/H].
    """
    hooked = hook_pattern is not None and hook_pattern.hooked
    if not hooked and (q.device.type != "cpu" or not q.requires_grad):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    # PyTorch's fused backward pass in bfloat16 on a CPU takes three times as long as plain matrix products.
    if mask is None:
        mask = causal_mask(q.shape[2], q)
    batch = q.shape[:2]
    blocked = mask.expand(*batch, -1, -1).flatten(0, 1)
    scores = torch.baddbmm(blocked, q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.shape[-1] ** -0.5)
    pattern = scores.softmax(-1).unflatten(0, batch)
    return (pattern if hook_pattern is None else hook_pattern(pattern)) @ v


def causal_mask(size: int, like: Tensor) -> Tensor:
    """The mask of a sequence in which each position looks at itself and those before it, [1, 1, size, size]."""
    return like.new_full((1, 1, size, size), float("-inf")).triu(1)


def as_mask(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """Where queries may look, as a bool -> what `attend` adds to the scores."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))
