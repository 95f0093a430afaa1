"""The bodies of gymnasium's MuJoCo tasks, against gymnasium itself."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from playground.domains.goals import PARTS
from playground.domains.mujoco.bodies import BODIES
from playground.domains.mujoco.tasks import FAMILIES, FPS, SPECS, make_env
from playground.domains.mujoco.vector_bodies import VectorLocomotion
from playground.errors import BadValueError


@pytest.mark.parametrize("name", BODIES)
def test_the_batched_simulation_is_gymnasiums(name):
    bodies = VectorLocomotion(name, 3, seed=0, starts=2)
    import mujoco  # not before: it then reads how to draw

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


@pytest.mark.parametrize("name", SPECS)
def test_observation_reward_and_end_are_gymnasiums(name):
    env, random = make_env(96, name), np.random.default_rng(0)
    observation, _ = env.reset(seed=1_000_000)
    upstream: Any = gymnasium.make(SPECS[name].gym_id).unwrapped
    upstream.reset(seed=0)
    upstream.set_state(env.data.qpos, env.data.qvel)
    assert FPS[SPECS[name].gym_id] == pytest.approx(1 / upstream.dt)
    seen = slice(None) if SPECS[name].goal is None else list(SPECS[name].goal.seen)
    np.testing.assert_array_equal(observation["state"], upstream._get_obs()[seen].astype(np.float32))
    for _ in range(12):
        action = random.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        expected, its_reward, its_end, _, _ = upstream.step(upstream.action_space.high.astype(float) * action)
        np.testing.assert_allclose(observation["state"], expected[seen], rtol=1e-4, atol=1e-5)
        assert reward == pytest.approx(its_reward, rel=1e-4, abs=1e-5)
        assert (terminated, truncated) == (its_end, False)
        if terminated:
            break
    assert env.render().shape == (96, 96, 3)
    env.close()
    upstream.close()


def play(env, expert, seed, goal=None):
    observation, total, over = env.start(seed, goal), 0.0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(expert.act(observation))
        total, over = total + reward, terminated or truncated
    return total


@pytest.mark.parametrize(
    ("name", "least"), [("InvertedPendulum", 1000.0), ("InvertedDoublePendulum", 9350.0), ("Reacher", -8.0)]
)
def test_laws_solve_their_tasks(name, least):
    env = make_env(96, name)
    expert = SPECS[name].make_expert(env)
    assert min(play(env, expert, seed) for seed in range(1_000_000, 1_000_003)) >= least
    env.close()


def test_a_hidden_target_is_reached_and_shown_by_nothing_but_the_goal():
    env, other = make_env(96, "Reacher-hidden"), make_env(96, "Reacher-hidden")
    expert, family = SPECS["Reacher-hidden"].make_expert(env), FAMILIES[0]
    for part in PARTS:
        goal = family.draw(part, np.random.default_rng(0))
        play(env, expert, 1_000_000, goal)
        assert env.goal == goal
        assert family.part(env.goal) == part
        assert family.error(env.goal, env.achieved) < 0.005
    first, second = (env.start(1_000_000, goal)["state"] for goal in ((0.1, 0.0), (-0.05, 0.1)))
    np.testing.assert_array_equal(first, second)
    for _ in range(5):
        observation, *_ = env.step(np.ones(2, np.float32))
    seen = other.enter(env, (0.0, 0.15))
    assert other.goal == (0.0, 0.15)
    np.testing.assert_allclose(seen["state"], observation["state"], atol=1e-6)
    for _ in range(5):
        ours, theirs = (e.step(np.full(2, -0.5, np.float32))[0]["state"] for e in (env, other))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    with pytest.raises(BadValueError, match=r"0\.03 to 0\.2"):
        env.start(0, (0.3, 0.0))
    with pytest.raises(BadValueError, match="Hopper"):
        make_env(96, "Hopper").enter(env)
