"""One new timestep of one row on a CPU, with few operations: what acting in one world spends its time on.

It computes what `StepEncoder.forward`, `Trunk.forward` behind a cache and `GeneralistModel.decode` compute, from the
same parameters; these are the definition, and a test compares. There, most of the time goes into preparing the many
small operations that a batch needs; here a vector is a vector.

Shapes: D width, H heads, C capacity of the cache, A action tokens.
"""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from playground.model.embeddings import StepEncoder
from playground.model.generalist import ENOUGH, REACH, GeneralistModel
from playground.model.transformer import Block, Cache, rotate, rotation

POSITIONS = 256
"""Positions whose rotation is tabulated at first."""


def twice_gelu(x: Tensor) -> Tensor:
    """2 GELU(x), exactly; four times as quick as `F.gelu` on few numbers, which prepares a kernel each time."""
    return torch.addcmul(x, x, torch.erf(x * 0.5**0.5))


class Stepper:
    """Reads and decodes for one row of a model in the `step` layout.

    Args:
        model: whose parameters are read, as they are at each step.
    """

    def __init__(self, model: GeneralistModel):
        trunk = model.trunk
        assert isinstance(model.encoder, StepEncoder)
        self._model, self._encoder = model, model.encoder
        self._heads, self._width = trunk.heads, (model.config.width,)
        self._blocks = [
            (
                *(block.norm1.weight, block.norm1.bias, block.attention.qkv.weight, block.attention.qkv.bias),
                *(block.attention.out.weight, block.attention.out.bias, block.norm2.weight, block.norm2.bias),
                *(block.up.weight, block.up.bias, block.down.weight, block.down.bias),
            )
            for block in cast(list[Block], list(trunk.blocks))
        ]
        self._turns = self._rotations(POSITIONS)
        self._bin = np.arange(model.config.action_bins, dtype=np.float32)
        self._hooks = [hooks for m in model.modules() for hooks in (m._forward_hooks, m._forward_pre_hooks)]

    @staticmethod
    def fits(model: GeneralistModel) -> bool:
        """Whether there is a shorter way for this model."""
        return model.config.layout == "step" and model.device.type == "cpu" and model.dtype == torch.float32

    @property
    def watched(self) -> bool:
        """Whether somebody listens to the model's modules, which this class goes past."""
        return any(self._hooks)

    def read_text(self, ids: Tensor) -> Tensor:
        """A text's vector [D], from its token ids [L]."""
        return self._encoder.read_texts(ids[None])[0]

    def embed(
        self, values: Tensor, text: Tensor | None = None, grid: Tensor | None = None, image: Tensor | None = None
    ) -> Tensor:
        """As `StepEncoder.forward`, of one observation whose action is hidden.

        Args:
            values: token ids of scalars int64 [K].
            text: what `read_text` gave, [D].
            grid: int64 [H, W, C].
            image: uint8 [H, W, 3].

        Returns:
            [D].
        """
        encoder, K = self._encoder, len(values)
        x = torch.addcmul(
            encoder.tables.local.weight[:K], encoder.tables.token.weight[values], encoder.place.weight[:K]
        )
        x = torch.addmv(encoder.values.bias, encoder.values.weight, twice_gelu(x).sum(0), alpha=0.5)
        if text is not None:
            x = x + text
        if grid is not None:
            x = x + encoder.grid(grid[None], (torch.zeros_like(x) if text is None else text)[None])[0]
        if image is not None:
            x = x + encoder.read_images(image[None])[0]
        return F.layer_norm(x + encoder.role.weight[1], self._width, encoder.norm.weight, encoder.norm.bias)

    def read(self, x: Tensor, cache: Cache, row: int) -> Tensor:
        """The trunk's output [D] at a position [D] behind what a row of the cache holds; its length is left alone."""
        H, width = self._heads, self._width
        position = int(cache.length[row])
        seen = position + 1
        if position >= len(self._turns):
            self._turns = self._rotations(2 * position)
        turn = self._turns[position]
        for (w1, b1, w_qkv, b_qkv, w_out, b_out, w2, b2, w_up, b_up, w_down, b_down), keys, values in zip(
            self._blocks, cache.keys, cache.values, strict=True
        ):
            qkv = torch.addmv(b_qkv, w_qkv, F.layer_norm(x, width, w1, b1)).view(3, H, 1, -1)
            turning = qkv[:2, ..., : len(turn)]
            turning.copy_(turning @ turn)
            k, v = keys[row], values[row]  # [H, C, D/H]
            k[:, position], v[:, position] = qkv[1, :, 0], qkv[2, :, 0]
            attended = F.scaled_dot_product_attention(qkv[:1], k[None, :, :seen], v[None, :, :seen])
            x = torch.addmv(b_out, w_out, attended.view(-1)).add_(x)
            hidden = twice_gelu(torch.addmv(b_up, w_up, F.layer_norm(x, width, w2, b2)))
            x = torch.addmv(b_down, w_down, hidden, alpha=0.5).add_(x)
        norm = self._model.trunk.norm
        return F.layer_norm(x, width, norm.weight, norm.bias)

    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `GeneralistModel.decode`, of one timestep.

        Args:
            h: trunk output [D].
            discrete: whether the action is a choice among `size` rather than `size` dimensions.

        Returns:
            tokens int64 [A], probabilities float32 [A, bins or size], means float32 [A].
        """
        decoder, table, width = self._model.decoder, self._model.encoder.tables, self._width
        A, bins = 1 if discrete else size, self._model.config.action_bins
        logits = slice(bins, bins + size) if discrete else slice(0, bins)
        w_head, b_head = self._model.head.weight[logits], self._model.head.bias[logits]
        w1, b1, w2, b2 = decoder.norm.weight, decoder.norm.bias, decoder.norm_out.weight, decoder.norm_out.bias
        w_up, b_up, w_down, b_down = decoder.up.weight, decoder.up.bias, decoder.down.weight, decoder.down.bias
        positions, actions = table.action_position.weight, table.action.weight
        tokens, means = np.zeros(A, np.int64), np.zeros(A, np.float32)
        probabilities = np.zeros((A, len(b_head)), np.float32)
        x = torch.addmv(decoder.vector.bias, decoder.vector.weight, h)
        for a in range(A):
            y = x + positions[a]
            hidden = twice_gelu(torch.addmv(b_up, w_up, F.layer_norm(y, width, w1, b1)))
            y = torch.addmv(b_down, w_down, hidden, alpha=0.5).add_(y)
            p = torch.addmv(b_head, w_head, F.layer_norm(y, width, w2, b2)).softmax(-1).numpy()
            probabilities[a] = p
            means[a] = p.argmax() if discrete else self._expected_bin(p)
            tokens[a] = np.rint(means[a])
            if a + 1 < A:
                x = torch.add(x, twice_gelu(actions[tokens[a]] + positions[a]), alpha=0.5)
        return tokens, probabilities, means

    def _expected_bin(self, p: np.ndarray) -> float:
        """As `generalist.expected_bin`, of one distribution [bins]."""
        mode = int(p.argmax())
        near = slice(max(mode - REACH, 0), mode + REACH + 1)
        window = p[near]
        mass = window.sum()
        return float(window @ self._bin[near] / mass if mass < ENOUGH else p @ self._bin)

    def _rotations(self, count: int) -> Tensor:
        """What `rotate` does at each of `count` positions, as matrices [count, D/H/4, D/H/4]."""
        size = self._width[0] // self._heads
        unit = torch.eye(size // 4).expand(count, 1, -1, -1)
        return rotate(unit, rotation(torch.arange(count)[:, None].expand(-1, size // 4), size, torch.float32))[:, 0]
