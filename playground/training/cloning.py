"""Behavioural cloning: the masked loss, and float32 master weights for a network that computes in bfloat16."""

import time
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.model import GeneralistModel
from playground.model.segment_sum import ROWS
from playground.training.batches import Batch

SMOOTHING = (0.0625, 0.25, 0.375, 0.25, 0.0625)
"""Share of a continuous action's label that its neighbouring bins get: a Gaussian of one bin."""


def cloning_loss(model: GeneralistModel, batch: Batch, before: GeneralistModel | None = None) -> tuple[Tensor, Tensor]:
    """Cross-entropy of what is to be predicted.

    Args:
        model: learns.
        batch: sequences.
        before: what the model was, if its distributions are to be predicted instead of the experts' tokens.

    Returns:
        of the expert's action tokens: mean over action dimensions, weighted sum over live timesteps.
        of the tokens that tell what a prompt asks for: mean over tokens, sum over the sequences with a prompt.
    """
    steps = batch.steps
    h = model(steps).flatten(0, 1)  # [B * S, T, D]
    said = model.prompt_reader(h[batch.asked_at, -1], model.encoder.tables.token.weight).float()
    misread = F.cross_entropy(said.mT, batch.asked, ignore_index=-1, reduction="none")  # [P, GOAL_TOKENS]
    if before is not None:
        with torch.no_grad():
            earlier = before(steps).flatten(0, 1)
            likely = before.prompt_reader(earlier[batch.asked_at, -1], before.encoder.tables.token.weight).float()
        misread = F.cross_entropy(said.mT, likely.softmax(-1).mT, reduction="none") * (batch.asked >= 0)
    asked = (misread.sum(1) / (batch.asked >= 0).sum(1).clamp(min=1)).sum()
    chosen = batch.weight.flatten().nonzero()[:, 0]
    count = len(chosen)
    chosen = F.pad(chosen, (0, -count % ROWS))  # [N]
    tokens = steps.actions.flatten(0, 1)[chosen]  # [N, A]
    tokens[count:] = -1
    discrete = steps.discrete.flatten()[chosen]  # [N]
    there = tokens >= 0
    share = batch.weight.flatten()[chosen] / there.sum(-1).clamp(min=1)
    log_p = F.log_softmax(model.logits(h[chosen], tokens, discrete).float(), dim=-1)  # [L, V]
    row = there.nonzero()[:, 0]
    if before is not None:
        with torch.no_grad():
            q = before.logits(earlier[chosen], tokens, discrete).float().softmax(-1)
        return -((q * log_p).sum(-1) * share[row]).sum(), asked
    label, choice, bins = tokens[there], discrete[row], model.config.action_bins  # [L] each
    reach = len(SMOOTHING) // 2
    near = (label[:, None] + torch.arange(-reach, reach + 1, device=label.device)).clamp(0, bins - 1)  # [L, 5]
    near = torch.where(choice[:, None], (label + bins)[:, None], near)
    smoothed = (log_p.gather(-1, near) * torch.tensor(SMOOTHING, device=label.device)).sum(-1)
    return -(smoothed * share[row]).sum(), asked


