"""Texts to vectors: a small bidirectional transformer over the words.

Shapes: U texts, L words, D width.
"""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.layers import as_mask, attend, embedding, linear
from playground.model.transformer import Block


class Texts(NamedTuple):
    """U encoded texts.

    Attributes:
        vectors: [U, D], a whole text each.
        words: [U, L, D], the words in their context.
        present: bool [U, L], which words may be looked at; the first one always, even where there is none.
    """

    vectors: Tensor
    words: Tensor
    present: Tensor


class TextEncoder(nn.Module):
    """Words -> words in their context, and one vector: blocks of bidirectional attention, then a mean."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.position = embedding(config.max_text, config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, 2 * config.width, config.text_layers) for _ in range(config.text_layers)
        )
        self.up = linear(config.width, config.width)

    def forward(self, x: Tensor, present: Tensor) -> Texts:
        """Embedded words [U, L, D] and which are there, bool [U, L]; no words give a constant vector."""
        x = x + self.position.weight[: x.shape[1]]
        seen = torch.cat((present[:, :1] | ~present.any(1, keepdim=True), present[:, 1:]), dim=1)
        look = partial(attend, mask=as_mask(seen[:, None, None], x.dtype))
        for block in self.blocks:
            x = block(x, look)
        weights = present.to(x.dtype)[..., None]
        vectors = (F.gelu(self.up(x)) * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        return Texts(vectors, x, seen)
