"""The trunk: a causal pre-norm transformer with rotary positions, and the cache of its keys and values.

Shapes: B batch, S positions, D width, H heads, C capacity of the cache.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig


def rotation(positions: Tensor, head_size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines [B or 1, 1, S, D/H/8] for `rotate`, of positions int64 [B or 1, S]."""
    pairs = head_size // 8
    frequencies = 10000.0 ** (-torch.arange(pairs, device=positions.device, dtype=torch.float32) / pairs)
    angles = positions[:, None, :, None].float() * frequencies
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding (Su et al. 2021, RoFormer, eq. 34) of the first quarter of each head, halves convention.

    A quarter is enough (GPT-NeoX does the same) and costs a quarter.

    Args:
        x: [B, H, S, D/H].
        turn: what `rotation` gave.
    """
    cos, sin = turn
    pairs = cos.shape[-1]
    a, b, rest = x.split((pairs, pairs, x.shape[-1] - 2 * pairs), dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos, rest), dim=-1)


def _attention(q: Tensor, k: Tensor, v: Tensor, blocked: Tensor | None) -> Tensor:
    """Attention without memory; [B, H, S, D/H].

    PyTorch's fused backward pass in bfloat16 on a CPU takes three times as long as plain matrix products.

    Args:
        q, k, v: rotated queries and keys, values.
        blocked: [B, H, S, S], -inf where a position must not look and else 0; None: each sees those before it.
    """
    if q.device.type != "cpu" or not q.requires_grad:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=blocked, is_causal=blocked is None)
    if blocked is None:
        blocked = torch.full((1, 1, q.shape[2], q.shape[2]), float("-inf"), dtype=q.dtype).triu(1)
    scores = torch.baddbmm(blocked.flatten(0, 1), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.shape[-1] ** -0.5)
    return scores.softmax(-1).unflatten(0, q.shape[:2]) @ v


class Cache:
    """Keys and values of the positions already read, per row; rows may differ in length.

    Attributes:
        kv: [layers * 2, B, H, C, D/H], each layer's keys and behind them its values.
        keys, values: views of it per layer, [B, H, C, D/H].
        length: int64 [B], positions that hold something.
    """

    def __init__(self, config: ModelConfig, batch: int, capacity: int, like: Tensor):
        self.kv = like.new_zeros(2 * config.layers, batch, config.heads, capacity, config.width // config.heads)
        self.keys, self.values = self.kv[::2].unbind(0), self.kv[1::2].unbind(0)
        self.length = torch.zeros(batch, dtype=torch.int64, device=like.device)
        self.capacity = capacity


@dataclass(frozen=True)
class AttentionInputs:
    """Where the positions of one forward pass lie and what they may attend to; the same for all layers.

    Attributes:
        turn: rotation of the positions.
        cache: what was read before; None reads without memory.
        rows: int64 [B], the cache's rows; None: all of them, in order.
        slots: int64 [B * H * S], where the new keys and values go in a layer's, seen as [rows * H * C, D/H].
        mask: [B, 1, S, C'], -inf where a position must not look and else 0; C' positions of the cache are in use.
        blocked: [B, H, S, S] for `_attention`, without a cache.
        patterns: takes each layer's attention pattern [B, H, S, C'] if it is a list; only with a cache.
    """

    turn: tuple[Tensor, Tensor]
    cache: Cache | None = None
    rows: Tensor | None = None
    slots: Tensor | None = None
    mask: Tensor | None = None
    blocked: Tensor | None = None
    patterns: list[Tensor] | None = None

    @classmethod
    def without_cache(cls, x: Tensor, first: Tensor | None, heads: int) -> "AttentionInputs":
        """Without memory: each row of x [B, S, D] is one sequence, or several that begin at `first` (int64 [B, S])."""
        B, S, D = x.shape
        index = torch.arange(S, device=x.device)[None]
        if first is None:
            return cls(rotation(index, D // heads, x.dtype))
        seen = (first[:, :, None] == first[:, None]) & (index[..., None] >= index[:, None])  # [B, S, S]
        blocked = torch.zeros(B, S, S, dtype=x.dtype, device=x.device).masked_fill_(~seen, float("-inf"))
        every_head = blocked[:, None].expand(B, heads, S, S).contiguous()
        return cls(rotation(index - first, D // heads, x.dtype), blocked=every_head)

    @classmethod
    def with_cache(
        cls, cache: Cache, rows: Tensor | None, x: Tensor, head_size: int, patterns: list[Tensor] | None = None
    ) -> "AttentionInputs":
        """The positions of x [B, S, D] follow those that `rows` of the cache hold (None: all rows)."""
        length = cache.length if rows is None else cache.length[rows]
        positions = length[:, None] + torch.arange(x.shape[1], device=x.device)
        seen = torch.arange(int(length.max()) + x.shape[1], device=x.device) <= positions[:, None, :, None]
        mask = torch.zeros(seen.shape, dtype=x.dtype, device=x.device).masked_fill_(~seen, float("-inf"))
        index = torch.arange(len(x), device=x.device) if rows is None else rows
        heads = torch.arange(x.shape[-1] // head_size, device=x.device)
        slots = (index[:, None, None] * len(heads) + heads[:, None]) * cache.capacity + positions[:, None]
        return cls(rotation(positions, head_size, x.dtype), cache, rows, slots.flatten(), mask, patterns=patterns)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layer: int) -> Tensor:
        """Causal attention, [B, H, S, D/H]; the cache takes the new keys and values."""
        q, k = rotate(q, self.turn), rotate(k, self.turn)
        if self.cache is None:
            return _attention(q, k, v, self.blocked)
        assert self.slots is not None and self.mask is not None
        keys, values = self.cache.keys[layer], self.cache.values[layer]
        for held, new in ((keys, k), (values, v)):
            held.view(-1, held.shape[-1]).index_copy_(0, self.slots, new.reshape(-1, held.shape[-1]))
        rows = slice(None) if self.rows is None else self.rows
        stop = self.mask.shape[-1]
        if self.patterns is not None:
            scores = q @ keys[rows, :, :stop].mT * q.shape[-1] ** -0.5
            self.patterns.append((scores + self.mask).softmax(-1))
        return F.scaled_dot_product_attention(q, keys[rows, :, :stop], values[rows, :, :stop], attn_mask=self.mask)


class Attention(nn.Module):
    """Multi-head causal self-attention."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, reach: AttentionInputs, layer: int) -> Tensor:
        B, S, D = x.shape
        q, k, v = self.qkv(x).view(B, S, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each [B, H, S, D/H]
        return self.out(reach.attend(q, k, v, layer).transpose(1, 2).reshape(B, S, D))


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.hidden)
        self.down = nn.Linear(config.hidden, config.width)

    def forward(self, x: Tensor, reach: AttentionInputs, layer: int) -> Tensor:
        x = x + self.attention(self.norm1(x), reach, layer)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Trunk(nn.Module):
    """The causal transformer over positions."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.heads = config.heads
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self,
        x: Tensor,
        cache: Cache | None = None,
        rows: Tensor | None = None,
        first: Tensor | None = None,
        patterns: list[Tensor] | None = None,
    ) -> Tensor:
        """Reads positions [B, S, D] -> [B, S, D].

        Without a cache, a row may hold several sequences one after the other: `first` (int64 [B, S]) then tells where
        the sequence of each position begins.

        With a cache, the positions follow those already read, and `rows` (int64 [B]) names the cache's rows that the
        batch stands for (None: all). The cache's `length` is advanced by the caller, who alone knows which of the S
        positions are real and which are padding.
        """
        if cache is None:
            reach = AttentionInputs.without_cache(x, first, self.heads)
        else:
            reach = AttentionInputs.with_cache(cache, rows, x, x.shape[-1] // self.heads, patterns)
        for layer, block in enumerate(self.blocks):
            x = block(x, reach, layer)
        return self.norm(x)
