"""One new timestep of one or several rows on a CPU: what acting spends its time on.

It computes what `StepEncoder.forward`, `Trunk.forward` behind a cache and `GeneralistModel.decode` compute, from the
same parameters; these are the definition, and a test compares. There, most of the time goes into preparing many small
operations. A single row takes the compiled loops of `playground.model.kernels`, several rows few operations of PyTorch.

Shapes: N rows, D width, H heads, C capacity of the cache, A action tokens.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from playground.model.embeddings import StepEncoder
from playground.model.generalist import ENOUGH, REACH, GeneralistModel
from playground.model.one_row import OneRow
from playground.model.transformer import Block, Cache, rotate, rotation

POSITIONS = 256
"""Positions whose rotation is tabulated at first."""

ROOT = 0.5**0.5


def root_gelu(x: Tensor) -> Tensor:
    """GELU(sqrt(2) x) sqrt(2), exactly; half as long as `F.gelu` on few numbers, which prepares a kernel each time.

    Products scale for nothing: whoever makes x divides it by sqrt(2), and so does whoever reads the result.
    """
    return torch.addcmul(x, x, torch.erf(x))


class Stepper:
    """Reads and decodes for some rows of a model in the `step` layout.

    Args:
        model: whose parameters are read, as they were when the first stepper was made for it.
    """

    def __init__(self, model: GeneralistModel):
        trunk = model.trunk
        assert isinstance(model.encoder, StepEncoder)
        self._encoder = model.encoder
        self._heads, self._width = trunk.heads, (model.config.width,)
        self._blocks = [
            (
                *(block.norm1.weight, block.norm1.bias, block.attention.qkv.weight.T, block.attention.qkv.bias),
                *(block.attention.out.weight.T, block.attention.out.bias, block.norm2.weight, block.norm2.bias),
                *(block.up.weight.T, block.up.bias, block.down.weight.T, block.down.bias),
            )
            for block in cast(list[Block], list(trunk.blocks))
        ]
        encoder, tables, decoder, head = model.encoder, model.encoder.tables, model.decoder, model.head
        self._token, self._local, self._place = tables.token.weight, tables.local.weight, encoder.place.weight
        self._values = encoder.values.bias, encoder.values.weight.T
        self._observed = encoder.role.weight[1], encoder.norm.weight, encoder.norm.bias
        self._norm = trunk.norm.weight, trunk.norm.bias
        self._actions, self._positions = tables.action.weight, list(tables.action_position.weight)
        self._vector = decoder.vector.bias, decoder.vector.weight.T
        self._refine = (
            *(decoder.norm.weight, decoder.norm.bias, decoder.up.bias, decoder.up.weight.T),
            *(decoder.down.bias, decoder.down.weight.T, decoder.norm_out.weight, decoder.norm_out.bias),
        )
        self._head = head.bias, head.weight.T
        self._turns = self._rotations(POSITIONS)
        self._one = OneRow.of(model)
        self._places: dict[torch.Size, Tensor] = {}
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
        """As `StepEncoder.forward`, of one observation a row whose action is hidden.

        Args:
            values: token ids of scalars int64 [N, K], none missing.
            text: what `read_text` gave, [N, D].
            grid: int64 [N, H, W, C].
            image: uint8 [N, H, W, 3].

        Returns:
            [N, D].
        """
        encoder, K, (bias, w) = self._encoder, values.shape[1], self._values
        if len(values) == 1:
            x = self._one.read_values(values)
        else:
            x = torch.addcmul(self._local[:K], torch.embedding(self._token, values), self._place[:K]).mul_(ROOT)
            x = torch.addmm(bias, root_gelu(x).sum(1), w, alpha=ROOT)
        if text is not None:
            x = x + text
        if grid is not None:
            features = encoder.grid.features(grid, torch.zeros_like(x) if text is None else text)
            x = x + (self._one.read_grid(features) if len(grid) == 1 else encoder.grid.out(features))
        if image is not None:
            x = x + (self._read_image(image) if len(image) == 1 else encoder.read_images(image))
        role, w, bias = self._observed
        return torch.layer_norm(x + role, self._width, w, bias)

    def _read_image(self, image: Tensor) -> Tensor:
        """As `StepEncoder.read_images`, of one picture [1, H, W, 3]: few patches are not searched for equal ones."""
        encoder, size = self._encoder, image.shape
        if size not in self._places:
            self._places[size] = encoder.image.places(image)
        x = encoder.image.read(encoder.image.cut(image)) + self._places[size]
        return encoder.image_out(F.gelu(encoder.image_up(F.gelu(x))).mean(0, keepdim=True))

    def read(self, x: Tensor, cache: Cache, rows: Sequence[int]) -> Tensor:
        """The trunk's outputs [N, D] at a position [N, D] behind what each of N rows of the cache holds.

        The cache takes the new keys and values; its lengths are left alone.
        """
        if len(rows) == 1:
            position = int(cache.length.numpy()[rows[0]])
            return self._one.read(x, cache, rows[0], position, self.turns(position + 1)[position])
        reach = _Rows(self, cache, rows)
        width, x = self._width, x.clone()
        qkv, hidden = (x.new_empty(len(x), self._blocks[0][part].shape[1]) for part in (2, 8))
        for layer, (w1, b1, w_qkv, b_qkv, w_out, b_out, w2, b2, w_up, b_up, w_down, b_down) in enumerate(self._blocks):
            torch.addmm(b_qkv, torch.layer_norm(x, width, w1, b1), w_qkv, out=qkv)
            x.add_(b_out).addmm_(reach.attend(qkv, layer), w_out)
            torch.addmm(b_up, torch.layer_norm(x, width, w2, b2), w_up, beta=ROOT, alpha=ROOT, out=hidden)
            x.add_(b_down).addmm_(root_gelu(hidden), w_down, alpha=ROOT)
        return torch.layer_norm(x, width, *self._norm)

    def turns(self, count: int) -> Tensor:
        """What `rotate` does at each of at least `count` positions, as matrices [count, D/H/4, D/H/4]."""
        if count > len(self._turns):
            self._turns = self._rotations(2 * count)
        return self._turns

    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `GeneralistModel.decode`.

        Args:
            h: trunk outputs [N, D].
            discrete: whether the action is a choice among `size` rather than `size` dimensions.

        Returns:
            tokens int64 [N, A], probabilities float32 [N, A, bins or size], means float32 [N, A].
        """
        N, A, bins, width = len(h), 1 if discrete else size, len(self._bin), self._width
        w1, b1, b_up, w_up, b_down, w_down, w2, b2 = self._refine
        if N == 1:
            return self._one.decode(h, discrete, size)
        logits = slice(bins, bins + size) if discrete else slice(0, bins)
        b_head, w_head = self._head[0][logits], self._head[1][:, logits]
        tokens, means = np.zeros((N, A), np.int64), np.zeros((N, A), np.float32)
        probabilities = np.zeros((N, A, len(b_head)), np.float32)
        x = torch.addmm(self._vector[0], h, self._vector[1])
        for a in range(A):
            y = x + self._positions[a]
            hidden = torch.addmm(b_up, torch.layer_norm(y, width, w1, b1), w_up, beta=ROOT, alpha=ROOT)
            y = torch.addmm(b_down, root_gelu(hidden), w_down, alpha=ROOT).add_(y)
            p = torch.addmm(b_head, torch.layer_norm(y, width, w2, b2), w_head).softmax(-1).numpy()
            probabilities[:, a] = p
            means[:, a] = p.argmax(-1) if discrete else self._expected_bins(p)
            if a + 1 < A:
                tokens[:, a] = np.rint(means[:, a])
                told = (
                    torch.embedding(self._actions, torch.from_numpy(tokens[:, a])).add_(self._positions[a]).mul_(ROOT)
                )
                x = torch.add(x, root_gelu(told), alpha=ROOT)
        tokens[:, A - 1] = np.rint(means[:, A - 1])
        return tokens, probabilities, means

    def _expected_bins(self, p: np.ndarray) -> np.ndarray:
        """As `generalist.expected_bin`, of distributions [N, bins] -> [N]."""
        mode = p.argmax(-1)
        near = mode[:, None] + np.arange(-REACH, REACH + 1)
        inside = (near >= 0) & (near < p.shape[1])
        windows = np.take_along_axis(p, near.clip(0, p.shape[1] - 1), axis=1) * inside
        masses = windows.sum(-1)
        return np.where(masses < ENOUGH, (windows * near).sum(-1) / masses, p @ self._bin)

    def _rotations(self, count: int) -> Tensor:
        size = self._width[0] // self._heads
        unit = torch.eye(size // 4).expand(count, 1, -1, -1)
        return rotate(unit, rotation(torch.arange(count)[:, None].expand(-1, size // 4), size, torch.float32))[:, 0]


@torch.inference_mode()
def warm_up(model: GeneralistModel) -> None:
    """Has the loops for one row compiled: seconds at the very first start, half a second when they lie on the disk."""
    if Stepper.fits(model):
        stepper, cache = Stepper(model), model.new_cache(1, 1)
        x = stepper.embed(torch.zeros(1, 1, dtype=torch.int64))
        stepper.decode(stepper.read(x, cache, [0]), discrete=True, size=2)


class _Rows:
    """Attention of several rows' new positions."""

    def __init__(self, stepper: Stepper, cache: Cache, rows: Sequence[int]):
        self._heads, self._cache = stepper._heads, cache
        self._rows = torch.tensor(rows)
        self._all = len(rows) == len(cache.length) and list(rows) == list(range(len(rows)))
        self._positions = cache.length if self._all else cache.length[self._rows]
        least, most = int(self._positions.min()), int(self._positions.max())
        self._stop, self._mask = most + 1, None
        turns = stepper.turns(self._stop)
        if least == most:
            self._turn = turns[most]
        else:
            self._turn = turns[self._positions]
            beyond = torch.arange(self._stop) > self._positions[:, None]
            self._mask = torch.zeros(beyond.shape).masked_fill_(beyond, float("-inf"))[:, None, None]

    def attend(self, qkv: Tensor, layer: int) -> Tensor:
        """Queries, keys and values [N, 3D] -> [N, D]."""
        N, H = len(qkv), self._heads
        parts = qkv.view(N, 3 * H, -1)
        turning = parts[:, : 2 * H, : self._turn.shape[-1]]
        turning.copy_(turning @ self._turn)
        q, k, v = parts.view(N, 3, H, -1).unbind(1)
        keys = self._hold(self._cache.keys[layer], k)
        values = self._hold(self._cache.values[layer], v)
        return F.scaled_dot_product_attention(q[:, :, None], keys, values, attn_mask=self._mask).view(N, -1)

    def _hold(self, held: Tensor, new: Tensor) -> Tensor:
        """Puts new keys or values [N, H, D/H] into a layer's [B, H, C, D/H]; what is there now, [N, H, C', D/H]."""
        if self._all and self._mask is None:
            held[:, :, self._stop - 1] = new
        else:
            held[self._rows, :, self._positions] = new
        seen = held[:, :, : self._stop]
        return seen if self._all else seen.index_select(0, self._rows)
