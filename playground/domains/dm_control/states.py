"""What is read from the Control Suite's physics: states [F] that are easy to clone, measures of goals, and rewards."""

from typing import Any

import numpy as np


def near(distance: float) -> float:
    """Reward of the hidden targets: 1 within 2 cm, 0.1 at 12 cm."""
    from dm_control.utils import rewards

    return float(rewards.tolerance(distance, bounds=(0, 0.02), margin=0.1))


def cartpole_state(physics: Any) -> np.ndarray:
    """Cart position, cosine and sine of the pole (0 is upright), two velocities."""
    x, angle = physics.data.qpos
    return np.array([x, np.cos(angle), np.sin(angle), *physics.data.qvel])


def pendulum_state(physics: Any) -> np.ndarray:
    """Cosine and sine (0 is upright), velocity."""
    (angle,) = physics.data.qpos
    return np.array([np.cos(angle), np.sin(angle), *physics.data.qvel])


def spinning(way: float, physics: Any) -> float:
    """Reward: 1 at 6 rad/s and beyond one way (1 or -1), linearly down to 0 at rest."""
    return float(np.clip(way * physics.data.qvel[0] / 6, 0, 1))


def springs_state(physics: Any) -> np.ndarray:
    """Places of the balls along their tracks, velocities."""
    return np.concatenate([physics.data.qpos, physics.data.qvel])


def point_mass_state(physics: Any) -> np.ndarray:
    """Position from the arena's middle, velocity."""
    return np.concatenate([physics.data.qpos, physics.data.qvel])


def arm(physics: Any) -> list[float]:
    """Cosine and sine of the reacher's shoulder and wrist, four numbers."""
    shoulder, wrist = physics.data.qpos
    return [np.cos(shoulder), np.sin(shoulder), np.cos(wrist), np.sin(wrist)]


def reacher_state(physics: Any) -> np.ndarray:
    """Cosine and sine of shoulder and wrist, vector from finger to target, velocities."""
    return np.array([*arm(physics), *physics.finger_to_target(), *physics.data.qvel])


def reacher_hidden_state(physics: Any) -> np.ndarray:
    """Cosine and sine of shoulder and wrist, finger position, velocities: nothing of the target."""
    return np.array([*arm(physics), *finger(physics), *physics.data.qvel])


def finger(physics: Any) -> np.ndarray:
    """Where the reacher's finger is, metres, [2]."""
    return physics.named.data.geom_xpos["finger", :2]


def place_target(physics: Any, goal: np.ndarray) -> None:
    """Puts the target to `goal`, metres, [2]."""
    physics.named.model.geom_pos["target", :2] = goal
