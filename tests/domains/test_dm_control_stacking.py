"""Stacking bricks: the hand obeys, the expert stacks, and only a click counts."""

import numpy as np
import pytest

from playground.domains.dm_control.stacking import CLICKED, HAND_SPEED, MAX_STEPS, StackingEnv
from playground.domains.dm_control.stacking_expert import StackingExpert
from playground.errors import BadValueError
from playground.task import EVALUATION_SEEDS


@pytest.fixture
def env() -> StackingEnv:
    made = StackingEnv(64)
    made.reset(seed=3)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("axis", range(3))
def test_the_hand_moves_as_asked_and_goes_on_pointing_down(env: StackingEnv, axis: int) -> None:
    before = env.read().hand
    action = np.zeros(5, np.float32)
    action[axis] = 0.25
    for _ in range(10):
        env.step(action)
    after = env.read()
    moved = after.hand - before
    assert moved[axis] == pytest.approx(0.25 * HAND_SPEED * 10 / 25, rel=0.15)
    assert np.abs(np.delete(moved, axis)).max() < 0.01  # of 4 cm
    assert after.hand_turn[2, 2] < -0.995


@pytest.mark.slow
def test_the_expert_stacks_and_the_suite_says_so(env: StackingEnv) -> None:
    expert = StackingExpert(env)
    solved = 0
    for seed in EVALUATION_SEEDS[:6]:
        observation, _ = env.reset(seed=seed)
        assert not env.success
        reward = 0.0
        for _ in range(MAX_STEPS):
            observation, reward, *_ = env.step(expert.act(observation))
            if env.success:
                break
        assert env.success == (reward > CLICKED)
        if env.success:
            now = env.read()
            np.testing.assert_allclose(now.top, now.goal, atol=1e-3)
        solved += env.success
    assert solved >= 4


def test_a_brick_that_only_lies_beside_is_not_stacked(env: StackingEnv) -> None:
    for _ in range(30):
        _, reward, *_ = env.step(np.zeros(5, np.float32))
    assert reward < 0.1 and not env.success


def test_a_goal_is_refused_with_what_to_do(env: StackingEnv) -> None:
    with pytest.raises(BadValueError, match="no goal to set"):
        env.reset(seed=0, options={"goal": (1.0,)})
