"""The lower bound of acting: the matrix products of one decision, with the model's own weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model import GeneralistModel, kernels
from playground.model.compiled import half
from playground.model.transformer import Cache

TEXT = ("encoder.text", "encoder.grid.film", "encoder.grid.word_attention.words")
"""Modules that read nothing but the text."""

FEW = 64
"""Most vectors for which the compiled product is faster than PyTorch's on one thread."""


def bare_products(model: GeneralistModel, act: Callable[[], object]) -> Callable[[], None]:
    """Returns a function that does the matrix products of `act` alone, with the same weights, keys and values.

    Each of a few vectors is a pass over the weights as acting holds them, in float16 where that loses nothing.

    What only depends on the text is left out: a mission is read once.
    """
    products: list[Callable[[], object]] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        x = torch.randn(inputs[0].shape)
        assert isinstance(module, nn.Linear | nn.Conv2d)
        weight, bias = module.weight, module.bias
        if isinstance(module, nn.Conv2d):
            products.append(lambda: F.conv2d(x, weight, bias, module.stride, module.padding))
        elif x.numel() <= FEW * module.in_features:
            numbers, (zero, out) = half(weight), np.zeros((2, len(weight)), np.float32)
            for vector in x.view(-1, module.in_features).numpy():
                products.append(lambda vector=vector: kernels.product(numbers, vector, zero, out))  # type: ignore[misc]
        else:
            products.append(lambda: F.linear(x, weight))

    def note_attention(trunk: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, cache, *rows = inputs
        assert isinstance(cache, Cache)
        index = slice(None) if not rows or rows[0] is None else rows[0]
        stop = int(cache.length[index].max()) + x.shape[1]
        for layer in range(len(cache.keys)):
            keys, values = (kept[layer][index, :, :stop].flatten(0, 1) for kept in (cache.keys, cache.values))
            queries = torch.randn(len(keys), x.shape[1], keys.shape[-1])
            products.append(lambda q=queries, k=keys, v=values: torch.bmm(torch.bmm(q, k.mT), v))  # type: ignore[misc]

    kept = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and not name.startswith(TEXT)
    ]
    handles = [module.register_forward_hook(note) for module in kept]
    handles.append(model.trunk.register_forward_hook(note_attention))
    try:
        act()
    finally:
        for handle in handles:
            handle.remove()

    @torch.inference_mode()
    def bare() -> None:
        for product in products:
            product()

    return bare
