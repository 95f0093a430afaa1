"""One model's weights for the compiled loops of `playground.model.kernels`, and what they compute for some rows.

Row by row: on one thread up to 64 rows take no longer so than with PyTorch's products of all rows at once.

Shapes: N rows, D width, A action tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from playground.model import kernels
from playground.model.embeddings import StepEncoder
from playground.model.generalist import ENOUGH, REACH, GeneralistModel
from playground.model.transformer import Block, Cache


@dataclass(frozen=True)
class RowByRow:
    """What `Stepper` computes with compiled loops; see there."""

    trunk: kernels.TrunkWeights
    decoder: kernels.DecoderWeights
    scalars: kernels.ScalarWeights
    grid: np.ndarray
    grid_bias: np.ndarray
    bins: int

    @classmethod
    def of(cls, model: GeneralistModel) -> "RowByRow":
        """Made once for each model, from its weights at that time; 8 MB for the preset `small`."""
        if model not in _MADE:
            _MADE[model] = cls._make(model)
        return _MADE[model]

    @classmethod
    def _make(cls, model: GeneralistModel) -> "RowByRow":
        encoder, decoder, trunk = model.encoder, model.decoder, model.trunk
        assert isinstance(encoder, StepEncoder)
        blocks, tables = cast(list[Block], list(trunk.blocks)), encoder.tables
        return cls(
            kernels.TrunkWeights(
                norm1=_stack(*(_norm(b.norm1) for b in blocks)),
                qkv_bias=_stack(*(b.attention.qkv.bias for b in blocks)),
                qkv=_halved(_stack(*(b.attention.qkv.weight for b in blocks))),
                out_bias=_stack(*(b.attention.out.bias for b in blocks)),
                out=_halved(_stack(*(b.attention.out.weight for b in blocks))),
                norm2=_stack(*(_norm(b.norm2) for b in blocks)),
                up_bias=_stack(*(b.up.bias for b in blocks)),
                up=_halved(_stack(*(b.up.weight for b in blocks))),
                down_bias=_stack(*(b.down.bias for b in blocks)),
                down=_halved(_stack(*(b.down.weight for b in blocks))),
                norm=_numbers(_norm(trunk.norm)),
            ),
            kernels.DecoderWeights(
                vector_bias=_numbers(decoder.vector.bias),
                vector=matrix(decoder.vector.weight),
                norm=_numbers(_norm(decoder.norm)),
                up_bias=_numbers(decoder.up.bias),
                up=matrix(decoder.up.weight),
                down_bias=_numbers(decoder.down.bias),
                down=matrix(decoder.down.weight),
                norm_out=_numbers(_norm(decoder.norm_out)),
                head_bias=_numbers(model.head.bias),
                head=matrix(model.head.weight),
                actions=_numbers(tables.action.weight),
                places=_numbers(tables.action_position.weight),
            ),
            kernels.ScalarWeights(
                token=_numbers(tables.token.weight),
                local=_numbers(tables.local.weight),
                place=_numbers(encoder.place.weight),
                bias=_numbers(encoder.values.bias),
                values=matrix(encoder.values.weight),
            ),
            grid=matrix(encoder.grid.out.weight),
            grid_bias=_numbers(encoder.grid.out.bias),
            bins=model.config.action_bins,
        )

    def read_values(self, values: Tensor) -> Tensor:
        """As `StepEncoder.read_values`: token ids int64 [N, K], none missing -> [N, D]."""
        return torch.from_numpy(np.stack([kernels.embed_scalars(row, self.scalars) for row in values.numpy()]))

    def read_grid(self, features: Tensor) -> Tensor:
        """What `GridEncoder.features` gave for N grids -> [N, D]."""
        out = np.empty((len(features), len(self.grid)), np.float32)
        for row, read in zip(features.numpy(), out, strict=True):
            kernels.product(self.grid, row, self.grid_bias, read)
        return torch.from_numpy(out)

    def read(self, x: Tensor, cache: Cache, rows: Sequence[int], turns: np.ndarray) -> Tensor:
        """The trunk's outputs [N, D] at a position [N, D] behind what each of N rows of a cache holds.

        Args:
            x: the positions' inputs.
            cache: takes their keys and values; its lengths are left alone.
            rows: which rows.
            turns: what `rotate` does at each position, as matrices.
        """
        positions, held = cache.length.numpy()[rows], cache.kv.numpy()
        assert positions.max() < cache.capacity  # the loops check no bounds
        read = [
            kernels.read(one, self.trunk, held, row, position, turns[position])
            for one, row, position in zip(x.numpy(), rows, positions.tolist(), strict=True)
        ]
        return torch.from_numpy(np.stack(read))

    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tokens int64 [N, A], probabilities float32 [N, A, bins or size], means float32 [N, A], from [N, D]."""
        numbers = (self.bins, 1, size, -1, 0.0) if discrete else (0, size, self.bins, REACH, ENOUGH)
        decoded = [kernels.decode(row, self.decoder, *numbers) for row in h.numpy()]
        probabilities, means = (np.stack(part) for part in zip(*decoded, strict=True))
        return np.rint(means).astype(np.int64), probabilities, means


_MADE: WeakKeyDictionary[GeneralistModel, RowByRow] = WeakKeyDictionary()


def matrix(weight: Tensor) -> np.ndarray:
    """A matrix in float16, as uint16, where that loses nothing (half as much to pass over), else in float32."""
    return _halved(_numbers(weight))


def _halved(numbers: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        short = numbers.astype(np.float16)
    return short.view(np.uint16) if np.array_equal(short, numbers) else numbers


def _norm(norm: nn.LayerNorm) -> Tensor:
    return torch.stack((norm.weight, norm.bias))


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _stack(*tensors: Tensor) -> np.ndarray:
    return _numbers(torch.stack(tensors))
