"""Grids of cells to vectors: convolutions that the text modulates, and cells that look for themselves in the text.

Shapes: N grids, H x W cells of C symbols, L words, D width, E local width, G cells a side that the encoder reads.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.layers import as_mask, attend, convolution, linear
from playground.model.text_encoder import Texts

GRID_CHANNELS = 3
GRID_SYMBOLS = 16
"""Symbols of a grid's cell that have an embedding of their own; larger ones share the last."""


class GridText(NamedTuple):
    """What cells use of texts.

    Attributes:
        film: scale and shift of the channels, [N, 2 E].
        words: keys and values, [N, L, 2 E]; None without text.
        present: bool [N, L], which words may be looked at; None without text.
    """

    film: Tensor
    words: Tensor | None = None
    present: Tensor | None = None

    def take(self, index: Tensor) -> "GridText":
        """The texts of other grids, int64 [N]."""
        assert self.words is not None and self.present is not None
        return GridText(self.film[index], self.words[index], self.present[index])


class WordCrossAttention(nn.Module):
    """Cells look for themselves among the words: what part the yellow key plays, if it plays any."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width = config.local_width
        self.heads = config.word_heads
        self.norm = nn.LayerNorm(width)
        self.query = linear(width, width)
        self.words = linear(config.width, 2 * width)
        self.out = linear(width, width, std=0.0)

    def forward(self, x: Tensor, words: Tensor, present: Tensor) -> Tensor:
        """Cells [N, H, W, E], what `words` gave [N, L, 2 E] and where to look, bool [N, L] -> as the cells."""
        N, height, width, channels = x.shape
        q = self.query(self.norm(x)).view(N, height * width, self.heads, -1).transpose(1, 2)
        k, v = words.view(N, words.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        found = attend(q, k, v, mask=as_mask(present[:, None, None], x.dtype)).transpose(1, 2)
        return x + self.out(found.reshape(N, height, width, channels))


class GridEncoder(nn.Module):
    """Cells of symbols -> one vector: convolutions that the text modulates (FiLM, Perez et al. 2018)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width = config.local_width
        self.size = config.grid
        self.symbol = linear(GRID_CHANNELS * GRID_SYMBOLS, width)
        self.cell = nn.Parameter(torch.zeros(width, config.grid, config.grid))
        self.word_attention = WordCrossAttention(config)
        self.conv1 = convolution(width, width, 3, padding=1)
        self.conv2 = convolution(width, width, 3, padding=1)
        self.film = linear(config.width, 2 * width)
        self.out = linear(width * config.grid**2, config.width)

    def forward(self, grid: Tensor, text: GridText) -> Tensor:
        """Symbols int64 [N, H, W, C] -> [N, D]; smaller grids are padded with symbol 0."""
        return self.out(self.features(grid, text))

    def text(self, texts: Texts) -> GridText:
        """What cells use of encoded texts."""
        return GridText(self.film(texts.vectors), self.word_attention.words(texts.words), texts.present)

    def no_text(self, count: int) -> GridText:
        """What `count` grids use where there is no text."""
        return GridText(self.film(self.film.weight.new_zeros(count, self.film.in_features)))

    def features(self, grid: Tensor, text: GridText) -> Tensor:
        """What `out` reads, [N, E * G * G].

        Channels stay the last axis in memory: where the two orders meet, a CPU takes twenty times as long.
        """
        _, height, width, channels = grid.shape
        grid = F.pad(grid, (0, GRID_CHANNELS - channels, 0, self.size - width, 0, self.size - height))
        symbols = torch.arange(GRID_SYMBOLS, device=grid.device)
        hot = grid.clamp(max=GRID_SYMBOLS - 1)[..., None] == symbols  # [N, G, G, C, symbols]
        x = self.symbol(hot.flatten(3).to(text.film.dtype)) + self.cell.permute(1, 2, 0)  # [N, G, G, E]
        if text.words is not None and text.present is not None:
            x = self.word_attention(x, text.words, text.present)
        scale, shift = text.film[:, None, None].chunk(2, dim=-1)
        x = x + self._convolve(self.conv2, F.gelu(self._convolve(self.conv1, F.gelu(x)) * (1 + scale) + shift))
        return F.gelu(x).permute(0, 3, 1, 2).flatten(1)

    @staticmethod
    def _convolve(convolution: nn.Conv2d, x: Tensor) -> Tensor:
        """[N, G, G, E] -> the same."""
        return convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
