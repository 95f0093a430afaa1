"""The networks of PPO: running normalisation, policy and critic. `B` episodes, `F` features, `A` action dimensions."""

import numpy as np
import torch
from torch import Tensor, nn


class RunningMoments(nn.Module):
    """Mean and variance per column of all that was seen."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.tensor(1e-3))

    def update(self, values: Tensor) -> None:
        """Takes values [N, size] in (the parallel variance of Chan et al.)."""
        count = len(values)
        total = self.count + count
        shift = values.mean(0) - self.mean
        spread = values.var(0, unbiased=False)
        self.variance.copy_(
            (self.variance * self.count + spread * count + shift.square() * self.count * count / total) / total
        )
        self.mean.add_(shift * count / total)
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """Standard deviation per column."""
        return (self.variance + 1e-5).sqrt()

    def forward(self, values: Tensor) -> Tensor:
        """Values [N, size], normalised and clipped to ten standard deviations."""
        return ((values - self.mean) / self.std).clamp(-10, 10)


def _layers(inputs: int, width: int, outputs: int, gain: float) -> nn.Sequential:
    layers = [nn.Linear(inputs, width), nn.Linear(width, width), nn.Linear(width, outputs)]
    for layer, scale in zip(layers, (2**0.5, 2**0.5, gain), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.ELU(), layers[1], nn.ELU(), layers[2])


class ActorCritic(nn.Module):
    """Gaussian policy of state-independent spread, and a critic of normalised returns."""

    def __init__(self, features: int, actions: int, width: int):
        super().__init__()
        self.features = features
        self.inputs, self.returns = RunningMoments(features), RunningMoments(1)
        self.policy, self.critic = _layers(features, width, actions, 0.01), _layers(features, width, 1, 1.0)
        self.log_std = nn.Parameter(torch.full((actions,), -0.5))

    def value(self, observation: Tensor) -> Tensor:
        """Expected discounted return [B] of observations [B, F]."""
        return self.critic(self.inputs(observation))[:, 0] * self.returns.std + self.returns.mean

    @torch.no_grad()
    def act(self, observation: np.ndarray) -> np.ndarray:
        """The policy's mean actions [B, A] for observations [B, F]."""
        return self.policy(self.inputs(torch.from_numpy(observation))).clamp(-1, 1).numpy()


def log_density(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """Logarithm of the diagonal Gaussian's density [B] at actions [B, A]."""
    return (-0.5 * ((action - mean) / log_std.exp()).square() - log_std - 0.5 * np.log(2 * np.pi)).sum(-1)
