"""Many episodes of one MuJoCo body stepped at once with `mujoco.rollout`, on one thread, for reinforcement learning."""

import numpy as np

from playground.domains.mujoco.bodies import BODIES
from playground.domains.mujoco.env import make_upstream

EPISODE_STEPS = 1000


class VectorLocomotion:
    """`B` episodes of one trained task, restarted from gymnasium's starting states when they are over.

    Args:
        name: a key of `BODIES`.
        count: B.
        seed: of the starting states and of their order.
        starts: how many starting states are drawn from gymnasium.
        limit: steps of an episode.
    """

    def __init__(self, name: str, count: int, seed: int, starts: int = 256, limit: int = EPISODE_STEPS):
        self.body = BODIES[name]
        env = make_upstream(self.body.gym_id)  # before MuJoCo is imported: it chooses how to draw
        import mujoco
        from mujoco.rollout import Rollout

        self._random = np.random.default_rng(seed)
        kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
        self._model = env.model
        self._starts = np.empty((starts, mujoco.mj_stateSize(self._model, kind)))
        for number, start in enumerate(self._starts):
            env.reset(seed=seed * starts + number)
            mujoco.mj_getState(self._model, env.data, start, kind)
        self._starts[:, 0] = 0.0
        self._substeps, self._dt = env.frame_skip, float(env.dt)
        self._data, self._rollout = mujoco.MjData(self._model), Rollout(nthread=0)
        self.count = count
        self._states = self._starts[self._random.integers(starts, size=count)]
        self._limit, self._ages = limit, np.zeros(count, int)
        self.fallen = np.zeros(count, bool)
        """Which episodes [B] ended in the last step because of what happened, not because their time was up."""
        env.close()

    @property
    def actions(self) -> int:
        """Number of action dimensions, A."""
        return self._model.nu

    def features(self) -> np.ndarray:
        """Observations of the present states, float32 [B, F]."""
        return self.body.features(*self._readings()).astype(np.float32)

    def spread_ages(self) -> None:
        """Makes the episodes end at different times."""
        self._ages = self._random.integers(self._limit, size=len(self._ages))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Executes actions [B, A] in [-1, 1].

        Returns:
            Reward [B], the same again as what is trained on [B], and whether this step was the episode's last [B].
            States are then still the last ones: read `features()` for a bootstrap value, then call `restart`.
        """
        controls = np.repeat(actions[:, None].astype(float), self._substeps, axis=1)
        before = self._states[:, 1]
        states, _ = self._rollout.rollout(self._model, [self._data], self._states, controls)
        self._states = np.array(states[:, -1])
        healthy = self.body.is_healthy(*self._readings())
        reward = self.body.reward((self._states[:, 1] - before) / self._dt, actions, healthy)
        self._ages += 1
        self.fallen = ~healthy
        return reward, reward, self.fallen | (self._ages >= self._limit)

    def restart(self, which: np.ndarray) -> None:
        """Puts the episodes of a mask [B] into new starting states."""
        self._states[which] = self._starts[self._random.integers(len(self._starts), size=which.sum())]
        self._ages[which] = 0

    def _readings(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions [B, nq] and velocities [B, nv]."""
        nq, nv = self._model.nq, self._model.nv
        return self._states[:, 1 : 1 + nq], self._states[:, 1 + nq : 1 + nq + nv]
