"""Many Control Suite episodes stepped at once with `mujoco.rollout`, on one thread, for reinforcement learning.

A rollout reports sensors as they were *before* its last physics step, while the suite reads them after it. So a copy of
the model without contacts and forces takes one throw-away step from the new states: position and velocity sensors
then are exactly the suite's. Touch sensors stay those of the real step, as in the suite.
"""

import copy

import numpy as np

from playground.domains.dm_control.bodies import BODIES, COMMANDED, CommandedBody, Readings, read, sensor_columns
from playground.domains.opengl import choose_opengl
from playground.domains.quiet import quiet_mujoco

EPISODE_STEPS = 1000

COMMAND_STEPS = 200.0
"""Mean steps between two commands in an episode: the expert has to take over at any speed."""


class VectorBodies:
    """`B` episodes of one trained task, restarted from the suite's starting states when their time is up.

    Args:
        name: a key of `BODIES` or `COMMANDED`; the commands of the latter are drawn, and change in mid-episode.
        count: B.
        seed: of the starting states and of their order.
        starts: how many starting states are drawn from the suite.
        coarse: how many physics steps are taken as one longer step; the suite's own at 1.
        limit: steps of an episode.
    """

    def __init__(
        self, name: str, count: int, seed: int, starts: int = 256, coarse: int = 1, limit: int = EPISODE_STEPS
    ):
        choose_opengl()
        quiet_mujoco()
        import mujoco
        from dm_control import suite
        from mujoco.rollout import Rollout

        self.body = COMMANDED[name] if name in COMMANDED else BODIES[name]
        env = suite.load(self.body.domain, self.body.suite_task, task_kwargs={"random": seed})
        self._random = np.random.default_rng(seed)
        kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
        size = mujoco.mj_stateSize(env.physics.model.ptr, kind)
        self._starts = np.empty((starts, size))
        for start in self._starts:
            env.reset()
            mujoco.mj_getState(env.physics.model.ptr, env.physics.data.ptr, start, kind)
        self._starts[:, 0] = 0.0
        self._model = copy.copy(env.physics.model.ptr)  # after a reset: finger-spin sets its damping there
        self._observer = copy.copy(self._model)
        flags = mujoco.mjtDisableBit
        self._observer.opt.disableflags |= flags.mjDSBL_CONSTRAINT | flags.mjDSBL_ACTUATION
        self._observer.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
        stages = self._model.sensor_needstage == mujoco.mjtStage.mjSTAGE_ACC
        self._is_touch = np.repeat(stages, self._model.sensor_dim)
        self._columns = sensor_columns(self._model)
        self._data, self._rollout = mujoco.MjData(self._model), Rollout(nthread=0)
        self._model.opt.timestep *= coarse
        self._substeps = round(env.control_timestep() / self._model.opt.timestep)
        self._taken_over, self._share = self._starts, 0.0
        self._states = self._starts[self._random.integers(starts, size=count)]
        self._limit, self._ages = limit, np.zeros(count, int)
        self.commands = np.zeros(count)
        """Target speeds [B], m/s; all 0 where the task has none."""
        self._targets = np.zeros((count, 3))
        self.fallen = np.zeros(count, bool)
        """Which episodes [B] ended because of what happened; none does, they end when their time is up."""
        self._command(np.ones(count, bool))
        self.readings = self._read(np.zeros((count, self._model.nsensordata)))
        env.close()

    @property
    def actions(self) -> int:
        """Number of action dimensions, A."""
        return self._model.nu

    def features(self) -> np.ndarray:
        """Observations of the present states, float32 [B, F]; with commands, the command is the last feature."""
        features = self.body.features(self.readings)
        if isinstance(self.body, CommandedBody):
            features = np.concatenate([features, self.commands[:, None]], axis=1)
        return features.astype(np.float32)

    @property
    def states(self) -> np.ndarray:
        """Copies of the full states [B, n], for `take_over`."""
        return self._states.copy()

    def take_over(self, states: np.ndarray, share: float) -> None:
        """Lets that share of the episodes begin in `states` [N, n], such as other experts of the body reach."""
        self._taken_over, self._share = states.copy(), share
        self._taken_over[:, 0] = 0.0
        self.restart(np.ones(len(self._ages), bool))

    def spread_ages(self) -> None:
        """Makes the episodes end at different times."""
        self._ages = self._random.integers(self._limit, size=len(self._ages))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Executes actions [B, A] in [-1, 1].

        Returns:
            Reward [B], shaped reward [B], and whether this step was the episode's last [B]. States are then still
            the last ones: read `features()` for a bootstrap value, then call `restart`.
        """
        controls = np.repeat(actions[:, None].astype(float), self._substeps, axis=1)
        states, sensors = self._rollout.rollout(self._model, [self._data], self._states, controls)
        self._states = states[:, -1]
        self.readings = self._read(sensors[:, -1])
        self._ages += 1
        if isinstance(self.body, CommandedBody):
            reward = shaped = self.body.reward(self.readings, self.commands)
            self._command(self._random.random(len(reward)) < 1 / COMMAND_STEPS)
        else:
            reward = self.body.reward(self.readings)
            shaped = reward if self.body.shaping is None else reward + self.body.shaping(self.readings)
        return reward, shaped, self._ages >= self._limit

    def restart(self, which: np.ndarray) -> None:
        """Puts the episodes of a mask [B] into new starting states."""
        count = which.sum()
        own = self._starts[self._random.integers(len(self._starts), size=count)]
        others = self._taken_over[self._random.integers(len(self._taken_over), size=count)]
        self._states[which] = np.where(self._random.random((count, 1)) < self._share, others, own)
        self._ages[which] = 0
        self._command(which)
        self.readings = self._read(np.zeros((len(which), self._model.nsensordata)))

    def _command(self, which: np.ndarray) -> None:
        """Draws new commands or targets for the episodes of a mask [B]."""
        if isinstance(self.body, CommandedBody):
            self.commands[which] = self._random.uniform(*self.body.speeds, which.sum())
        elif self.body.targets is not None:
            self._targets[which] = self.body.targets(self._random, int(which.sum()))

    def _read(self, sensors: np.ndarray) -> Readings:
        _, fresh = self._rollout.rollout(self._observer, [self._data], self._states, nstep=1)
        nq, nv = self._model.nq, self._model.nv
        qpos, qvel = self._states[:, 1 : 1 + nq], self._states[:, 1 + nq : 1 + nq + nv]
        sensed = np.where(self._is_touch, sensors, fresh[:, 0])
        if "target" in self._columns:
            sensed[:, self._columns["target"]] = self._targets
        return read(self._columns, qpos, qvel, sensed)
