"""What computes a decision: the modules themselves, or compiled loops for the few rows that act on a CPU.

`TorchBackend` is the definition. `playground.model.compiled.CompiledBackend` computes the same from the same parameters
in a fraction of the time; tests compare them. `choose_backend` is the one place that chooses.

Shapes: B rows of a cache, N rows of one call, S positions, T positions per timestep, D width, A action tokens.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from playground.model.generalist import GeneralistModel
from playground.model.token_batch import TokenBatch
from playground.model.transformer import Cache, extend_by_modules
from playground.tokens.images import PATCH

_log = logging.getLogger(__name__)


class Backend(Protocol):
    """Computes what acting needs of a model."""

    name: str

    def embed(self, batch: TokenBatch) -> Tensor:
        """One live timestep of each of N rows (a batch [N, 1] whose actions are hidden) -> positions [N, T, D]."""

    def extend(self, x: Tensor, cache: Cache, rows: Sequence[int]) -> Tensor:
        """Reads positions [N, S, D] behind what N rows of a cache hold -> the trunk's outputs [N, S, D].

        The cache takes their keys and values; it must have room for them. Its lengths are left alone.
        """

    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chooses action tokens, see `GeneralistModel.decode`.

        Args:
            h: the trunk's outputs [N, T, D].
            discrete: whether the action is discrete.
            size: number of discrete actions, or of a continuous action's numbers.

        Returns:
            tokens int64 [N, A], probabilities float32 [N, A, bins or size], means float32 [N, A].
        """


class TorchBackend:
    """The modules of a model, on any device and in either layout."""

    name = "torch"

    def __init__(self, model: GeneralistModel):
        self._model = model

    def embed(self, batch: TokenBatch) -> Tensor:
        """See `Backend.embed`."""
        return self._model.embed(batch.to(self._model.device))[:, 0]

    def extend(self, x: Tensor, cache: Cache, rows: Sequence[int]) -> Tensor:
        """See `Backend.extend`."""
        return extend_by_modules(self._model.trunk, x, cache, rows)

    def decode(self, h: Tensor, discrete: bool, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `Backend.decode`."""
        tokens, probabilities, means = self._model.decode(h, discrete, size)
        return tokens.cpu().numpy(), probabilities.cpu().numpy(), means.cpu().numpy()


class _Compiled:
    """A model's compiled backend, if it has one, and the hooks of all its modules. It does not keep the model alive."""

    def __init__(self, model: GeneralistModel):
        self.possible = model.config.layout == "step" and model.device.type == "cpu" and model.dtype == torch.float32
        self.backend: Backend | None = None
        self.hooks = [hooks for m in model.modules() for hooks in (m._forward_hooks, m._forward_pre_hooks)]
        self.watched = False


def _compile(model: GeneralistModel) -> Backend | None:
    """A model's compiled backend, tried out.

    None where Numba cannot be imported, or compiles nothing: other versions of libraries, a damaged cache, a full disk.
    """
    try:
        from playground.model.compiled import CompiledBackend

        backend = CompiledBackend(model)
        _try_out(backend, model)
    except Exception as error:
        _complain(f"{type(error).__name__}: {error}".strip().splitlines()[0])
        return None
    return backend


@lru_cache
def _complain(reason: str) -> None:
    """Says once why nothing is compiled."""
    _log.warning("decisions run in plain torch, which is slower, since Numba does not compile here (%s)", reason)


@torch.inference_mode()
def _try_out(backend: Backend, model: GeneralistModel) -> None:
    """Has a backend read a timestep with every kind of observation, and act."""
    number = torch.zeros(1, 1, 1, dtype=torch.int64)
    x = backend.embed(
        TokenBatch.live(
            1,
            discrete=True,
            values=number,
            grid=number[..., None, None],
            image=torch.zeros(1, 1, PATCH, PATCH, 3, dtype=torch.uint8),
            text=number[0],
            text_index=number[0],
        )
    )
    backend.decode(backend.extend(x, model.new_cache(1, 1), [0]), discrete=True, size=2)


_COMPILED: WeakKeyDictionary[GeneralistModel, _Compiled] = WeakKeyDictionary()


def choose_backend(model: GeneralistModel) -> Backend:
    """The quickest backend that computes what is asked of a model.

    That is the compiled one for a model in the `step` layout in float32 on a CPU. While a hook watches or edits one of
    its modules it is the plain one, because compiled loops go past the modules; the log says so. The compiled loops
    read the parameters as they were when the model was first asked for without a hook.
    """
    compiled = _COMPILED.get(model)
    if compiled is None:
        compiled = _COMPILED[model] = _Compiled(model)
    if not compiled.possible:
        return TorchBackend(model)
    if (watched := any(compiled.hooks)) != compiled.watched:
        compiled.watched = watched
        _log.info("decisions run %s", "in plain torch, because modules have hooks" if watched else "compiled again")
    if watched:
        return TorchBackend(model)
    if compiled.backend is None:
        compiled.backend = _compile(model)
        compiled.possible = compiled.backend is not None
    return compiled.backend or TorchBackend(model)


def warm_up(model: GeneralistModel) -> None:
    """Has the compiled loops ready: ten seconds at the very first start, half a second when they lie on the disk."""
    choose_backend(model)
