"""The loss: behavioural cloning of actions, prediction of the prompt's goal, and distillation from a teacher.

Distillation holds a model to what its teacher does (Li and Hoiem 2016, Learning without Forgetting, arXiv 1606.09282).
`B` rows of `S` timesteps, `P` prompts, `N` live timesteps, `A` action dimensions, `V` vocabulary.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from playground.model import GeneralistModel
from playground.model.segment_sum import ROWS
from playground.settings import POSITIVE, check_range
from playground.training.collate import Batch
from playground.training.dataset import check_modalities

SMOOTHING = (0.0625, 0.25, 0.375, 0.25, 0.0625)
"""Share of a continuous action's label that its neighbouring bins get: a Gaussian of one bin."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the parts of the loss.

    Attributes:
        modalities: modality -> weight of its tasks' loss, relative to the other modalities; 1 if left out.
        goal: weight of the goal head's loss beside that of the actions.
    """

    modalities: Mapping[str, float] = field(default_factory=lambda: {"vector": 0.58, "grid": 0.31, "image": 0.11})
    goal: float = 0.5

    def __post_init__(self) -> None:
        check_modalities("loss.modalities", self.modalities)
        check_range(self, ("modalities",), POSITIVE, label="loss")
        check_range(self, ("goal",), 0, label="loss")

    def shares(self, modalities: Iterable[str]) -> dict[str, float]:
        """Share of the loss of each of these modalities; they sum to 1."""
        weights = {modality: self.modalities.get(modality, 1.0) for modality in modalities}
        return {modality: weight / sum(weights.values()) for modality, weight in weights.items()}


class LossSums(NamedTuple):
    """Sums over a batch, to be divided by what they are sums of.

    Attributes:
        action: cross-entropy of the action tokens: mean over dimensions, weighted sum over live timesteps.
        goal: cross-entropy of the goal tokens: mean over tokens, sum over prompts.
    """

    action: Tensor
    goal: Tensor


def cloning_loss(model: GeneralistModel, batch: Batch, teacher: GeneralistModel | None = None) -> LossSums:
    """Cross-entropy of the expert's actions and of the prompts' goals.

    Args:
        model: what learns.
        batch: sequences.
        teacher: if given, its distributions are the labels instead of the expert's actions and the goals.
    """
    steps = batch.steps
    h = model(steps).flatten(0, 1)  # [B * S, T, D]
    with torch.no_grad():
        taught = None if teacher is None else teacher(steps).flatten(0, 1)
    return LossSums(_action_loss(model, batch, h, teacher, taught), _goal_loss(model, batch, h, teacher, taught))


def _goal_loss(
    model: GeneralistModel, batch: Batch, h: Tensor, teacher: GeneralistModel | None, taught: Tensor | None
) -> Tensor:
    is_token = batch.goal_tokens >= 0  # [P, GOAL_TOKENS]
    logits = _goal_logits(model, batch, h)
    if teacher is None or taught is None:
        loss = F.cross_entropy(logits.mT, batch.goal_tokens, ignore_index=-1, reduction="none")
    else:
        with torch.no_grad():
            labels = _goal_logits(teacher, batch, taught).softmax(-1)
        loss = F.cross_entropy(logits.mT, labels.mT, reduction="none") * is_token
    return (loss.sum(1) / is_token.sum(1).clamp(min=1)).sum()


def _goal_logits(model: GeneralistModel, batch: Batch, h: Tensor) -> Tensor:
    """What the goal head says at the end of each prompt, float32 [P, GOAL_TOKENS, V]."""
    return model.goal_head(h[batch.prompt_end, -1], model.encoder.tables.token.weight).float()


def _action_loss(
    model: GeneralistModel, batch: Batch, h: Tensor, teacher: GeneralistModel | None, taught: Tensor | None
) -> Tensor:
    steps = batch.steps
    chosen = batch.weight.flatten().nonzero()[:, 0]
    count = len(chosen)
    chosen = F.pad(chosen, (0, -count % ROWS))  # [N], rounded up
    tokens = steps.actions.flatten(0, 1)[chosen]  # [N, A]
    tokens[count:] = -1
    discrete = steps.discrete.flatten()[chosen]  # [N]
    is_token = tokens >= 0
    weight = batch.weight.flatten()[chosen] / is_token.sum(-1).clamp(min=1)  # [N]
    log_p = F.log_softmax(model.logits(h[chosen], tokens, discrete).float(), dim=-1)  # [L, V], L of the N * A tokens
    row = is_token.nonzero()[:, 0]  # [L]
    if teacher is not None and taught is not None:
        with torch.no_grad():
            q = teacher.logits(taught[chosen], tokens, discrete).float().softmax(-1)
        return -((q * log_p).sum(-1) * weight[row]).sum()
    label, is_discrete, bins = tokens[is_token], discrete[row], model.config.action_bins  # [L] each
    reach = len(SMOOTHING) // 2
    near = (label[:, None] + torch.arange(-reach, reach + 1, device=label.device)).clamp(0, bins - 1)  # [L, 5]
    near = torch.where(is_discrete[:, None], (label + bins)[:, None], near)
    smoothed = (log_p.gather(-1, near) * torch.tensor(SMOOTHING, device=label.device)).sum(-1)
    return -(smoothed * weight[row]).sum()
