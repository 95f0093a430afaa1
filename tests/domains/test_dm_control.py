"""The Control Suite: rewards, observations, goals and experts."""

import numpy as np
import pytest

from playground.domains import dm_control
from playground.domains.dm_control import EXPERTS, SPECS, ControlEnv, make_env
from playground.domains.dm_control.bodies import BODIES, COMMANDED
from playground.domains.dm_control.vector_bodies import VectorBodies
from playground.domains.mujoco.bodies import BODIES as LOCOMOTION
from playground.errors import BadValueError
from playground.task import EVALUATION_SEEDS, Task

HIDDEN = ("point_mass-hidden", "reacher-hidden")


def rollout(env: ControlEnv, actions: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """States [N + 1, F] and rewards [N] of an action sequence."""
    observation, _ = env.reset(seed=seed)
    states, rewards = [observation["state"]], []
    for action in actions:
        observation, reward, *_ = env.step(action)
        states.append(observation["state"])
        rewards.append(reward)
    return np.stack(states), np.array(rewards)


@pytest.mark.slow
@pytest.mark.parametrize("task", dm_control.TASKS, ids=lambda task: task.name)
def test_every_task_keeps_the_contract_and_repeats_by_seed(task: Task) -> None:
    env = task.make(64)
    actions = np.random.default_rng(0).uniform(-1, 1, (15, *env.action_space.shape)).astype(np.float32)
    states, rewards = rollout(env, actions, 7)
    rollout(env, actions, 8)
    again, _ = rollout(env, actions, 7)
    assert states.tobytes() == again.tobytes()
    assert env.observation_space.contains({"state": states[0]})
    assert not np.array_equal(states[0], states[1])
    assert (rewards <= 1).all()
    assert task.scene.startswith("dm_control/lqr") or (rewards >= 0).all()  # the springs' is 1 less a cost
    expert = task.make_expert(env)
    assert env.action_space.contains(expert.act({"state": states[-1]}))
    env.close()


@pytest.mark.slow
def test_same_scene_means_same_form() -> None:
    forms: dict[str, tuple[object, ...]] = {}
    for task in dm_control.TASKS:
        env = task.make(64)
        form = (env.observation_space, env.action_space, task.fps, env.physics.model.nq)
        assert forms.setdefault(task.scene, form) == form
        env.close()


def test_suite_states_match_the_suites_own_observations() -> None:
    env = make_env("cartpole-swingup")
    observation, _ = env.reset(seed=3)
    upstream = env._task.get_observation(env.physics)
    np.testing.assert_allclose(observation["state"], np.concatenate(list(upstream.values())), rtol=1e-6)
    env.close()


def test_an_episode_is_cut_at_the_task_limit() -> None:
    env = make_env("point_mass-hidden")
    env.reset(seed=0)
    ends = [env.step(np.zeros(2))[2:4] for _ in range(SPECS["point_mass-hidden"].max_steps)]
    assert not any(any(end) for end in ends[:-1])
    assert ends[-1] == (False, True)
    env.close()


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_target_moves_the_reward_but_not_the_observation(name: str) -> None:
    env = make_env(name)
    actions = np.random.default_rng(1).uniform(-1, 1, (30, 2))
    runs = []
    for goal in ((0.1, 0.05), (-0.15, 0.0)):
        observation, _ = env.reset(seed=4, options={"goal": goal})
        assert env.goal == pytest.approx(goal)
        states, rewards = [observation["state"]], []
        for action in actions:
            observation, reward, *_ = env.step(action)
            states.append(observation["state"])
            rewards.append(reward)
        runs.append((np.stack(states), rewards))
    assert np.array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] != runs[1][1]
    env.close()


@pytest.mark.parametrize("name", HIDDEN)
def test_the_same_goal_with_another_seed_gives_another_start(name: str) -> None:
    env = make_env(name)
    env.reset(seed=0)
    goal = env.goal
    starts = [env.reset(seed=seed, options={"goal": goal})[0]["state"] for seed in (1, 2)]
    assert env.goal == goal
    assert not np.allclose(*starts)
    env.reset(seed=1)
    assert env.goal != goal
    env.close()


@pytest.mark.parametrize("goal", ["left", (0.1,), (0.1, 0.1, 0.1), (9.0, 0.0), (float("nan"), 0.0)])
def test_an_impossible_goal_is_refused(goal: object) -> None:
    env = make_env("reacher-hidden")
    with pytest.raises(BadValueError, match="metres"):
        env.reset(options={"goal": goal})
    env.close()


