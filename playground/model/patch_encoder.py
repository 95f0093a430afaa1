"""Pictures to vectors, patch by patch.

Shapes: N pictures of H x W pixels, P patches a picture, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.layers import convolution, embedding, linear
from playground.model.segment_sum import gather, pad_to_multiple, unique, unique_rows
from playground.tokens.images import PATCH

GROUPS = 4
"""Of the group norms."""

POSITION_INTERVALS = 128
"""Row and column of a patch are quantised to 128 intervals of [0, 1] (Reed et al. 2022, appendix C.3)."""


class PatchEncoder(nn.Module):
    """One pre-activation ResNet block per 16 x 16 patch, GroupNorm and GELU, plus row and column embeddings.

    Depth and channels are unpublished; here the block halves the patch and has `local_width` / 2 channels.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        channels = max(8, config.local_width // 2)
        self.stem = convolution(3, channels, 4, stride=4)
        self.norm1 = nn.GroupNorm(GROUPS, channels)
        self.conv1 = convolution(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, channels)
        self.conv2 = convolution(channels, channels, 3, padding=1)
        self.out = linear(channels * (PATCH // 4) ** 2, config.width)
        self.row = embedding(POSITION_INTERVALS, config.width)
        self.column = embedding(POSITION_INTERVALS, config.width)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures uint8 [N, H, W, 3] of P patches each -> vectors [R, D] of the distinct patches at their places.

        Returns:
            The vectors, and int64 [N, P]: which of them each patch is, in raster order.
        """
        patches, positions = self.cut(image), self.positions(image.shape[1] // PATCH, image.shape[2] // PATCH)
        N, P = len(image), len(positions)
        where, which = unique_rows(patches.flatten(1).view(torch.int64))
        inside = torch.arange(P, device=image.device)
        pairs, index = unique((which.view(N, P) * P + inside).flatten(), len(where) * P)
        x = gather(self.encode(patches[where]), pairs // P)
        return x + gather(positions, pairs % P), index.view(N, P)

    @staticmethod
    def cut(image: Tensor) -> Tensor:
        """[N, H, W, 3] -> patches in raster order [N * P, 16, 16, 3]."""
        N, height, width, _ = image.shape
        x = image.view(N, height // PATCH, PATCH, width // PATCH, PATCH, 3)
        return x.transpose(2, 3).reshape(-1, PATCH, PATCH, 3)

    def positions(self, rows: int, columns: int) -> Tensor:
        """Where the patches of a picture are, [P, D], of so many rows and columns of patches."""
        row, column = self._intervals(self.row, rows), self._intervals(self.column, columns)
        return (row[:, None] + column).flatten(0, 1)

    def encode(self, patches: Tensor) -> Tensor:
        """uint8 [N, 16, 16, 3] -> [N, D]. Pixels enter as in the paper: [-1, 1] divided by sqrt(16)."""
        x = pad_to_multiple(patches).permute(0, 3, 1, 2)
        x = self.stem((x.to(self.stem.weight.dtype) / 127.5 - 1.0) / PATCH**0.5)
        x = x + self.conv2(F.gelu(self.norm2(self.conv1(F.gelu(self.norm1(x))))))
        return self.out(x.flatten(1))[: len(patches)]

    def _intervals(self, table: nn.Embedding, count: int) -> Tensor:
        """Embeds `count` intervals of [0, 1]: a random point inside each in training, the middle in evaluation."""
        start = torch.arange(count, device=table.weight.device)
        inside = torch.rand(count, device=start.device) if self.training else 0.5
        return table(((start + inside) / count * POSITION_INTERVALS).long())
