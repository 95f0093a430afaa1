"""DQN: Q-learning from replayed experience, as published in 2013 and 2015, and with what was found since as switches.

Algorithms by name: `dqn-2015` is the Nature paper's, `dqn-2013` the same without a target network, `dqn` has Adam,
double Q-learning (van Hasselt et al. 2016) and returns of three steps. What is not obvious: papers and code disagree
about units. An agent step is one decision of four frames; where a number's unit is in doubt, its attribute says so.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from playground.errors import UnknownNameError
from playground.rl.q_training import Games, QConfig, QTraining, adopt_optimiser, named, optimiser_tensors, take
from playground.rl.replay import Replay


@dataclass(frozen=True)
class DQNConfig(QConfig):
    """Settings of one run; the defaults are those of Mnih et al. 2015, Extended Data Table 1, unless said otherwise.

    Attributes:
        games: one, as in the paper.
        batch: "minibatch size", transitions per gradient step.
        rate: "learning rate" of RMSProp.
        final_epsilon: "final exploration".
        epsilon_steps: "final exploration frame"; agent steps in the authors' code, as here.
        capacity: "replay memory size", timesteps.
        target_steps: "target network update frequency", 0 for no target network; the table counts parameter updates,
            the authors' code (`NeuralQLearner.lua`) agent steps, as here.
        update_steps: "update frequency", agent steps per gradient step.
        momentum: "gradient momentum" and "squared gradient momentum": decay of RMSProp's two averages.
        least_square: "min squared gradient", added to the variance under the root.
        start_steps: "replay start size", agent steps before the first gradient step.
        adam: Adam with `rate` in place of RMSProp (Obando-Ceron and Castro 2021 show what that gains).
        double: the online network chooses the action that the target network judges.
        returns: steps of reward before the bootstrap value.
    """

    algorithm: str = "dqn-2015"
    final_epsilon: float = 0.1
    epsilon_steps: int = 1_000_000
    segment_steps: int = 50_000
    log_steps: int = 5_000
    capacity: int = 1_000_000
    target_steps: int = 10_000
    update_steps: int = 4
    momentum: float = 0.95
    least_square: float = 0.01
    start_steps: int = 50_000
    adam: bool = False
    double: bool = False
    returns: int = 1


def dqn_config(algorithm: str, game: str, network: str, seed: int = 0) -> DQNConfig:
    """The settings of an algorithm by its name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    match algorithm:
        case "dqn-2015":
            return DQNConfig(game, network, seed=seed)
        case "dqn-2013":
            return DQNConfig(game, network, algorithm, target_steps=0, seed=seed)
        case "dqn":
            return DQNConfig(
                game,
                network,
                algorithm,
                games=8,
                capacity=200_000,
                target_steps=8_000,
                rate=1e-4,
                final_epsilon=0.01,
                epsilon_steps=100_000,
                start_steps=20_000,
                adam=True,
                double=True,
                returns=3,
                seed=seed,
            )
        case _:
            raise UnknownNameError("algorithm", algorithm, ("dqn-2013", "dqn-2015", "dqn", "pqn"))


class CentredRMSProp(torch.optim.Optimizer):
    """RMSProp as DQN's authors wrote it: divides by the root of the gradient's variance and a constant *within*.

    Torch's own adds the constant outside the root, which with 0.01 is another algorithm.
    """

    def __init__(self, parameters: list[nn.Parameter], rate: float, momentum: float, least_square: float):
        super().__init__(parameters, {"lr": rate, "momentum": momentum, "least_square": least_square})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Takes one step down the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                gradient, new = parameter.grad, 1 - group["momentum"]
                state["mean"].lerp_(gradient, new)
                state["square"].mul_(group["momentum"]).addcmul_(gradient, gradient, value=new)
                root = (state["square"] - state["mean"].square() + group["least_square"]).sqrt_()
                parameter.addcdiv_(gradient, root, value=-group["lr"])


class DQN(QTraining):
    """One run; see `QTraining`. Its folder also holds `replay.bin`, which may be deleted when the run is over."""

    normalised: ClassVar[bool] = False

    def __init__(self, config: DQNConfig, games: Games, folder: Path):
        super().__init__(config, games, folder)
        self.settings = config
        self.target = deepcopy(self.network).requires_grad_(False)
        parameters = list(self.network.parameters())
        self.optimiser: torch.optim.Optimizer
        if config.adam:
            self.optimiser = torch.optim.Adam(parameters, config.rate, eps=1.5e-4)
        else:
            self.optimiser = CentredRMSProp(parameters, config.rate, config.momentum, config.least_square)
        self.replay = Replay(folder / "replay.bin", games.count, config.capacity, config.segment_steps)
        self._first = np.ones(games.count, bool)

    def begin_segment(self) -> None:
        """See `QTraining`; the memory learns that the games are others now."""
        super().begin_segment()
        self.replay.cut()
        self._first[:] = True

    def iterate(self) -> None:
        """Plays one step in each game; learns as often as is due."""
        config, frames, first = self.settings, self.pixels[:, -1], self._first
        actions = self.choose()
        before = self.steps
        step = self.play(actions)
        self.replay.add(frames, first, actions, np.sign(step.reward), step.life_lost)
        self._first = step.over
        if self.steps <= config.start_steps:
            return
        for _ in range(self.steps // config.update_steps - before // config.update_steps):
            self._update()
        if config.target_steps and self.steps // config.target_steps > before // config.target_steps:
            self.target.load_state_dict(self.network.state_dict())

    def _update(self) -> None:
        config = self.settings
        drawn = self.replay.draw(config.batch, config.returns, config.discount, self.random)
        after = torch.from_numpy(drawn.after)
        with torch.no_grad():
            values = (self.target if config.target_steps else self.network)(after)
            best = self.network(after).argmax(1) if config.double else values.argmax(1)
            worth = values.gather(1, best[:, None])[:, 0]
            targets = torch.from_numpy(drawn.returns) + torch.from_numpy(drawn.discounts) * worth
        chosen = self.network(torch.from_numpy(drawn.pixels)).gather(1, torch.from_numpy(drawn.actions)[:, None])[:, 0]
        # Clipping the error to 1 is the gradient of this loss; the sum over the batch is the authors'.
        loss = F.smooth_l1_loss(chosen, targets, reduction="mean" if config.adam else "sum")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.learnt(float(loss.detach()))

    def save(self) -> None:
        """See `QTraining`."""
        self.replay.flush()
        super().save()

    def tensors(self) -> dict[str, Tensor]:
        """See `QTraining`."""
        written = {"replay.written": torch.tensor(self.replay.written)}
        return named("net", self.network) | named("target", self.target) | optimiser_tensors(self.optimiser) | written

    def adopt(self, tensors: dict[str, Tensor]) -> None:
        """See `QTraining`."""
        take("net", self.network, tensors)
        take("target", self.target, tensors)
        adopt_optimiser(self.optimiser, tensors)
        self.replay.written = int(tensors["replay.written"])
