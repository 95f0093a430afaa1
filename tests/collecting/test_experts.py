import numpy as np
import pytest

from playground.collecting.experts import expert_episode
from tests.toy import MAX_STEPS, toy_task


def run(seed=3, **kwargs):
    task = toy_task(**{key: kwargs.pop(key) for key in list(kwargs) if key in ("discrete", "blunders", "has_success")})
    env = task.make(64)
    return expert_episode(task, env, task.make_expert(env), seed, **kwargs)


def test_goes_on_for_the_tasks_steps_after_success():
    short, long = run(hold_steps=0), run()
    assert short.success and long.success
    assert len(long) == len(short) + toy_task().hold_steps < MAX_STEPS
    assert long.truncated and not long.terminated


def test_without_success_the_episode_stays_whole():
    episode = run(has_success=False)
    assert episode.success is None and len(episode) == MAX_STEPS


def test_cut():
    assert len(run(max_steps=2)) == 2


def test_same_goal_another_start():
    first = run(3)
    second = run(4, goal=first.goal)
    assert second.goal == first.goal != run(4).goal
    assert not np.array_equal(first.observations["state"][0], second.observations["state"][0])


@pytest.mark.parametrize("discrete", [False, True])
def test_labels_are_clean_while_execution_is_noisy(discrete):
    task = toy_task(discrete)
    env = task.make(64)
    expert = task.make_expert(env)
    episode = expert_episode(task, env, expert, 3, noise=0.5, hold_steps=40)
    disturbed = 0
    for t in range(len(episode)):
        env.position = episode.observations["state"][t]
        assert np.array_equal(expert.act({}), episode.actions[t])
        env.step(episode.actions[t])
        disturbed += not np.allclose(env.position, episode.observations["state"][t + 1])
    assert disturbed > len(episode) / 4


def test_the_same_seed_gives_the_same_noise():
    a, b = run(5, noise=0.3), run(5, noise=0.3)
    assert np.array_equal(a.observations["state"], b.observations["state"])
