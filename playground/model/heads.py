"""Auxiliary heads on the trunk's outputs: what a prompt's goal is, and whether a subtask is done.

Shapes: N timesteps, D width, V token ids.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from playground.model.config import ModelConfig
from playground.model.layers import embedding, linear

GOAL_TOKENS = 24
"""Most tokens of a predicted goal, the padding that ends it included."""

UNSURE = 5.0
"""Logit against being done of a model that has not been trained to tell."""


class GoalHead(nn.Module):
    """Predicts a prompt's goal, in words or numbers, from the trunk's output at the prompt's last timestep.

    It serves training. Actions alone teach slowly, or never, to look into the prompt: most of them are right whatever
    it says. What the last timestep knows of the goal, live ones can look up. The agent reads the predicted goal in
    place of a mission where a world gives none (`BatchAgent`).
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.position = embedding(GOAL_TOKENS, config.width)
        self.vector = linear(config.width, config.width)
        self.out = linear(config.width, config.width)

    def forward(self, h: Tensor, table: Tensor) -> Tensor:
        """[N, D] and the embeddings of token ids [V, D] -> logits [N, GOAL_TOKENS, V]."""
        return self.out(F.gelu(self.vector(h)[:, None] + self.position.weight)) @ table.T


class SubtaskDoneHead(nn.Module):
    """Tells from the trunk's output at a live timestep whether the current subtask is done; untrained: never.

    The agent carries out instructions of several subtasks one at a time; this tells it to go on (`BatchAgent`). It is
    trained apart from the rest (`playground train-done-head`).
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.hidden = linear(config.width, config.width)
        self.out = nn.Linear(config.width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.constant_(self.out.bias, -UNSURE)

    def forward(self, h: Tensor) -> Tensor:
        """[N, D] -> logits [N]."""
        return self.out(F.gelu(self.hidden(h)))[:, 0]
