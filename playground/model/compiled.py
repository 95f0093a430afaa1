"""Acting on a CPU with compiled loops: one model's weights for `playground.model.kernels`, and what calls them.

A decision is a pass over the weights for one new timestep of one or several rows. In PyTorch most of its time goes into
preparing many small operations. Here loops do the work, one row after the other; on one thread up to 64 rows take no
longer so than with PyTorch's products of all rows at once.

Shapes: N rows, T = 1 position per timestep, D width, H heads, A action tokens, L words.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from playground.model import encoder_kernels, kernels
from playground.model.decoders import MODE_SHARE, MODE_WINDOW, StepDecoder
from playground.model.encoders import StepEncoder
from playground.model.generalist import GeneralistModel
from playground.model.grid_encoder import GRID_CHANNELS, GRID_SYMBOLS, GridEncoder
from playground.model.jit import has_float16
from playground.model.patch_encoder import GROUPS
from playground.model.token_batch import TokenBatch
from playground.model.transformer import Block, Cache, Trunk, apply_rope, extend_by_modules, rope
from playground.tokens.images import PATCH

POSITIONS = 256
"""Positions whose rotary embedding is tabulated at first."""

FEW = 16
"""Most positions of a row that are read in loops: a pass over all weights in float32 takes as long as twenty."""

TEXTS = 256
"""Texts whose encoding is remembered: they stay the same for many timesteps."""


class EncodedText(NamedTuple):
    """A text as timesteps and their cells use it.

    Attributes:
        vector: the whole text, [D].
        film: see `GridText`, [2 E].
        words: see `GridText`, [L, 2 E].
    """

    vector: Tensor
    film: np.ndarray
    words: np.ndarray


class CompiledBackend:
    """One model's loops; see `playground.model.backend.Backend`.

    Args:
        model: in the `step` layout, in float32 on a CPU. Its parameters are read as they are now; 8 MB more for the
            preset `small`.
    """

    name = "compiled"

    def __init__(self, model: GeneralistModel):
        encoder, decoder = model.encoder, model.decoder
        assert isinstance(encoder, StepEncoder) and isinstance(decoder, StepDecoder)
        self._encoder, self._modules = encoder, model.trunk
        self._heads, self._width, self._bins = model.config.heads, model.config.width, model.config.action_bins
        self._role, self._norm = encoder.role.weight[1], (encoder.norm.weight, encoder.norm.bias)
        self._trunk, self._decoder, self._scalars = _trunk(model.trunk), _decoder(encoder, decoder), _scalars(encoder)
        self._grid, self._word_heads = _grid(encoder.grid), model.config.word_heads
        self._ropes = self._rotations(POSITIONS)
        no_film = _array(encoder.grid.no_text(1).film[0])
        self._no_text = EncodedText(torch.zeros(self._width), no_film, np.empty((0, len(no_film)), np.float32))
        self._encode_text = lru_cache(maxsize=TEXTS)(self._encode_text_anew)
        self._patches = _patches(encoder)
        self._patch_positions = lru_cache(maxsize=8)(lambda *sides: _array(encoder.image.positions(*sides)))
        self._last_picture: dict[torch.Size, tuple[np.ndarray, np.ndarray]] = {}  # patches, and vectors [P, D]

    def embed(self, batch: TokenBatch) -> Tensor:
        """See `Backend.embed`: as `StepEncoder.forward`, of observations whose actions are hidden."""
        scalars = [kernels.embed_scalars(row, self._scalars) for row in batch.values[:, 0].numpy()]
        x, texts = torch.from_numpy(np.stack(scalars)), None
        if batch.text is not None and batch.text_index is not None:
            encoded = [self._encode_text(ids[: np.count_nonzero(ids)].tobytes()) for ids in batch.text.numpy()]
            texts = [encoded[index] for index in batch.text_index[:, 0].tolist()]
            x = x + torch.stack([text.vector for text in texts])
        if batch.grid is not None:
            x = x + self._embed_grid(batch.grid[:, 0].numpy(), texts)
        if batch.image is not None:
            x = x + self._embed_image(batch.image[:, 0])
        return torch.layer_norm(x + self._role, (self._width,), *self._norm)[:, None]

    def extend(self, x: Tensor, cache: Cache, rows: Sequence[int]) -> Tensor:
        """See `Backend.extend`; many positions are read by the modules, all at once."""
        S = x.shape[1]
        if S > FEW:
            return extend_by_modules(self._modules, x, cache, rows)
        if cache.capacity > len(self._ropes):
            self._ropes = self._rotations(cache.capacity)
        first, kv = cache.length[list(rows)], cache.kv.numpy()
        assert first.max() + S <= cache.capacity  # the loops check no bounds
        outputs = np.empty(x.shape, np.float32)
        for one, output, row, position in zip(x.numpy(), outputs, rows, first.tolist(), strict=True):
            for s in range(S):
                rope = self._ropes[position + s]
                output[s] = kernels.extend(one[s], self._trunk, kv, row, position + s, rope)
        return torch.from_numpy(outputs)

    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `Backend.decode`."""
        form = (self._bins, 1, size, -1, 0.0) if discrete else (0, size, self._bins, MODE_WINDOW, MODE_SHARE)
        decoded = [kernels.decode(row, self._decoder, *form) for row in h[:, 0].numpy()]
        probabilities, means = (np.stack(part) for part in zip(*decoded, strict=True))
        return np.rint(means).astype(np.int64), probabilities, means

    @torch.inference_mode()
    def _encode_text_anew(self, ids: bytes) -> EncodedText:
        """A text from its token ids (int64, none of them padding)."""
        given = np.frombuffer(ids, np.int64) if ids else np.zeros(1, np.int64)
        texts = self._encoder.encode_texts(torch.from_numpy(given.copy())[None])
        text = self._encoder.grid.text(texts)
        assert text.words is not None
        return EncodedText(texts.vectors[0], text.film[0].numpy(), text.words[0].numpy())

    def _embed_grid(self, grids: np.ndarray, texts: Sequence[EncodedText] | None) -> Tensor:
        """Grids int64 [N, H, W, C] and their texts -> [N, D]."""
        texts = [self._no_text] * len(grids) if texts is None else texts
        embedded = [
            encoder_kernels.embed_grid(grid, text.film, text.words, self._word_heads, self._grid)
            for grid, text in zip(grids, texts, strict=True)
        ]
        return torch.from_numpy(np.stack(embedded))

    def _embed_image(self, image: Tensor) -> Tensor:
        """As `StepEncoder.embed_images`, of uint8 [N, H, W, 3]; of a single picture only what changed since the last.

        Most patches of a game's picture are those of the picture before.
        """
        encoder, shape = self._encoder, image.shape
        if len(image) > 1:
            return encoder.embed_images(image)
        patches = encoder.image.cut(image).numpy()  # [P, 16, 16, 3]
        positions = self._patch_positions(shape[1] // PATCH, shape[2] // PATCH)
        seen, vectors = self._last_picture.get(shape, (~patches, np.empty((len(patches), self._width), np.float32)))
        vectors = vectors.copy()
        for place in np.flatnonzero((patches != seen).any((1, 2, 3))).tolist():
            vectors[place] = encoder_kernels.embed_patch(patches[place], positions[place], GROUPS, self._patches)
        self._last_picture[shape] = patches, vectors
        return encoder.image_out(torch.from_numpy(vectors.mean(0, keepdims=True)))

    def _rotations(self, count: int) -> np.ndarray:
        """What `apply_rope` does at each of `count` positions, as matrices [count, D/H/4, D/H/4]."""
        size = self._width // self._heads
        unit = torch.eye(size // 4).expand(count, 1, -1, -1)
        places = torch.arange(count)[:, None].expand(-1, size // 4)
        return apply_rope(unit, rope(places, size, torch.float32))[:, 0].numpy()


def _trunk(trunk: Trunk) -> kernels.TrunkWeights:
    blocks = cast(list[Block], list(trunk.blocks))
    return kernels.TrunkWeights(
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
        norm=_array(_norm(trunk.norm)),
    )


def _decoder(encoder: StepEncoder, decoder: StepDecoder) -> kernels.DecoderWeights:
    tables = encoder.tables
    return kernels.DecoderWeights(
        vector_bias=_array(decoder.vector.bias),
        vector=half(decoder.vector.weight),
        norm=_array(_norm(decoder.norm)),
        up_bias=_array(decoder.up.bias),
        up=half(decoder.up.weight),
        down_bias=_array(decoder.down.bias),
        down=half(decoder.down.weight),
        norm_out=_array(_norm(decoder.norm_out)),
        head_bias=_array(decoder.head.bias),
        head=half(decoder.head.weight),
        actions=_array(tables.action.weight),
        positions=_array(tables.action_position.weight),
    )


def _scalars(encoder: StepEncoder) -> kernels.ScalarWeights:
    return kernels.ScalarWeights(
        token=_array(encoder.tables.token.weight),
        local=_array(encoder.tables.local.weight),
        position=_array(encoder.position.weight),
        bias=_array(encoder.values.bias),
        values=half(encoder.values.weight),
    )


def _grid(grid: GridEncoder) -> encoder_kernels.GridWeights:
    width, look = len(grid.cell), grid.word_attention
    return encoder_kernels.GridWeights(
        symbols=_array(grid.symbol.weight.T).reshape(GRID_CHANNELS, GRID_SYMBOLS, width),
        cells=_array((grid.cell + grid.symbol.bias[:, None, None]).permute(1, 2, 0)).reshape(-1, width),
        norm=_array(_norm(look.norm)),
        query=_array(look.query.weight),
        query_bias=_array(look.query.bias),
        out=_array(look.out.weight),
        out_bias=_array(look.out.bias),
        conv1=_convolution(grid.conv1),
        conv1_bias=_array(grid.conv1.bias),
        conv2=_convolution(grid.conv2),
        conv2_bias=_array(grid.conv2.bias),
        last=half(grid.out.weight.unflatten(1, grid.cell.shape).permute(0, 2, 3, 1).flatten(1)),
        last_bias=_array(grid.out.bias),
    )


def _patches(encoder: StepEncoder) -> encoder_kernels.PatchWeights:
    image = encoder.image
    return encoder_kernels.PatchWeights(
        stem=_array(image.stem.weight.permute(0, 2, 3, 1).flatten(1)),
        stem_bias=_array(image.stem.bias),
        norm1=_array(_norm(image.norm1)),
        conv1=_array(image.conv1.weight.permute(0, 2, 3, 1).flatten(1)),
        conv1_bias=_array(image.conv1.bias),
        norm2=_array(_norm(image.norm2)),
        conv2=_array(image.conv2.weight.permute(0, 2, 3, 1).flatten(1)),
        conv2_bias=_array(image.conv2.bias),
        out=half(image.out.weight.unflatten(1, (-1, 16)).mT.flatten(1)),
        out_bias=_array(image.out.bias),
        up=half(encoder.image_up.weight),
        up_bias=_array(encoder.image_up.bias),
    )


def _convolution(layer: nn.Conv2d) -> np.ndarray:
    """Weights [out, in, 3, 3] -> [3, out, 3 * in]: row, output, column and input."""
    return _array(layer.weight.permute(2, 0, 3, 1).flatten(2))


def half(weight: Tensor) -> np.ndarray:
    """A matrix in float16, as uint16, where that loses nothing (half as much to pass over), else in float32.

    It stays float32 too where the processor cannot widen a float16.
    """
    return _halved(_array(weight))


def _halved(weights: np.ndarray) -> np.ndarray:
    if not has_float16():
        return weights
    with np.errstate(over="ignore"):
        short = weights.astype(np.float16)
    return short.view(np.uint16) if np.array_equal(short, weights) else weights


def _norm(norm: nn.LayerNorm | nn.GroupNorm) -> Tensor:
    return torch.stack((norm.weight, norm.bias))


def _array(tensor: Tensor | None) -> np.ndarray:
    assert tensor is not None
    return tensor.detach().contiguous().numpy()


def _stack(*tensors: Tensor) -> np.ndarray:
    return _array(torch.stack(tensors))
