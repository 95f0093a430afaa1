"""Experts by law for gymnasium's MuJoCo tasks: pendulums balanced by their linearised model, an arm by its geometry.

All are functions of the present state, without memory, so they can take over anywhere and are easy to clone.
"""

from collections.abc import Sequence

import numpy as np

from playground.domains.dm_control.experts import lqr_gain
from playground.domains.mujoco.env import MujocoEnv
from playground.task import Action, Observation

UPPER, LOWER = 0.1, 0.11
"""Lengths of the reacher's two limbs, metres (reacher.xml)."""

WRIST_LIMIT = 3.0
"""How far the second joint turns either way, radians."""


class BalanceExpert:
    """The linear-quadratic regulator of a cart with poles, all upright at zero.

    Args:
        env: its world.
        state_cost: of squared positions, then velocities.
        control_cost: of squared controls.
    """

    def __init__(self, env: MujocoEnv, state_cost: Sequence[float], control_cost: float):
        self._env = env
        self._gain = lqr_gain(env.model, state_cost, control_cost, env.substeps) / env.model.actuator_ctrlrange[:, 1:]

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert`."""
        state = np.concatenate([self._env.data.qpos, self._env.data.qvel])
        return np.clip(-self._gain @ state, -1.0, 1.0).astype(np.float32)


class ReachExpert:
    """Turns the arm's joints to a pose that has its tip at the target.

    Args:
        env: its world.
        one_way: bends the wrist to the left in any case. Where the target is hidden, the end of any demonstration then
            shows the very pose that is to be taken. Else the nearer one of the two poses is taken.
    """

    STIFFNESS, DAMPING = 0.25, 0.06
    """Share of the motors' strength per radian, and per radian a second."""

    def __init__(self, env: MujocoEnv, one_way: bool = False):
        self._env, self._one_way = env, one_way

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert`."""
        joints, target = self._env.data.qpos[:2], self._env.data.qpos[2:]
        distance = float(target @ target)
        cosine = (distance - UPPER**2 - LOWER**2) / (2 * UPPER * LOWER)
        bend = min(float(np.arccos(np.clip(cosine, -1.0, 1.0))), WRIST_LIMIT)
        turns = []
        for wrist in (bend,) if self._one_way else (bend, -bend):
            shoulder = np.arctan2(target[1], target[0]) - np.arctan2(
                LOWER * np.sin(wrist), UPPER + LOWER * np.cos(wrist)
            )
            turn = (shoulder - joints[0] + np.pi) % (2 * np.pi) - np.pi
            turns.append(np.array([turn, wrist - joints[1]]))
        missing = min(turns, key=lambda turn: float(np.square(turn).sum()))
        controls = self.STIFFNESS * missing - self.DAMPING * self._env.data.qvel[:2]
        return np.clip(controls, -1.0, 1.0).astype(np.float32)
