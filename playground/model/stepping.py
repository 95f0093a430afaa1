"""One new timestep of one or several rows on a CPU: what acting spends its time on.

It computes what `StepEncoder.forward`, `Trunk.forward` behind a cache and `GeneralistModel.decode` compute, from the
same parameters; these are the definition, and a test compares. There, most of the time goes into preparing many small
operations; here, the compiled loops of `playground.model.kernels` do most of the work, one row after the other.

Shapes: N rows, D width, H heads, A action tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from playground.model.embeddings import StepEncoder
from playground.model.generalist import GeneralistModel
from playground.model.row_by_row import RowByRow
from playground.model.transformer import Cache, rotate, rotation

POSITIONS = 256
"""Positions whose rotation is tabulated at first."""


@dataclass(frozen=True)
class ReadText:
    """A text as it is kept while it stays the same: its vector [D], and what cells find in it [L, 2 local width]."""

    vector: Tensor
    words: Tensor | None


class Stepper:
    """Reads and decodes for some rows of a model in the `step` layout.

    Args:
        model: whose parameters are read, as they were when the first stepper was made for it.
    """

    def __init__(self, model: GeneralistModel):
        assert isinstance(model.encoder, StepEncoder)
        self._encoder = encoder = model.encoder
        self._heads, self._width = model.trunk.heads, model.config.width
        self._observed = encoder.role.weight[1], encoder.norm.weight, encoder.norm.bias
        self._rows = RowByRow.of(model)
        self._turns = self._rotations(POSITIONS)
        self._places: dict[torch.Size, Tensor] = {}
        self._hooks = [hooks for m in model.modules() for hooks in (m._forward_hooks, m._forward_pre_hooks)]

    @staticmethod
    def fits(model: GeneralistModel) -> bool:
        """Whether there is a shorter way for this model."""
        return model.config.layout == "step" and model.device.type == "cpu" and model.dtype == torch.float32

    @property
    def watched(self) -> bool:
        """Whether somebody listens to the model's modules, which this class goes past."""
        return any(self._hooks)

    def read_text(self, ids: Tensor) -> ReadText:
        """A text, from its token ids [L], none of them padding unless it is the only one."""
        texts = self._encoder.read_texts(ids[None])
        found = self._encoder.grid.find_in(texts)
        return ReadText(texts.vectors[0], None if found is None else found[0][0])

    def embed(
        self,
        values: Tensor,
        texts: Sequence[ReadText] | None = None,
        grid: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Tensor:
        """As `StepEncoder.forward`, of one observation a row whose action is hidden.

        Args:
            values: token ids of scalars int64 [N, K], none missing.
            texts: what `read_text` gave for each row.
            grid: int64 [N, H, W, C].
            image: uint8 [N, H, W, 3].

        Returns:
            [N, D].
        """
        x = self._rows.read_values(values)
        vectors, words = torch.zeros_like(x), None
        if texts is not None:
            vectors = torch.stack([text.vector for text in texts])
            x = x + vectors
            words = self._words(texts)
        if grid is not None:
            x = x + self._rows.read_grid(self._encoder.grid.features(grid, vectors, words))
        if image is not None:
            x = x + (self._read_image(image) if len(image) == 1 else self._encoder.read_images(image))
        role, w, bias = self._observed
        return torch.layer_norm(x + role, (self._width,), w, bias)

    @staticmethod
    def _words(texts: Sequence[ReadText]) -> tuple[Tensor, Tensor] | None:
        """What `GridEncoder.features` wants of the rows' words, padded to the most of them."""
        words = [text.words for text in texts if text.words is not None]
        if not words:
            return None
        counts = torch.tensor([len(part) for part in words])
        return pad_sequence(words, batch_first=True), torch.arange(int(counts.max())) >= counts[:, None]

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
        if cache.capacity > len(self._turns):
            self._turns = self._rotations(cache.capacity)
        return self._rows.read(x, cache, rows, self._turns)

    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `GeneralistModel.decode`.

        Args:
            h: trunk outputs [N, D].
            discrete: whether the action is a choice among `size` rather than `size` dimensions.

        Returns:
            tokens int64 [N, A], probabilities float32 [N, A, bins or size], means float32 [N, A].
        """
        return self._rows.decode(h, discrete, size)

    def _rotations(self, count: int) -> np.ndarray:
        """What `rotate` does at each of `count` positions, as matrices [count, D/H/4, D/H/4]."""
        size = self._width // self._heads
        unit = torch.eye(size // 4).expand(count, 1, -1, -1)
        places = torch.arange(count)[:, None].expand(-1, size // 4)
        return rotate(unit, rotation(places, size, torch.float32))[:, 0].numpy()


@torch.inference_mode()
def warm_up(model: GeneralistModel) -> None:
    """Has the compiled loops ready: seconds at the very first start, half a second when they lie on the disk."""
    if Stepper.fits(model):
        stepper, cache = Stepper(model), model.new_cache(1, 1)
        x = stepper.embed(torch.zeros(1, 1, dtype=torch.int64))
        stepper.decode(stepper.read(x, cache, [0]), discrete=True, size=2)
