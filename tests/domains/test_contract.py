"""The promises of `DomainEnv`, held against every registered task."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from playground.domains import tasks
from playground.environment import DomainEnv
from playground.task import Action, Goal, Observation, Task

SIZE = 96
STEPS = 12
SEED = 1_000_003
OTHER_SEEDS = range(1_000_010, 1_000_016)

Case = tuple[Task, DomainEnv]

pytestmark = pytest.mark.slow  # `tests/test_add_a_domain.py` holds the same promises against a small domain


@pytest.fixture(scope="module", params=tasks(), ids=lambda task: task.id)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """One environment per task for the whole module: promises must hold for a used one too."""
    env = request.param.make(SIZE)
    yield request.param, env
    env.close()
    env.close()  # a second time does no harm


def random_actions(env: DomainEnv, count: int, seed: int = 0) -> list[Action]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def roll(env: DomainEnv, actions: list[Action], seed: int, goal: Goal = None) -> tuple[list[Observation], list[float]]:
    """Observations and rewards of those actions, up to the episode's end."""
    observation = env.start(seed, goal)
    observations, rewards = [observation], []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(observation)
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return observations, rewards


def same(a: Observation, b: Observation) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_spaces_are_canonical(case: Case) -> None:
    task, env = case
    assert task.domain and task.name and task.scene.startswith(task.domain) and task.fps > 0 and task.max_steps > 0
    assert isinstance(env.observation_space, gym.spaces.Dict) and len(env.observation_space) > 0
    for space in env.observation_space.values():
        if isinstance(space, gym.spaces.Box) and space.dtype == np.float32:
            assert len(space.shape) == 1
        elif isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and space.high.max() == 255:
            assert len(space.shape) == 3 and space.shape[2] == 3 and min(space.shape[:2]) >= 16
        elif isinstance(space, gym.spaces.Box):
            assert np.issubdtype(space.dtype, np.integer) and space.low.min() >= 0 and space.high.max() < 1024
        elif isinstance(space, gym.spaces.MultiDiscrete):
            assert space.nvec.max() <= 1024
        elif isinstance(space, gym.spaces.Discrete):
            assert space.start == 0 and space.n <= 1024
        else:
            assert isinstance(space, gym.spaces.Text)
    if isinstance(env.action_space, gym.spaces.Box):
        assert env.action_space.dtype == np.float32 and len(env.action_space.shape) == 1
        assert (env.action_space.low == -1).all() and (env.action_space.high == 1).all()
    else:
        assert isinstance(env.action_space, gym.spaces.Discrete) and env.action_space.start == 0


def test_actions_have_names_and_pictures_a_standard_camera(case: Case) -> None:
    _, env = case
    size = env.action_space.n if isinstance(env.action_space, gym.spaces.Discrete) else env.action_space.shape[0]
    assert len(env.action_names) == len(set(env.action_names)) == size and all(env.action_names)
    assert env.action_space.contains(env.no_op)
    assert env.camera == env.cameras[0] == "standard" and not env.grab(0.5, 0.5)  # nothing was drawn yet


def test_observations_lie_in_their_spaces(case: Case) -> None:
    _, env = case
    observations, rewards = roll(env, random_actions(env, STEPS), SEED)
    assert np.isfinite(rewards).all()
    assert isinstance(env.observation_space, gym.spaces.Dict)
    for observation in observations:
        for key, space in env.observation_space.items():
            value: Any = observation[key]
            assert space.contains(value), f"{key}: {value!r} not in {space}"
            if isinstance(space, gym.spaces.Box | gym.spaces.MultiDiscrete):
                assert value.dtype == space.dtype
            if isinstance(space, gym.spaces.Box) and space.dtype == np.float32:
                assert np.isfinite(value).all()


def test_seed_determines_the_episode(case: Case) -> None:
    task, env = case
    actions = random_actions(env, STEPS)
    fresh = task.make(SIZE)
    observations, rewards = roll(env, actions, SEED)
    other_observations, other_rewards = roll(fresh, actions, SEED)
    assert rewards == other_rewards and env.goal == fresh.goal and env.success == fresh.success
    assert len(observations) == len(other_observations)
    assert all(same(a, b) for a, b in zip(observations, other_observations, strict=True))
    fresh.close()


def test_another_seed_is_another_episode(case: Case) -> None:
    _, env = case
    actions = random_actions(env, STEPS)
    observations, _ = roll(env, actions, SEED)
    goal = env.goal
    assert any(
        env.goal != goal or not all(same(a, b) for a, b in zip(observations, others, strict=False))
        for others, _ in (roll(env, actions, seed) for seed in OTHER_SEEDS)
    )


def test_goal_is_kept_and_start_changes(case: Case) -> None:
    task, env = case
    env.reset(seed=SEED)
    goal = env.goal
    assert goal is not None or not task.hidden_goal
    if goal is None:
        return
    starts = []
    for seed in OTHER_SEEDS:
        start, _ = env.reset(seed=seed, options={"goal": goal})
        assert env.goal == goal
        starts.append(start)
    assert not all(same(starts[0], start) for start in starts[1:])
    again, _ = env.reset(seed=OTHER_SEEDS[0], options={"goal": goal})
    assert same(again, starts[0])


def test_observations_share_no_memory(case: Case) -> None:
    _, env = case
    first, _ = env.reset(seed=SEED)
    kept = {key: np.copy(value) for key, value in first.items()}
    previous = first
    for action in random_actions(env, STEPS, seed=1):
        observation, _, terminated, truncated, _ = env.step(action)
        for key, value in observation.items():
            assert isinstance(value, str) or not np.shares_memory(value, previous[key])
        previous = observation
        if terminated or truncated:
            break
    assert same(first, kept)


def test_frame_is_a_picture(case: Case) -> None:
    _, env = case
    env.reset(seed=SEED)
    frame = env.render()
    assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
    assert min(frame.shape[:2]) >= SIZE // 2 and max(frame.shape[:2]) <= 2 * SIZE
    assert frame.max() > 50 and frame.std() > 1
    kept = frame.copy()
    env.step(random_actions(env, 1)[0])
    env.render()
    assert np.array_equal(frame, kept)


def test_expert_acts_from_the_start_and_takes_over(case: Case) -> None:
    task, env = case
    expert = task.make_expert(env)
    for before in (0, 3):
        observation, _ = env.reset(seed=SEED + before)
        ended = False
        for action in random_actions(env, before):
            observation, _, terminated, truncated, _ = env.step(action)
            ended = ended or terminated or truncated
        expert.reset()
        for _ in range(4):
            if ended:
                break
            action = expert.act(observation)
            assert isinstance(action, np.ndarray | np.integer) and env.action_space.contains(action)
            observation, _, terminated, truncated, _ = env.step(action)
            ended = terminated or truncated


def test_episode_ends_by_itself(case: Case) -> None:
    """Truncation at `max_steps`, and neither earlier nor later."""
    task, env = case
    env.reset(seed=SEED)
    # The same few actions over and over: sampling costs more than many simulators.
    actions = random_actions(env, 20)
    for step in range(1, task.max_steps + 1):
        *_, terminated, truncated, _ = env.step(actions[step % len(actions)])
        if terminated or truncated:
            break
    assert terminated or (truncated and step == task.max_steps)
    assert not truncated or step == task.max_steps
