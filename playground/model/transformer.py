"""The trunk: a causal pre-norm transformer with rotary positions, and the cache of its keys and values.

Shapes: B batch, S positions, D width, H heads, C capacity of the cache.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021, RoFormer, eq. 34) of the first quarter of each head, halves convention.

    A quarter is enough (GPT-NeoX does the same) and costs a quarter.

    Args:
        x: [B, H, S, D/H].
        positions: int64 [B or 1, S].
    """
    half = x.shape[-1] // 8
    frequencies = 10000.0 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = positions[:, None, :, None].float() * frequencies  # [B or 1, 1, S, D/H/2]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b, rest = x.split((half, half, x.shape[-1] - 2 * half), dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos, rest), dim=-1)


def _causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each position attends to itself and those before it; [B, H, S, D/H].

    PyTorch's fused backward pass in bfloat16 on a CPU takes three times as long as plain matrix products.
    """
    if q.device.type != "cpu" or not q.requires_grad:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    future = torch.full((q.shape[2], q.shape[2]), float("-inf"), dtype=q.dtype).triu(1)
    return torch.baddbmm(
        future, q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.shape[-1] ** -0.5
    ).softmax(-1).unflatten(0, q.shape[:2]) @ v


class Cache:
    """Keys and values of the positions already read, per row; rows may differ in length.

    Attributes:
        keys, values: per layer [B, H, C, D/H].
        length: int64 [B], positions that hold something.
    """

    def __init__(self, config: ModelConfig, batch: int, capacity: int, like: Tensor):
        shape = (batch, config.heads, capacity, config.width // config.heads)
        self.keys = [like.new_zeros(shape) for _ in range(config.layers)]
        self.values = [like.new_zeros(shape) for _ in range(config.layers)]
        self.length = torch.zeros(batch, dtype=torch.int64, device=like.device)
        self.capacity = capacity


class Attention(nn.Module):
    """Multi-head causal self-attention."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, cache: Cache | None, layer: int, rows: Tensor | None) -> Tensor:
        B, S, D = x.shape
        q, k, v = self.qkv(x).view(B, S, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each [B, H, S, D/H]
        if cache is None:
            positions = torch.arange(S, device=x.device)[None]
            y = _causal_attention(rotate(q, positions), rotate(k, positions), v)
        else:
            length = cache.length if rows is None else cache.length[rows]
            positions = length[:, None] + torch.arange(S, device=x.device)  # [B, S]
            q, k = rotate(q, positions), rotate(k, positions)
            index = torch.arange(B, device=x.device)[:, None] if rows is None else rows[:, None]
            cache.keys[layer][index, :, positions] = k.transpose(1, 2)
            cache.values[layer][index, :, positions] = v.transpose(1, 2)
            stop = int(length.max()) + S
            keys, values = cache.keys[layer][:, :, :stop], cache.values[layer][:, :, :stop]
            if rows is not None:
                keys, values = keys[rows], values[rows]
            mask = torch.arange(stop, device=x.device) <= positions[:, None, :, None]  # [B, 1, S, stop]
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return self.out(y.transpose(1, 2).reshape(B, S, D))


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.hidden)
        self.down = nn.Linear(config.hidden, config.width)

    def forward(self, x: Tensor, cache: Cache | None, layer: int, rows: Tensor | None) -> Tensor:
        x = x + self.attention(self.norm1(x), cache, layer, rows)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Trunk(nn.Module):
    """The causal transformer over positions."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, cache: Cache | None = None, rows: Tensor | None = None) -> Tensor:
        """Reads positions [B, S, D] -> [B, S, D].

        With a cache, the positions follow those already read, and `rows` (int64 [B]) names the cache's rows that the
        batch stands for (None: all). The cache's `length` is advanced by the caller, who alone knows which of the S
        positions are real and which are padding.
        """
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer, rows)
        return self.norm(x)
