"""The trunk: a causal pre-norm transformer with rotary positions, and the cache of its keys and values.

Shapes: B batch, S positions, D width, H heads, C capacity of the cache, L layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.hooks import HookPoint
from playground.model.layers import as_mask, attend, linear

Attend = Callable[[Tensor, Tensor, Tensor, HookPoint], Tensor]
"""Queries, keys, values, each [B, H, S, D/H], and the pattern's hook point -> [B, H, S, D/H]."""


def rope(positions: Tensor, head_size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines [B or 1, 1, S, D/H/8] for `apply_rope`, of positions int64 [B or 1, S]."""
    pairs = head_size // 8
    frequencies = 10000.0 ** (-torch.arange(pairs, device=positions.device, dtype=torch.float32) / pairs)
    angles = positions[:, None, :, None].float() * frequencies
    return angles.cos().to(dtype), angles.sin().to(dtype)


def apply_rope(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding (Su et al. 2021, RoFormer, eq. 34) of the first quarter of each head, halves convention.

    A quarter is enough (GPT-NeoX does the same) and costs a quarter.

    Args:
        x: [B, H, S, D/H].
        turns: what `rope` gave.
    """
    cos, sin = turns
    pairs = cos.shape[-1]
    a, b, rest = x.split((pairs, pairs, x.shape[-1] - 2 * pairs), dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos, rest), dim=-1)


