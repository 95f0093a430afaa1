"""The bodies of gymnasium's MuJoCo tasks, against gymnasium itself."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from playground.domains.mujoco.bodies import BODIES
from playground.domains.mujoco.vector_bodies import VectorLocomotion


@pytest.mark.parametrize("name", BODIES)
def test_the_batched_simulation_is_gymnasiums(name):
    bodies = VectorLocomotion(name, 3, seed=0, starts=2)
    env: Any = gymnasium.make(bodies.body.gym_id).unwrapped
    env.reset(seed=7)
    kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
    state = np.empty(mujoco.mj_stateSize(env.model, kind))
    mujoco.mj_getState(env.model, env.data, state, kind)
    bodies._states[:] = state
    random = np.random.default_rng(0)
    for _ in range(60):
        action = random.uniform(-1, 1, bodies.actions)
        observation, reward, terminated, _, _ = env.step(action)
        rewards, _, ended = bodies.step(np.tile(action, (3, 1)))
        np.testing.assert_allclose(bodies.features()[1], observation, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(rewards, reward, rtol=1e-4, atol=1e-4)
        assert (bodies.fallen == terminated).all()
        assert (ended == terminated).all()
        if terminated:
            break
    env.close()


def test_time_and_falls_end_episodes_apart():
    bodies = VectorLocomotion("Hopper", 4, seed=0, starts=4)
    falls = 0
    for _ in range(150):  # without any torque it soon lies on the floor
        _, _, ended = bodies.step(np.zeros((4, 3)))
        assert (ended == bodies.fallen).all()
        falls += ended.sum()
        bodies.restart(ended)
        assert bodies.body.is_healthy(*bodies._readings()).all()
    assert falls >= 2
    still = VectorLocomotion("Swimmer", 2, seed=0, starts=2, limit=3)
    assert [still.step(np.zeros((2, 2)))[2].all() for _ in range(3)] == [False, False, True]
    assert not still.fallen.any()
