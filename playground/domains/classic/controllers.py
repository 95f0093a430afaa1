"""What the agent sees of the classic environments, and the controllers that are their experts."""

from collections.abc import Callable
from typing import Any

import numpy as np

from playground.domains.classic.env import ClassicEnv
from playground.task import Action, Observation

LANDED = 100.0
"""Reward of the last step if the lander came to rest on its legs."""


class Controller:
    """An expert without a memory."""

    def __init__(self, env: ClassicEnv, control: Callable[[ClassicEnv], Any]):
        self._env = env
        self._control = control

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """The controller's action for the present state, float32 [A] or int64 []."""
        return self._env.from_upstream(self._control(self._env))


def cartpole_state(raw: np.ndarray) -> np.ndarray:
    """Position, speed, angle, angular speed; the episode ends where position or angle is 1."""
    return raw / (2.4, 2.0, 0.21, 2.0)


def balance(env: ClassicEnv) -> int:
    """The sign of a linear law in the state.

    The law heeds the place as much as the pole allows: from what a tame one does, no clone can tell where it is going.
    """
    position, speed, angle, turning = env.raw
    away = np.clip(position - env.target, -0.6, 0.6)  # a far target must not tip the pole over
    return int(4.0 * away + 4.0 * speed + 18.0 * angle + 6.0 * turning > 0)


def mountain_car_state(raw: np.ndarray) -> np.ndarray:
    """Position from the valley, speed."""
    return (raw - np.array([-0.5, 0.0])) / (0.6, 0.07)


def rock(env: ClassicEnv) -> int:
    """Pushes along the motion, but turns back on a slope early enough: a band in the plane of position and speed.

    The band is Zhiqing Xiao's, from the leaderboard of OpenAI Gym.
    """
    x, v = env.raw
    lower = min(-0.09 * (x + 0.25) ** 2 + 0.03, 0.3 * (x + 0.9) ** 4 - 0.008)
    return 2 if lower <= v <= -0.07 * (x + 0.38) ** 2 + 0.07 else 0


def rock_gently(env: ClassicEnv) -> np.ndarray:
    """Pushes along the motion with part of the force: effort costs reward."""
    return np.array([0.6 if env.raw[1] >= 0 else -0.6])


def pendulum_state(raw: np.ndarray) -> np.ndarray:
    """Cosine and sine of the angle from the top, angular speed."""
    return raw / (1.0, 1.0, 8.0)


def swing_up(env: ClassicEnv) -> np.ndarray:
    """Brings the energy to that of rest at the top, then holds the pendulum there; torque in [-2, 2]."""
    cosine, sine, turning = env.raw
    angle = np.arctan2(sine, cosine)
    energy = turning**2 / 2 + 15.0 * (cosine - 1.0)  # per moment of inertia; 0 at rest at the top
    if abs(angle) < 0.6 and abs(turning) < 4.0:
        return np.clip([-12.0 * angle - 3.0 * turning], -2.0, 2.0)
    return np.array([(2.0 if turning >= 0 else -2.0) * np.clip(-energy, -1.0, 1.0)])


def acrobot_state(raw: np.ndarray) -> np.ndarray:
    """Cosine and sine of both joints, their speeds."""
    return raw / (1.0, 1.0, 1.0, 1.0, 4 * np.pi, 9 * np.pi)


def pump(env: ClassicEnv) -> int:
    """Pushes along the motion of the driven joint; less the other's speed, or a few starts never get high enough."""
    return 2 if env.raw[5] - 0.5 * env.raw[4] >= 0 else 0


def lander_state(raw: np.ndarray) -> np.ndarray:
    """Place, velocity, sine and cosine of the angle, angular speed, whether each leg touches the ground."""
    x, y, x_speed, y_speed, angle, turning, left, right = raw
    return np.array([x, y, x_speed, y_speed, np.sin(angle), np.cos(angle), turning, left, right])


def land(env: ClassicEnv) -> Any:
    """Gymnasium's own controller."""
    from gymnasium.envs.box2d.lunar_lander import heuristic

    return heuristic(env.upstream, env.raw)


def ended(terminated: bool, reward: float) -> bool:
    """Whether the episode ended before its time, which is success where only success ends it."""
    return terminated


def landed(terminated: bool, reward: float) -> bool:
    """Whether the lander came to rest on its legs."""
    return terminated and reward == LANDED
