"""Named activations: watch what a forward pass computes, without leaving anything behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from playground.errors import UnknownNameError


def tap_names(model: nn.Module) -> list[str]:
    """Names that `tap` knows: the modules of the model, such as `encoder`, `trunk.blocks.0.attention`, `trunk.norm`."""
    return [name for name, _ in model.named_modules() if name]


@contextmanager
def tap(model: nn.Module, *patterns: str) -> Iterator[dict[str, Tensor]]:
    """Collects the outputs of the modules whose names match the globs, during the `with` block.

    The dictionary is filled by each forward pass (the latest wins); hooks are removed whatever happens.

    Raises:
        UnknownNameError: a pattern matches no module.
    """
    modules = dict(model.named_modules())
    names = {name for pattern in patterns for name in modules if name and fnmatchcase(name, pattern)}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in modules if name):
            raise UnknownNameError("tap", pattern, tap_names(model))
    activations: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            activations[name] = output.detach()

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in sorted(names)]
    try:
        yield activations
    finally:
        for handle in handles:
            handle.remove()
