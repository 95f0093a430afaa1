"""PQN, parallel Q-learning without replay and without target network (Gallici et al. 2024, arXiv 2407.04811).

Many games are played for some steps; each step's target is a lambda-return over what followed; then a few passes of
gradient steps, and the data are thrown away. What keeps that stable is normalisation after each hidden layer. It has
no weights here, unlike in the paper, so that the networks keep the sizes of 2013 and 2015. `B` games, `T` steps.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from playground.errors import BadValueError
from playground.rl.q_network import QNetwork
from playground.rl.q_training import Games, QConfig, QTraining, adopt_optimiser, named, optimiser_tensors, take


@dataclass(frozen=True)
class PQNConfig(QConfig):
    """Settings of one run; where no other source is named, those of CleanRL's `pqn_atari_envpool.py`.

    Attributes:
        games: 16, beyond which the emulator gets no faster on one core.
        steps: T, steps of each game between updates (32 in the paper, with 128 games).
        epochs: passes over the B * T samples (2 in the paper).
        trace: lambda.
        max_norm: gradients are scaled down to it.
        epsilon_steps: ours, a tenth of a run of 2 million.
        average: decay per update of the moving average of the weights that becomes the policy; ours.
    """

    algorithm: str = "pqn"
    games: int = 16
    steps: int = 32
    batch: int = 64
    epochs: int = 2
    trace: float = 0.65
    max_norm: float = 10.0
    average: float = 0.999

    def __post_init__(self) -> None:
        if self.games * self.steps % self.batch:
            raise BadValueError(f"{self.games} games of {self.steps} steps are no multiple of a batch of {self.batch}")


class PQN(QTraining):
    """One run; see `QTraining`."""

    normalised: ClassVar[bool] = True

    def __init__(self, config: PQNConfig, games: Games, folder: Path):
        super().__init__(config, games, folder)
        self.settings = config
        for name, parameter in self.network.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.orthogonal_(parameter, 1.0 if len(parameter) == games.actions else 2**0.5)
        self.optimiser = torch.optim.RAdam(self.network.parameters(), config.rate)
        self.average = deepcopy(self.network).requires_grad_(False)

    def acting_network(self) -> QNetwork:
        """The moving average of the weights."""
        return self.average

    def iterate(self) -> None:
        """Plays T steps in each game and passes over them `epochs` times."""
        pixels, actions, targets = self._collect()
        config = self.settings
        for _ in range(config.epochs):
            for index in np.split(self.random.permutation(len(actions)), len(actions) // config.batch):
                chosen = torch.from_numpy(index)
                values = self.network(pixels[chosen]).gather(1, actions[chosen, None])[:, 0]
                loss = 0.5 * (values - targets[chosen]).square().mean()
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), config.max_norm)
                self.optimiser.step()
                self.learnt(float(loss.detach()))
                with torch.no_grad():
                    kept = min(config.average, self.updates / (self.updates + 10))
                    for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                        mean.lerp_(now, 1 - kept)

    @torch.no_grad()
    def _collect(self) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels [T * B, 4, 84, 84], actions [T * B] and lambda-returns [T * B]."""
        config, size = self.settings, (self.settings.steps, self.games.count)
        pixels = np.empty((*size, 4, 84, 84), np.uint8)
        actions, rewards = np.empty(size, np.int64), np.empty(size, np.float32)
        going = np.empty(size, np.float32)
        following = np.empty(size, np.float32)  # the greedy value of what is seen after each step
        for t in range(config.steps):
            values = self.network(torch.from_numpy(self.pixels)).numpy()
            if t:
                following[t - 1] = values.max(1)
            pixels[t] = self.pixels
            chance = self.random.random(size[1]) < self.epsilon
            actions[t] = np.where(chance, self.random.integers(self.games.actions, size=size[1]), values.argmax(1))
            step = self.play(actions[t])
            rewards[t], going[t] = np.sign(step.reward), ~step.life_lost
        following[-1] = self.network(torch.from_numpy(self.pixels)).numpy().max(1)
        targets = np.empty(size, np.float32)
        target = following[-1]
        for t in reversed(range(config.steps)):
            mixed = config.trace * target + (1 - config.trace) * following[t]
            target = targets[t] = rewards[t] + config.discount * going[t] * mixed
        return (
            torch.from_numpy(pixels.reshape(-1, 4, 84, 84)),
            torch.from_numpy(actions.ravel()),
            torch.from_numpy(targets.ravel()),
        )

    def tensors(self) -> dict[str, Tensor]:
        """See `QTraining`."""
        return named("net", self.network) | named("average", self.average) | optimiser_tensors(self.optimiser)

    def adopt(self, tensors: dict[str, Tensor]) -> None:
        """See `QTraining`."""
        take("net", self.network, tensors)
        take("average", self.average, tensors)
        adopt_optimiser(self.optimiser, tensors)
