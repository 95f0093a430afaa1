"""What Atari adds to the contract: experts that try moves leave the console untouched, and play far above chance."""

import numpy as np
import pytest

from playground.domains import make, task
from playground.domains.atari import FRAME_SKIP, STICKINESS, AtariEnv
from playground.domains.atari.experts import paddle_policy
from playground.errors import BadValueError


@pytest.mark.parametrize("name", ["Breakout", "Freeway"])
def test_looking_ahead_leaves_no_trace(name: str) -> None:
    """The expert's actions, replayed without the expert, give the same pictures and rewards."""
    env, replay = make(f"atari/{name}", 64), make(f"atari/{name}", 64)
    expert = task(f"atari/{name}").make_expert(env)
    observation, _ = env.reset(seed=3)
    replay.reset(seed=3)
    for _ in range(60):
        action = expert.act(observation)
        observation, reward, *_ = env.step(action)
        again, same_reward, *_ = replay.step(action)
        assert reward == same_reward and np.array_equal(observation["image"], again["image"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "score"),
    [("Breakout", 400, 5), ("Freeway", 130, 1), ("Boxing", 250, 1), ("Bowling", 600, 15), ("Skiing", 600, -4300)],
)
def test_expert_scores(name: str, steps: int, score: float) -> None:
    env = make(f"atari/{name}", 64)
    expert = task(f"atari/{name}").make_expert(env)
    observation, _ = env.reset(seed=1)
    total = 0.0
    for _ in range(steps):
        observation, reward, over, *_ = env.step(expert.act(observation))
        total += reward
        if over:
            break
    assert total >= score


def test_a_picture_holds_this_moment_and_the_two_before() -> None:
    env = make("atari/Skiing", 64)
    before = env.reset(seed=0)[0]["image"]
    assert (before == before[..., :1]).all()
    for _ in range(5):
        image = env.step(np.array(1))[0]["image"]
        assert np.array_equal(image[..., 1:], before[..., :2])
        assert not np.array_equal(image[..., 0], before[..., 0])
        before = image


def test_paddle_goes_to_its_goal_and_stays() -> None:
    policy = paddle_policy(5, 0.0, FRAME_SKIP, STICKINESS)
    middle = policy.shape[2] // 2
    still = 1
    assert policy[20, still, middle] == still
    assert policy[20, still, middle - 90] == 2 and policy[20, still, middle + 90] == 0
    assert np.array_equal(policy[:, 0], 2 - policy[:, 2, ::-1])  # left and right are alike


def test_goal_is_refused() -> None:
    with pytest.raises(BadValueError, match="has no goal"):
        make("atari/Pong", 64).reset(seed=0, options={"goal": "win"})


@pytest.mark.parametrize("rom", ["breakout", "pong", "freeway"])
def test_networks_see_what_the_vectorised_environment_showed_in_training(rom, monkeypatch):
    from ale_py.vector_env import AtariVectorEnv

    monkeypatch.setattr("playground.domains.atari.STICKINESS", 0.0)
    monkeypatch.setattr("playground.domains.atari.MAX_NOOPS", 1)
    env, random = AtariEnv(rom, 64), np.random.default_rng(0)
    games = AtariVectorEnv(rom, 1, num_threads=1, noop_max=1, use_fire_reset=False)
    games.reset(seed=0)
    pixels, *_ = games.step(np.zeros(1, int))  # four idle frames begin both games
    env.reset(seed=0)
    for _ in range(3):
        env.console.act(env.buttons[0])
    differing, steps = [], 150
    for _ in range(steps):
        action = random.integers(len(env.buttons))
        pixels, _, terminated, _, _ = games.step(np.array([action]))
        env.step(np.asarray(action))
        differing.append(np.abs(env.dqn_pixels()[-1].astype(int) - pixels[0, -1]))
        if terminated[0]:
            break
    assert len(differing) > 50
    assert max(d.max() for d in differing[:-1]) <= 1  # halves are rounded otherwise now and then
    assert np.mean(differing) < 1e-3
    env.reset(seed=5)
    assert (env.dqn_pixels()[:3] == 0).all()
    assert env.dqn_pixels()[3].any()
    games.close()