class Cache:
    """Keys and values of the positions already read, per row; rows may differ in length.

    Attributes:
        kv: [2 L, B, H, C, D/H], each layer's keys and behind them its values.
        keys: views of it per layer, [B, H, C, D/H].
        values: views of it per layer, [B, H, C, D/H].
        length: positions that hold something, int64 [B] in NumPy.
        capacity: C.
    """

    def __init__(self, config: ModelConfig, batch: int, capacity: int, like: Tensor):
        self.kv = like.new_zeros(2 * config.layers, batch, config.heads, capacity, config.width // config.heads)
        self.keys, self.values = self.kv[::2].unbind(0), self.kv[1::2].unbind(0)
        self.length = np.zeros(batch, np.int64)
        self.capacity = capacity


@dataclass(frozen=True)
class AttentionInputs:
    """Where the positions of one forward pass lie and what they may attend to; the same for all layers.

    Attributes:
        turns: rotary embedding of the positions.
        mask: what `attend` adds to the scores: [B, 1, S, C'] with a cache, of which C' positions are in use; else
            [B, H, S, S] or None.
        cache: what was read before; None reads without it.
        rows: int64 [B], the cache's rows; None: all of them, in order.
        slots: int64 [B * H * S], where the new keys and values go in a layer's, seen as [rows * H * C, D/H].
    """

    turns: tuple[Tensor, Tensor]
    mask: Tensor | None = None
    cache: Cache | None = None
    rows: Tensor | None = None
    slots: Tensor | None = None

    @classmethod
    def without_cache(cls, x: Tensor, first: Tensor | None, heads: int) -> "AttentionInputs":
        """Each row of x [B, S, D] is one sequence, or several that begin at `first` (int64 [B, S])."""
        B, S, D = x.shape
        index = torch.arange(S, device=x.device)[None]
        if first is None:
            return cls(rope(index, D // heads, x.dtype))
        seen = (first[:, :, None] == first[:, None]) & (index[..., None] >= index[:, None])  # [B, S, S]
        mask = as_mask(seen, x.dtype)[:, None].expand(B, heads, S, S).contiguous()  # once for all layers
        return cls(rope(index - first, D // heads, x.dtype), mask)

    @classmethod
    def with_cache(cls, x: Tensor, cache: Cache, rows: Tensor | None, heads: int) -> "AttentionInputs":
        """The positions of x [B, S, D] follow those that `rows` of the cache hold (None: all rows)."""
        head_size = x.shape[-1] // heads
        length = torch.from_numpy(cache.length).to(x.device, copy=True)
        length = length if rows is None else length[rows]
        positions = length[:, None] + torch.arange(x.shape[1], device=x.device)
        seen = torch.arange(int(length.max()) + x.shape[1], device=x.device) <= positions[:, None, :, None]
        index = torch.arange(len(x), device=x.device) if rows is None else rows
        head = torch.arange(heads, device=x.device)
        slots = (index[:, None, None] * heads + head[:, None]) * cache.capacity + positions[:, None]
        turns = rope(positions, head_size, x.dtype)
        return cls(turns, as_mask(seen, x.dtype), cache, rows, slots.flatten())

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, hook_pattern: HookPoint) -> Tensor:
        """Causal attention in a layer, [B, H, S, D/H]; the cache takes the new keys and values."""
        q, k = apply_rope(q, self.turns), apply_rope(k, self.turns)
        if self.cache is None:
            return attend(q, k, v, hook_pattern, self.mask)
        assert self.slots is not None and self.mask is not None
        keys, values = self.cache.keys[layer], self.cache.values[layer]
        for kept, new in ((keys, k), (values, v)):
            kept.view(-1, kept.shape[-1]).index_copy_(0, self.slots, new.reshape(-1, kept.shape[-1]))
        rows, stop = slice(None) if self.rows is None else self.rows, self.mask.shape[-1]
        return attend(q, keys[rows, :, :stop], values[rows, :, :stop], hook_pattern, self.mask)


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        width: D.
        heads: H.
        std: of the output matrix at the start.
    """

    def __init__(self, width: int, heads: int, std: float):
        super().__init__()
        self.heads = heads
        self.qkv = linear(width, 3 * width)
        self.hook_q, self.hook_k, self.hook_v = (HookPoint(f"attn.hook_{name}") for name in "qkv")
        self.hook_pattern, self.hook_z = HookPoint("attn.hook_pattern"), HookPoint("attn.hook_z")
        self.out = linear(width, width, std)

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        """[B, S, D] -> [B, S, D]; `attend` says who looks where."""
        B, S, D = x.shape
        q, k, v = self.qkv(x).view(B, S, 3, self.heads, -1).unbind(2)  # each [B, S, H, D/H]
        q, k, v = (y.transpose(1, 2) for y in (self.hook_q(q), self.hook_k(k), self.hook_v(v)))
        z = attend(q, k, v, self.hook_pattern).transpose(1, 2)
        return self.out(self.hook_z(z).reshape(B, S, D))


class Block(nn.Module):
    """Pre-norm attention and feed-forward part.

    Args:
        width: D.
        heads: H.
        hidden: width of the feed-forward part.
        depth: blocks that the stack has: what each adds to the residual stream starts the smaller, the more there are.
    """

    def __init__(self, width: int, heads: int, hidden: int, depth: int):
        super().__init__()
        std = 0.02 / (2 * depth) ** 0.5
        self.hook_resid_pre = HookPoint("hook_resid_pre")
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, std)
        self.hook_attn_out, self.hook_resid_mid = HookPoint("hook_attn_out"), HookPoint("hook_resid_mid")
        self.norm2 = nn.LayerNorm(width)
        self.up = linear(width, hidden)
        self.hook_post = HookPoint("mlp.hook_post")
        self.down = linear(hidden, width, std)
        self.hook_mlp_out, self.hook_resid_post = HookPoint("hook_mlp_out"), HookPoint("hook_resid_post")

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        """[B, S, D] -> [B, S, D]."""
        x = self.hook_resid_pre(x)
        x = self.hook_resid_mid(x + self.hook_attn_out(self.attention(self.norm1(x), attend)))
        hidden = self.hook_post(F.gelu(self.up(self.norm2(x))))
        return self.hook_resid_post(x + self.hook_mlp_out(self.down(hidden)))


class Trunk(nn.Module):
    """The causal transformer over positions."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.heads = config.heads
        self.hook_embed = HookPoint("hook_embed")
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.hidden, config.layers) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.hook_normalized = HookPoint("ln_final.hook_normalized")
        for layer, block in enumerate(self.blocks):
            for point in block.modules():
                if isinstance(point, HookPoint):
                    point.name = f"blocks.{layer}.{point.name}"

    def forward(
        self, x: Tensor, cache: Cache | None = None, rows: Tensor | None = None, first: Tensor | None = None
    ) -> Tensor:
        """Reads positions [B, S, D] -> [B, S, D].

        Args:
            x: the positions. Without a cache, a row may hold several sequences one after the other.
            cache: takes the positions behind those already read. Its `length` is advanced by the caller, who alone
                knows which of the S positions are real and which are padding.
            rows: int64 [B], the cache's rows that the batch stands for; None: all.
            first: int64 [B, S], where the sequence of each position begins; only without a cache.
        """
        if cache is None:
            inputs = AttentionInputs.without_cache(x, first, self.heads)
        else:
            inputs = AttentionInputs.with_cache(x, cache, rows, self.heads)
        x = self.hook_embed(x)
        for layer, block in enumerate(self.blocks):
            x = block(x, partial(inputs.attend, layer))
        h: Tensor = self.hook_normalized(self.norm(x))
        return h


def extend_by_modules(trunk: Trunk, x: Tensor, cache: Cache, rows: Sequence[int]) -> Tensor:
    """See `playground.model.backend.Backend.extend`."""
    everything = list(rows) == list(range(cache.kv.shape[1]))
    return trunk(x, cache, None if everything else torch.tensor(rows, device=x.device))