def test_a_goal_is_refused_where_there_is_none() -> None:
    env = make_env("reacher-easy")
    with pytest.raises(BadValueError, match="no goal"):
        env.reset(options={"goal": (0.1, 0.1)})
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "wanted"),
    [
        ("cartpole-balance", 300, 290),
        ("cartpole-swingup", 1000, 750),
        ("cartpole-swingup_sparse", 1000, 640),
        ("lqr-2_1", 1000, 700),
        ("lqr-6_2", 1000, 600),
        ("pendulum-swingup", 1000, 700),
        ("pendulum-spin", 500, 300),
        ("pendulum-spin_backward", 500, 300),
        ("point_mass-easy", 400, 250),
        ("point_mass-hidden", 400, 220),
        ("reacher-easy", 200, 150),
        ("reacher-hidden", 200, 140),
    ],
)
def test_the_control_laws_solve_their_tasks(name: str, steps: int, wanted: float) -> None:
    task = next(task for task in dm_control.TASKS if task.name == name)
    env = task.make(64)
    expert = task.make_expert(env)
    totals = []
    for seed in EVALUATION_SEEDS[:3]:
        observation, _ = env.reset(seed=seed)
        expert.reset()
        total = 0.0
        for _ in range(steps):
            observation, reward, *_ = env.step(expert.act(observation))
            total += reward
        totals.append(total)
    assert np.mean(totals) >= wanted
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BODIES))
def test_the_batched_simulation_is_the_environment(name: str) -> None:
    """Same features and rewards as the suite, from its starting states and under random actions."""
    env = make_env(name)
    batch = VectorBodies(name, 2, seed=5, starts=2)
    env.reset(seed=0)
    for start in (0, 1):
        batch._states[:] = batch._starts[start]
        batch.restart(np.zeros(2, bool))
        with env.physics.reset_context():
            env.physics.data.qpos[:], env.physics.data.qvel[:] = batch.readings.qpos[0], batch.readings.qvel[0]
            if BODIES[name].targets is not None:
                env.physics.named.model.site_pos["target"] = batch.readings.sensors["target"][0]
        for action in np.random.default_rng(start).uniform(-1, 1, (20, batch.actions)):
            observation, reward, *_ = env.step(action)
            rewards, _, _ = batch.step(np.stack([action, action]))
            np.testing.assert_allclose(batch.features()[0], observation["state"], atol=1e-3)
            assert rewards[0] == pytest.approx(reward, abs=1e-3)
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("task", [t for t in dm_control.TASKS if t.name in BODIES], ids=lambda task: task.name)
def test_trained_experts_earn_far_more_than_nothing(task: Task) -> None:
    env = task.make(64)
    expert = task.make_expert(env)
    earned, idle = [], []
    for act, totals in ((expert.act, earned), (lambda _: np.zeros(env.action_space.shape), idle)):
        observation, _ = env.reset(seed=EVALUATION_SEEDS[0])
        for _ in range(300):
            observation, reward, *_ = env.step(act(observation))
            totals.append(reward)
    assert np.mean(earned) > 2 * np.mean(idle)
    env.close()


def test_expert_files_are_small_and_belong_to_tasks() -> None:
    for path in EXPERTS.glob("*.safetensors"):
        assert path.stem in BODIES | COMMANDED | LOCOMOTION
        assert path.stat().st_size < 300_000


def test_the_camera_sees_the_body_and_follows_it() -> None:
    env = make_env("cartpole-swingup", 64)
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    for _ in range(40):
        env.step(np.ones(1))
    assert (first != env.render()).any()
    env.close()


def test_episodes_begin_where_others_hand_over() -> None:
    batch = VectorBodies("cheetah-run", 40, seed=0, starts=4)
    for _ in range(30):
        batch.step(np.ones((40, batch.actions)))
    moved = batch.states
    batch.take_over(moved, 0.5)
    begun = (batch.states[:, None, 1:] == moved[None, :, 1:]).all(-1).any(-1)
    assert 5 < begun.sum() < 35
    assert (batch.states[:, 0] == 0).all()


def test_the_floor_follows_a_body_without_a_jump_and_has_no_end() -> None:
    env = make_env("cheetah-run", 64)
    env.reset(seed=0)
    env.camera = "above"

    def seen(x: float) -> np.ndarray:
        with env.physics.reset_context():
            env.physics.named.data.qpos["rootx"] = x
        return env.render().astype(int)

    start = seen(0.999)
    assert np.abs(seen(1.001) - start).mean() < 1  # here the floor is moved
    assert np.abs(seen(2.0) - start).mean() > 5  # and the body moves over it
    far = np.abs(seen(300.999) - start)
    assert far.mean() < 1
    env.close()
