from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from playground.collecting.collect import collect, gather_shard, plan
from playground.demonstrations.packed import PackedTask
from playground.errors import PlaygroundError
from playground.task import Amount
from tests.toy import toy_task

SEEDS = range(10_000, 20_000)


def gather(tmp_path, task, amount):
    env = task.make(64)
    expert = task.make_expert(env)
    results = [gather_shard(job, task, env, expert) for job in plan(task, amount, SEEDS, tmp_path)]
    return results, PackedTask.open(tmp_path, task.id)


def test_hidden_goals_come_in_groups_with_different_starts(tmp_path):
    task = toy_task()
    results, packed = gather(tmp_path, task, Amount(goals=6, episodes_per_goal=3, shard_episodes=9))
    assert len(packed.shards) == 2
    assert Counter(packed.episodes["goal"].tolist()) == dict.fromkeys(packed.goals, 3)
    assert len(packed.goals) == 6
    starts = packed.arrays()["state"][packed.episodes["start"]]
    assert len(np.unique(starts, axis=0)) == 18 == sum(result.episodes for result in results)
    assert set(packed.episodes["seed"].tolist()) <= set(SEEDS)


def test_visible_goals_are_one_group(tmp_path):
    _, packed = gather(tmp_path, toy_task(hidden_goal=False), Amount(goals=4, episodes_per_goal=2))
    assert len(packed) == 8 and set(packed.episodes["goal"]) == {0}


def test_failures_are_dropped(tmp_path):
    results, packed = gather(tmp_path, toy_task(blunders=True), Amount(goals=10, episodes_per_goal=2))
    assert packed.episodes["success"].all()
    assert 0 < len(packed) < 20
    assert results[0].attempts > 20


def test_poor_returns_are_dropped(tmp_path):
    poor = toy_task(blunders=True, has_success=False, hidden_goal=False)
    good = toy_task(has_success=False, hidden_goal=False)
    _, packed = gather(tmp_path / "poor", poor, Amount(goals=40))
    _, everything = gather(tmp_path / "good", good, Amount(goals=40))
    assert 40 >= len(everything) > 35 > len(packed) > 20
    assert packed.episodes["total_reward"].min() > -20  # standing still costs 25 to 80


def test_an_expert_that_never_succeeds_is_an_error(tmp_path):
    task = toy_task()
    amount = Amount(goals=2, episodes_per_goal=2, max_steps=1, noise=(0.0,))
    with pytest.raises(PlaygroundError, match="toy/point"):
        gather(tmp_path, task, amount)


def test_finished_shards_are_not_planned_again_but_enlarged_ones_are(tmp_path):
    task = toy_task()
    amount = Amount(goals=6, episodes_per_goal=2, shard_episodes=8)
    gather(tmp_path, task, amount)
    assert plan(task, amount, SEEDS, tmp_path) == []
    more = plan(task, replace(amount, goals=9), SEEDS, tmp_path)
    assert [(job.first, job.units) for job in more] == [(4, 4), (8, 1)]


@pytest.mark.slow
def test_collects_a_real_task_in_worker_processes(tmp_path, capsys):
    done = collect("classic/CartPole", tmp_path, episodes=30, workers=2)
    assert done["classic/CartPole"].episodes >= 24
    assert len(PackedTask.open(tmp_path, "classic/CartPole").shards) == 2
    assert collect("classic/CartPole", tmp_path, episodes=30, workers=2) == {}
