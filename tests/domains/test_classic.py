"""Classic control: what the controllers reach, scaled states, and the cart's hidden target."""

import numpy as np
import pytest

from playground.domains import task
from playground.domains.classic import ClassicEnv
from playground.errors import BadValueError
from playground.task import EVALUATION_SEEDS, Expert

SEEDS = EVALUATION_SEEDS[:5]

# Worst return over SEEDS at least, mean at least.
REACHED = {
    "CartPole": (500, 500),
    "MountainCar": (-199, -130),
    "MountainCarContinuous": (90, 95),
    "Pendulum": (-400, -200),
    "Acrobot": (-150, -100),
    "LunarLander": (150, 230),
    "LunarLanderContinuous": (200, 250),
    "CartPole-hidden": (330, 360),
}


def play(env: ClassicEnv, expert: Expert, seed: int, goal: tuple[float] | None = None) -> tuple[float, np.ndarray]:
    """The expert's return and the states it met [N + 1, S]."""
    observation = env.start(seed, goal)
    expert.reset()
    total, states, ended = 0.0, [observation["state"]], False
    while not ended:
        observation, reward, terminated, truncated, _ = env.step(expert.act(observation))
        total += reward
        states.append(observation["state"])
        ended = terminated or truncated
    return total, np.array(states)


@pytest.mark.parametrize("name", REACHED)
def test_expert_returns(name: str) -> None:
    env = task(f"classic/{name}").make(96)
    expert = task(f"classic/{name}").make_expert(env)
    returns = []
    for seed in SEEDS:
        total, states = play(env, expert, seed)
        returns.append(total)
        assert np.abs(states).max() < 2
        assert env.success == task(f"classic/{name}").has_success
    worst, mean = REACHED[name]
    assert min(returns) >= worst and np.mean(returns) >= mean


def test_pictures_change_nothing() -> None:
    """Upstream's lander throws sparks, which are bodies, only where pictures are wanted."""
    env, watched = task("classic/LunarLander").make(96), task("classic/LunarLander").make(96)
    expert = task("classic/LunarLander").make_expert(env)
    observation, _ = env.reset(seed=SEEDS[0])
    watched.reset(seed=SEEDS[0])
    for _ in range(150):
        action = expert.act(observation)
        observation, *_ = env.step(action)
        other, *_ = watched.step(action)
        assert watched.render().shape == (96, 96, 3)
        assert np.array_equal(observation["state"], other["state"])
    assert not env.upstream.particles and watched.upstream.particles is not None


def test_actions_are_scaled_to_upstream_and_back() -> None:
    env = task("classic/Pendulum").make(96)
    assert env.to_upstream(np.array([-0.5], np.float32)) == pytest.approx(-1.0)
    for action in (-1.0, 0.0, 0.25, 1.0):
        there = env.to_upstream(np.array([action], np.float32))
        assert env.from_upstream(there) == pytest.approx(action)


def test_target_is_hidden_and_reached() -> None:
    env = task("classic/CartPole-hidden").make(96)
    expert = task("classic/CartPole-hidden").make_expert(env)
    starts = []
    for target in (-1.5, 0.7):
        observation, _ = env.reset(seed=SEEDS[0], options={"goal": (target,)})
        starts.append(observation["state"])
        assert env.goal == (target,)
        play(env, expert, SEEDS[0], (target,))
        assert env.success and env.raw[0] == pytest.approx(target, abs=0.15)
    assert np.array_equal(*starts)
    env.reset(seed=SEEDS[1])
    assert env.goal is not None and env.goal not in ((-1.5,), (0.7,)) and not env.success


def test_balancing_elsewhere_is_no_success() -> None:
    env = task("classic/CartPole-hidden").make(96)
    expert = task("classic/CartPole-hidden").make_expert(env)
    observation, _ = env.reset(seed=SEEDS[0], options={"goal": (1.0,)})
    ended = False
    while not ended:
        env.target = -1.0  # what the expert steers to; rewarded is the other side
        action = expert.act(observation)
        env.target = 1.0
        observation, _, terminated, truncated, _ = env.step(action)
        ended = terminated or truncated
    assert not env.success and truncated


@pytest.mark.parametrize("goal", [(2.3,), (0.5, 0.5), "left", 0.5])
def test_impossible_target(goal: object) -> None:
    with pytest.raises(BadValueError, match="cart's target"):
        task("classic/CartPole-hidden").make(96).reset(seed=0, options={"goal": goal})
