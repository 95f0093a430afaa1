"""The floor of acting: the matrix products of a decision with the model's own weights, and nothing else."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model import GeneralistModel, kernels
from playground.model.row_by_row import matrix
from playground.model.transformer import Attention, AttentionInputs

FEW = 64
"""Vectors up to which this is quicker than one of PyTorch's products on one thread."""


def bare_products(model: GeneralistModel, act: Callable[[], object]) -> Callable[[], None]:
    """What `act` multiplies, and nothing else: the same products with the same weights, cached keys and values.

    Each of a few vectors is a pass over the weights as acting holds them, in float16 where that loses nothing.

    The text encoder is left out: a mission is read once.
    """
    products: list[Callable[[], object]] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        x = torch.randn(inputs[0].shape)
        assert isinstance(module, nn.Linear | nn.Conv2d)
        weight, bias = module.weight, module.bias
        if isinstance(module, nn.Conv2d):
            products.append(lambda: F.conv2d(x, weight, bias, module.stride, module.padding))
        elif x.numel() <= FEW * module.in_features:
            numbers, (zero, out) = matrix(weight), np.zeros((2, len(weight)), np.float32)
            for vector in x.view(-1, module.in_features).numpy():
                products.append(lambda vector=vector: kernels.product(numbers, vector, zero, out))  # type: ignore[misc]
        else:
            products.append(lambda: F.linear(x, weight))

    def note_attention(module: nn.Module, inputs: tuple[Tensor, AttentionInputs, int], output: Tensor) -> None:
        x, reach, layer = inputs
        assert isinstance(module, Attention) and reach.cache is not None and reach.mask is not None
        rows, stop = slice(None) if reach.rows is None else reach.rows, reach.mask.shape[-1]
        keys, values = (held[layer][rows, :, :stop].flatten(0, 1) for held in (reach.cache.keys, reach.cache.values))
        queries = torch.randn(len(keys), x.shape[1], keys.shape[-1])
        products.append(lambda: torch.bmm(torch.bmm(queries, keys.mT), values))

    kept = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and not name.startswith("encoder.text")
    ]
    handles = [module.register_forward_hook(note) for module in kept]
    attentions = [module for module in model.modules() if isinstance(module, Attention)]
    handles += [module.register_forward_hook(note_attention) for module in attentions]
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
