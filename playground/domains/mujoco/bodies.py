"""The MuJoCo bodies of gymnasium that are trained here: observations, rewards and falls of one state or of a batch.

All numbers are those of gymnasium's version 5, and a test holds them to gymnasium's own. The same functions serve the
batched simulation that PPO trains on. Shapes: `...` leading axes, `F` features, `A` action dimensions.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LocomotionBody:
    """A body that is to move forward, along x.

    Attributes:
        gym_id: gymnasium's name.
        hidden_positions: how many of the first positions are not observed: where on the plane the body is.
        clipped_speed: joint velocities are observed up to this much, either way.
        control_cost: taken from the reward per squared action.
        healthy_reward: given in every step that ends healthy; an unhealthy one ends the episode.
        heights: least and greatest height, position 1, that is healthy; metres.
        pitches: least and greatest pitch, position 2, that is healthy; radians.
        greatest: all positions and velocities from the third number on stay below it where healthy.
        discount: PPO's gamma.
    """

    gym_id: str
    hidden_positions: int = 1
    clipped_speed: float = np.inf
    control_cost: float = 1e-3
    healthy_reward: float = 0.0
    heights: tuple[float, float] = (-np.inf, np.inf)
    pitches: tuple[float, float] = (-np.inf, np.inf)
    greatest: float = np.inf
    discount: float = 0.99

    def features(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Gymnasium's observation [..., F]."""
        seen = qpos[..., self.hidden_positions :]
        return np.concatenate([seen, np.clip(qvel, -self.clipped_speed, self.clipped_speed)], axis=-1)

    def is_healthy(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Whether the body has not fallen, bool [...]."""
        height, pitch = qpos[..., 1], qpos[..., 2]
        upright = (self.heights[0] < height) & (height < self.heights[1])
        upright &= (self.pitches[0] < pitch) & (pitch < self.pitches[1])
        numbers = np.concatenate([qpos, qvel], axis=-1)[..., 2:]
        return upright & (np.abs(numbers) < self.greatest).all(-1)

    def reward(self, speed: np.ndarray, action: np.ndarray, healthy: np.ndarray) -> np.ndarray:
        """Gymnasium's reward [...] of forward speeds [...], m/s, and actions [..., A]."""
        return speed + self.healthy_reward * healthy - self.control_cost * np.square(action).sum(-1)


BODIES = {
    "HalfCheetah": LocomotionBody("HalfCheetah-v5", control_cost=0.1),
    "Hopper": LocomotionBody(
        "Hopper-v5", 1, 10.0, 1e-3, 1.0, heights=(0.7, np.inf), pitches=(-0.2, 0.2), greatest=100.0, discount=0.995
    ),
    "Walker2d": LocomotionBody(
        "Walker2d-v5", 1, 10.0, 1e-3, 1.0, heights=(0.8, 2.0), pitches=(-1.0, 1.0), discount=0.995
    ),
    # A stroke is short, but what it is worth shows in many of them: with less discount it learns to stay still.
    "Swimmer": LocomotionBody("Swimmer-v5", 2, control_cost=1e-4, discount=0.999),
}
"""Name of a trained task -> body."""
