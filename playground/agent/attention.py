"""Which moments of its prompt an agent is looking at: attention of its latest decision, read without disturbing it.

The latest step is read once more behind what was before it, through layers that note their weights; then its keys and
values are put back as they were. Nothing is hooked into the model, which others use at the same time.

Shapes: H heads, S positions of a step, C positions in use, P timesteps of the prompt.
"""

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from playground.agent.agent import Agent
from playground.agent.context import Context
from playground.model.transformer import AttentionInputs, rotate


@dataclass(frozen=True)
class _Noting(AttentionInputs):
    """A reach that notes the attention weights of each layer, [H, S, C]."""

    weights: list[Tensor] = field(default_factory=list)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layer: int) -> Tensor:
        result = super().attend(q, k, v, layer)
        assert self.cache is not None and self.mask is not None
        keys = self.cache.keys[layer][:1, :, : self.mask.shape[-1]]
        scores = rotate(q, self.turn) @ keys.mT * q.shape[-1] ** -0.5
        self.weights.append((scores + self.mask).softmax(-1)[0])
        return result


@torch.inference_mode()
def attention(context: Context) -> Tensor | None:
    """Attention of a one-row context's latest step over all positions, mean over layers, heads and the step, [C].

    None before the first step, and while a prompt or a slide still waits to be read.
    """
    live, cache, model = context._live[0], context._cache, context._model
    if not live or context._unread[0]:
        return None
    step, end = live[-1], int(cache.length[0])
    its_own = slice(end - len(step), end)
    kept = [layer[:, :, its_own].clone() for layer in (*cache.keys, *cache.values)]
    cache.length -= len(step)
    reach = cast(_Noting, _Noting.behind(cache, None, step[None], model.config.width // model.config.heads))
    x = step[None]
    for layer, block in enumerate(model.trunk.blocks):
        x = block(x, reach, layer)
    cache.length[:] = end
    for held, before in zip((*cache.keys, *cache.values), kept, strict=True):
        held[:, :, its_own] = before
    return torch.stack(reach.weights).mean(dim=(0, 1, 2))


def prompt_attention(agent: Agent) -> np.ndarray | None:
    """How much the agent's latest decision looked at each timestep of its prompt, float32 [P].

    What is missing to a sum of 1 went to the live steps. None where there is nothing to tell: see `attention`.
    """
    context, steps = agent._agent._context, agent._agent._prompt_steps[0]
    weights = attention(context)
    if weights is None or not steps:
        return None
    over_prompt = weights[: context._prompt_length[0]]
    # Positions per timestep differ only where a prompt of several forms is read token by token.
    return F.adaptive_avg_pool1d(over_prompt[None], steps)[0].mul(len(over_prompt) / steps).cpu().numpy()
