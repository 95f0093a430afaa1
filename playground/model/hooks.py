"""Hooks on named activations: read or edit what the trunk computes, and leave nothing behind.

Names and calls are TransformerLens' (Nanda and Bloom 2022), on this model instead of a copy of it. The page beside this
file shows where each name lies and its shape.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import filter as matching
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn

from playground.errors import BadValueError, UnknownNameError

HookFunction = Callable[[Tensor, "HookPoint"], Tensor | None]
"""Takes a copy of an activation and its hook point; the copy, or what is returned, takes the activation's place."""

Names = str | Sequence[str]
"""Names of hook points, or globs such as `blocks.*.hook_resid_post`."""


class HookPoint(nn.Module):
    """Passes an activation on unchanged, unless hooks are on.

    Args:
        name: the activation's name within its block.
    """

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    @property
    def hooked(self) -> bool:
        """Whether somebody reads or edits this activation."""
        return bool(self._forward_hooks)

    def __call__(self, x: Tensor) -> Tensor:
        """Spares what PyTorch does for any module's call, unless hooks are on."""
        call = super().__call__ if self._forward_hooks or self._forward_pre_hooks else self.forward
        y: Tensor = call(x)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x


class HookedModel(nn.Module):
    """A module whose activations can be read and edited by name.

    Attributes:
        hook_dict: the hook points by name, in the order in which they fire.
        edits: rises whenever hooks that edited something are removed. What was computed under them and is kept
            elsewhere, such as cached keys and values, is then out of date.
    """

    hook_dict: dict[str, HookPoint]
    edits = 0

    @property
    def hooked(self) -> bool:
        """Whether somebody reads or edits an activation."""
        return any(point.hooked for point in self.hook_dict.values())

    def hook_points(self, names: Names) -> list[HookPoint]:
        """The hook points of these names or globs, in the order in which they fire.

        Raises:
            UnknownNameError: a name matches nothing.
        """
        found: set[str] = set()
        for name in [names] if isinstance(names, str) else names:
            matches = matching(self.hook_dict, name)
            if not matches:
                raise UnknownNameError("hook", name, self.hook_dict)
            found.update(matches)
        return [point for name, point in self.hook_dict.items() if name in found]

    @contextmanager
    def hooks(self, fwd_hooks: Iterable[tuple[Names, HookFunction]]) -> Iterator[None]:
        """Reads and edits activations in the `with` block; the hooks are removed whatever happens.

        They count in the thread that opened the block: others may use the same network meanwhile. Acting runs in plain
        torch while hooks are on.

        Args:
            fwd_hooks: names and the function that takes their activations, see `HookFunction`.

        Raises:
            UnknownNameError: a name matches nothing.
            BadValueError: a function returned another shape, or a hook did not fire in the block.
        """
        wanted = [(point, function) for names, function in fwd_hooks for point in self.hook_points(names)]
        thread, fired, edited = get_ident(), set(), set()

        def hook(function: HookFunction) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
            def call(point: nn.Module, inputs: Any, x: Tensor) -> Tensor | None:
                if get_ident() != thread:
                    return None
                assert isinstance(point, HookPoint)
                fired.add(point.name)
                copy = x.clone()
                new = function(copy, point)
                new = copy if new is None else new
                if new.shape != x.shape:
                    found, right = list(new.shape), list(x.shape)
                    raise BadValueError(f"the hook on {point.name} returned the shape {found}; return {right}")
                if torch.equal(new, x):
                    return None
                edited.add(point.name)
                return new

            return call

        handles = []
        try:
            handles += [point.register_forward_hook(hook(function)) for point, function in wanted]
            yield
        finally:
            for handle in handles:
                handle.remove()
            self.edits += bool(edited)
        if silent := [point.name for point, _ in wanted if point.name not in fired]:
            raise BadValueError(
                f"the hook on {silent[0]} did not fire ({len(silent)} of {len(wanted)} hooks): "
                "run the model, or let the agent act, inside the with block and in its thread"
            )

    @contextmanager
    def caching(self, names: Names = "*") -> Iterator[dict[str, Tensor]]:
        """Keeps activations in the `with` block by name, each as it was last; errors as those of `hooks`."""
        cache: dict[str, Tensor] = {}

        def keep(x: Tensor, hook: HookPoint) -> None:
            cache[hook.name] = x.detach()

        with self.hooks([(names, keep)]):
            yield cache

    def run_with_cache(self, *inputs: Any, names_filter: Names = "*") -> tuple[Tensor, dict[str, Tensor]]:
        """One forward pass -> its output, and the activations by name; errors as those of `hooks`."""
        with self.caching(names_filter) as cache:
            return self(*inputs), cache

    def run_with_hooks(self, *inputs: Any, fwd_hooks: Iterable[tuple[Names, HookFunction]]) -> Tensor:
        """One forward pass with hooks -> its output; errors as those of `hooks`."""
        with self.hooks(fwd_hooks):
            output: Tensor = self(*inputs)
            return output