def halves_are_slow() -> bool:
    """Whether bfloat16 products take longer than float32 ones: a CPU without instructions for them takes five times."""
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
        weight_decay: on parameters of two axes or more.
        ema: decay of the moving average.
        muon: whether Muon is used. PyTorch's multiplies in bfloat16 whatever the weights are: on a CPU without
            instructions for that a step of `small` took 10 s, AdamW's 7 ms.
    """

    def __init__(self, model: nn.Module, weight_decay: float, ema: float, muon: bool = True):
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
        self.held = {name: p.detach().float().clone() for name, p in self._frozen.items()}
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
        self.ema = ema
        shapes: list[torch.Size] = []
        for name in inner:  # queries, keys and values are matrices of their own
            parts = 3 if name.endswith("qkv.weight") else 1
            shapes += parts * [named[name][: len(named[name]) // parts].shape]
        sizes = [shape.numel() for shape in shapes]
        sizes += [sum(p.numel() for p in group.values()) for group in (matrices, vectors)]
        *flat, decayed, free = self.weights.split(sizes)
        self._parts = [nn.Parameter(part.view(shape)) for part, shape in zip(flat, shapes, strict=True)]
        self._parts += [nn.Parameter(decayed), nn.Parameter(free)]
        self.optimizers: list[torch.optim.Optimizer] = []
        if inner:
            self.optimizers.append(
                torch.optim.Muon(self._parts[:-2], weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            )
        self.optimizers.append(
            torch.optim.AdamW(
                [
                    {"params": [self._parts[-2]], "weight_decay": weight_decay},
                    {"params": [self._parts[-1]], "weight_decay": 0.0},
                ],
                betas=(0.9, 0.98),
                fused=True,
            )
        )

    def take_gradient(self) -> Tensor:
        """The model's gradients as one float32 vector, good until the next call; the model's own are dropped."""
        for p, part in zip(self.parameters, self._gradients, strict=True):
            if p.grad is None:
                part.zero_()
            else:
                part.copy_(p.grad.flatten())
            p.grad = None
        return self._gradient

    def update(self, gradient: Tensor, learning_rate: float, clip: float, step: int) -> float:
        """One optimiser step; returns the gradient's norm before clipping. A gradient with NaN is dropped.

        Args:
            gradient: of all weights, as one vector; overwritten.
            learning_rate: of both optimisers.
            clip: largest norm.
            step: steps since the optimisers knew nothing; the average reaches back over a tenth of them at first.
        """
        norm = float(gradient.norm())
        if norm != norm or norm == float("inf"):
            return norm
        if norm > clip:
            gradient *= clip / norm
        for part, own in zip(self._parts, gradient.split([p.numel() for p in self._parts]), strict=True):
            part.grad = own.view(part.shape)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
        self.average.lerp_(self.weights, 1.0 - min(self.ema, (step + 1) / (step + 10)))
        self.write(self.weights)
        return norm

    @torch.no_grad()
    def write(self, weights: Tensor, parameters: Iterable[Tensor] | None = None) -> None:
        """Copies a flat vector into the model's parameters."""
        offset = 0
        for p in self.parameters if parameters is None else parameters:
            p.copy_(weights[offset : offset + p.numel()].view_as(p))
            offset += p.numel()

    @torch.no_grad()
    def write_average(self, model: nn.Module) -> None:
        """Copies the moving average, and what is not optimised, into another model on the CPU."""
        named = dict(model.named_parameters())
        self.write(self.average.cpu(), [named[name] for name in self.names])
        for name, value in self.held.items():
            named[name].copy_(value)

    def state(self) -> dict[str, Tensor]:
        """Everything that resuming needs, as tensors."""
        state = {"weights": self.weights, "average": self.average}
        state |= {f"held.{name}": value for name, value in self.held.items()}
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
        self._hold({name: given.get(name, value).float() for name, value in self.held.items()})
        self.write(self.weights)

    def fits(self, state: dict[str, Tensor]) -> bool:
        """Whether `state` was saved for such parameters and optimisers."""
        found = {key.split(".")[1] for key in state if key.startswith("optimizer.")}
        held = {key.removeprefix("held.") for key in state if key.startswith("held.")}
        same = "weights" in state and state["weights"].shape == self.weights.shape and held == self.held.keys()
        return same and found in (set(), {str(i) for i in range(len(self._parts))})

    def load(self, state: dict[str, Tensor]) -> None:
        """Inverse of `state`, which must fit."""
        self.weights.copy_(state["weights"])
        self.average.copy_(state["average"])
        self._hold({name: state[f"held.{name}"] for name in self.held})
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
    def _hold(self, values: dict[str, Tensor]) -> None:
        """Sets the parameters that are not optimised."""
        for name, parameter in self._frozen.items():
            self.held[name].copy_(values[name])
            parameter.copy_(values[name])

    def _optimizer(self, part: int) -> torch.optim.Optimizer:
        return self.optimizers[-1 if part >= len(self._parts) - 2 else 0]
