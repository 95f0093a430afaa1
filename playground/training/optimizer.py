"""The optimisers, float32 master weights for a network that may compute in bfloat16, and the learning rate."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from playground.settings import POSITIVE, check_range


@dataclass(frozen=True)
class Optimization:
    """How weights are changed.

    Attributes:
        learning_rate: peak, of both optimisers; it falls to zero over the run as a cosine.
        warmup: optimiser steps of linear warm-up.
        restart: share of the peak from which the learning rate falls again in a run that is made longer.
        weight_decay: on matrices only.
        ema: decay of the moving average of the weights, which is what is saved.
        clip: largest gradient norm.
        trainable: globs of the parameters that are trained; all others are frozen.
    """

    learning_rate: float = 1e-3
    warmup: int = 100
    restart: float = 0.5
    weight_decay: float = 0.1
    ema: float = 0.999
    clip: float = 1.0
    trainable: tuple[str, ...] = ("*",)

    def __post_init__(self) -> None:
        check_range(self, ("learning_rate", "clip"), POSITIVE)
        check_range(self, ("warmup",), 1)
        check_range(self, ("restart", "ema", "weight_decay"), 0, 1)


def freeze(model: nn.Module, trainable: Iterable[str]) -> None:
    """Turns off the gradients of all parameters that no glob matches."""
    patterns = tuple(trainable)
    for name, parameter in model.named_parameters():
        matches = any(fnmatchcase(name, pattern) for pattern in patterns)
        parameter.requires_grad_(parameter.requires_grad and matches)


def bfloat16_is_slow() -> bool:
    """Whether products take longer in bfloat16 than in float32: on a CPU without instructions for it, five times."""
    seconds: dict[torch.dtype, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.ones(256, 256, dtype=dtype), torch.ones(1024, 256, dtype=dtype)
        for _ in range(4):  # the first call is slow
            start = time.perf_counter()
            torch.nn.functional.linear(a, b)
            took = time.perf_counter() - start
            seconds[dtype] = min(took, seconds.get(dtype, took))
    return seconds[torch.bfloat16] > seconds[torch.float32]


class MasterWeights:
    """The optimisers and a moving average over one flat float32 copy of the parameters; the model may be bfloat16.

    Muon (Jordan et al., 2024), whose updates are orthogonal, optimises the trunk's matrices, and AdamW all else. One
    learning rate serves both: Muon's updates are made as large as AdamW's (Liu et al., 2025, arXiv 2502.16982).

    Args:
        model: whose parameters are optimised, but for those that require no gradient; `update` writes into them.
        optimization: weight decay, moving average and clipping are taken from it.
        muon: whether Muon is used. PyTorch's multiplies in bfloat16 whatever the weights are: on a CPU without
            instructions for that a step of `small` took 10 s, AdamW's 7 ms.
    """

    def __init__(self, model: nn.Module, optimization: Optimization, muon: bool = True):
        self.optimization = optimization
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
        self.frozen = {name: p.detach().float().clone() for name, p in self._frozen.items()}
        inner = [name for name, p in named.items() if muon and name.startswith("trunk.") and p.ndim == 2]
        others = {name: p for name, p in named.items() if name not in inner}
        matrices = {name: p for name, p in others.items() if p.ndim > 1}
        vectors = {name: p for name, p in others.items() if p.ndim <= 1}
        self.names = [*inner, *matrices, *vectors]
        self.parameters = [named[name] for name in self.names]
        self.weights = torch.cat([p.detach().float().flatten() for p in self.parameters])
        self.average = self.weights.clone()
        self._gradient = torch.empty_like(self.weights)
        self._gradients = self._gradient.split([p.numel() for p in self.parameters])
        shapes: list[torch.Size] = []
        for name in inner:  # queries, keys and values are matrices of their own
            parts = 3 if name.endswith("qkv.weight") else 1
            shapes += parts * [named[name][: len(named[name]) // parts].shape]
        sizes = [shape.numel() for shape in shapes]
        sizes += [sum(p.numel() for p in group.values()) for group in (matrices, vectors)]
        *flat, decayed, free = self.weights.split(sizes)
        self._parts = [nn.Parameter(part.view(shape)) for part, shape in zip(flat, shapes, strict=True)]
        self._parts += [nn.Parameter(decayed), nn.Parameter(free)]
        decay = optimization.weight_decay
        self.optimizers: list[torch.optim.Optimizer] = []
        if inner:
            self.optimizers.append(
                torch.optim.Muon(self._parts[:-2], weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            )
        groups = [
            {"params": [self._parts[-2]], "weight_decay": decay},
            {"params": [self._parts[-1]], "weight_decay": 0.0},
        ]
        self.optimizers.append(torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True))

    def take_gradient(self) -> Tensor:
        """The model's gradients as one float32 vector, good until the next call; the model's own are dropped."""
        for p, part in zip(self.parameters, self._gradients, strict=True):
            if p.grad is None:
                part.zero_()
            else:
                part.copy_(p.grad.flatten())
            p.grad = None
        return self._gradient

    def update(self, gradient: Tensor, learning_rate: float, step: int) -> float:
        """One optimiser step; returns the gradient's norm before clipping. A gradient with NaN is dropped.

        Args:
            gradient: of all weights, as one vector; overwritten.
            learning_rate: of both optimisers.
            step: optimiser steps since they were made; the average reaches back over a tenth of them at first.
        """
        norm = float(gradient.norm())
        if norm != norm or norm == float("inf"):
            return norm
        if norm > self.optimization.clip:
            gradient *= self.optimization.clip / norm
        for part, own in zip(self._parts, gradient.split([p.numel() for p in self._parts]), strict=True):
            part.grad = own.view(part.shape)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
        self.average.lerp_(self.weights, 1.0 - min(self.optimization.ema, (step + 1) / (step + 10)))
        self.write(self.weights)
        return norm

    @torch.no_grad()
    def write(self, weights: Tensor, parameters: Iterable[Tensor] | None = None) -> None:
        """Copies a flat vector into the model's parameters, or into others of the same shapes."""
        offset = 0
        for p in self.parameters if parameters is None else parameters:
            p.copy_(weights[offset : offset + p.numel()].view_as(p))
            offset += p.numel()

    @torch.no_grad()
    def write_average(self, model: nn.Module) -> None:
        """Copies the moving average and the frozen parameters into another model on the CPU."""
        named = dict(model.named_parameters())
        self.write(self.average.cpu(), [named[name] for name in self.names])
        for name, value in self.frozen.items():
            named[name].copy_(value)

    def state(self) -> dict[str, Tensor]:
        """Everything that resuming needs, as tensors."""
        state = {"weights": self.weights, "average": self.average}
        state |= {f"frozen.{name}": value for name, value in self.frozen.items()}
        for i, part in enumerate(self._parts):
            for name, value in self._optimizer(i).state.get(part, {}).items():
                state[f"optimizer.{i}.{name}"] = value
        return state

    @torch.no_grad()
    def start_from(self, model: nn.Module) -> None:
        """Takes another model's parameters as weights and as their average; what it lacks stays as it is."""
        given = dict(model.named_parameters())
        parts = self.weights.split([p.numel() for p in self.parameters])
        for name, part in zip(self.names, parts, strict=True):
            if name in given:
                part.copy_(given[name].flatten())
        self.average.copy_(self.weights)
        self._set_frozen({name: given.get(name, value).float() for name, value in self.frozen.items()})
        self.write(self.weights)

    def fits(self, state: dict[str, Tensor]) -> bool:
        """Whether `state` was saved for such parameters and optimisers."""
        found = {key.split(".")[1] for key in state if key.startswith("optimizer.")}
        frozen = {key.removeprefix("frozen.") for key in state if key.startswith("frozen.")}
        same = "weights" in state and state["weights"].shape == self.weights.shape and frozen == self.frozen.keys()
        return same and found in (set(), {str(i) for i in range(len(self._parts))})

    def load(self, state: dict[str, Tensor]) -> None:
        """Inverse of `state`, which must fit."""
        self.weights.copy_(state["weights"])
        self.average.copy_(state["average"])
        self._set_frozen({name: state[f"frozen.{name}"] for name in self.frozen})
        for i, part in enumerate(self._parts):
            found: dict[str, Any] = {
                key.rpartition(".")[2]: value for key, value in state.items() if key.startswith(f"optimizer.{i}.")
            }
            if found:
                self._optimizer(i).state[part] = {
                    k: v.to(self.weights.device) if k != "step" else v for k, v in found.items()
                }
        self.write(self.weights)

    @torch.no_grad()
    def _set_frozen(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._frozen.items():
            self.frozen[name].copy_(values[name])
            parameter.copy_(values[name])

    def _optimizer(self, part: int) -> torch.optim.Optimizer:
        return self.optimizers[-1 if part >= len(self._parts) - 2 else 0]
