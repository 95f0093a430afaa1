"""Worlds in each other's state, and experts that take over from each other."""

from typing import Any

import numpy as np
import pytest

from playground import domains
from playground.collecting.collect import collect
from playground.collecting.takeover import (
    HandoverEnv,
    HandoverExpert,
    TakeoverSettings,
    collect_takeovers,
    siblings,
    take_over,
)
from playground.demonstrations import PackedTask
from playground.errors import BadFileError, BadValueError
from playground.model.config import preset
from playground.training.dataset import TaskData
from playground.training.sampler import Sampler, Sampling

SEED = 801_000


@pytest.mark.parametrize(
    "first, second, goal",
    [
        ("metaworld/window-open", "metaworld/window-close", None),
        ("metaworld/reach", "metaworld/push", (0.05, 0.85, 0.015)),
        ("dm_control/cartpole-swingup", "dm_control/cartpole-balance", None),
        ("dm_control/reacher-hidden", "dm_control/reacher-hidden", (0.1, 0.08)),
        ("classic/CartPole", "classic/CartPole-hidden", (1.0,)),
    ],
)
def test_worlds_in_the_same_state_go_on_alike(first: str, second: str, goal):
    one, other = domains.make(first, 64), domains.make(second, 64)
    start, _ = one.reset(seed=SEED)
    entered = other.enter(one, goal)
    assert other.goal == goal
    exact = not first.startswith("metaworld/window")  # there the two tasks look at other points of the handle
    one.action_space.seed(0)
    for _ in range(15):
        assert np.allclose(start["state"], entered["state"], atol=1e-6 if exact else 0.1)
        action = one.action_space.sample()
        start, entered = one.step(action)[0], other.step(action)[0]
    one.close()
    other.close()


def test_grid_world_is_entered_with_another_mission():
    one: Any = domains.make("babyai/GoToLocal-hidden")
    other = domains.make("babyai/PickupDist-hidden")
    observation, _ = one.reset(seed=SEED)
    thing = next(c for c in one.upstream.grid.grid if c is not None and c.type in ("ball", "box", "key"))
    goal = f"pick up the {thing.color} {thing.type}"
    entered = other.enter(one, goal)
    assert np.array_equal(observation["grid"], entered["grid"]) and other.goal == goal
    expert = domains.task("babyai/PickupDist-hidden").make_expert(other)
    for _ in range(60):
        entered, _, ended, _, _ = other.step(expert.act(entered))
        if ended:
            break
    assert other.success and other.achieved == goal
    assert one.steps == 0 and one.upstream.carrying is None  # the first world is not touched
    with pytest.raises(BadValueError, match="nothing in this world"):
        other.enter(one, "pick up the " + next(n for n in missing(one)))
    with pytest.raises(BadValueError, match="go to the red ball"):
        other.enter(one, "dance with the red ball")


def missing(env):
    there = {(c.color, c.type) for c in env.upstream.grid.grid if c is not None}
    return [f"{c} {k}" for c in ("red", "green", "blue", "grey") for k in ("ball", "box", "key") if (c, k) not in there]


def test_other_scenes_cannot_be_entered():
    one, other = domains.make("classic/CartPole"), domains.make("classic/Pendulum")
    with pytest.raises(BadValueError, match="same scene"):
        other.enter(one)


def test_second_expert_finishes_what_the_first_did_not_begin():
    task, first = domains.task("metaworld/window-close"), domains.task("metaworld/window-open")
    env, before = task.make(64), first.make(64)
    experts = task.make_expert(env), first.make_expert(before)
    handover = HandoverEnv(first, before, task, env, TakeoverSettings())
    expert = HandoverExpert(handover, experts[1], experts[0])
    tries = (take_over(handover, expert, SEED + i, None, 0.0) for i in range(5))
    found = next(one for one in tries if one is not None)  # where it takes over at once, there is nothing to do
    env.close()
    before.close()
    assert found.episode.task == task.id and found.episode.success
    assert 0 < found.loss_start < len(found.episode) - 2


def test_nobody_takes_over_where_the_mission_is_seen(tmp_path):
    assert siblings(domains.task("babyai/GoToLocal")) == []
    assert siblings(domains.task("babyai/GoToLocal-hidden"))
    collect("babyai/GoToLocal", tmp_path, episodes=2, workers=1)
    with pytest.raises(BadFileError, match="share a scene"):
        collect_takeovers("babyai/GoToLocal", 4, root=tmp_path, workers=1)


def test_shards_hold_the_history_and_no_loss_is_taken_there(tmp_path):
    id = "classic/CartPole-hidden"
    assert [sibling.id for sibling in siblings(domains.task(id))] == ["classic/CartPole", id]
    with pytest.raises(BadFileError, match="collect them first"):
        collect_takeovers(id, 4, root=tmp_path, workers=1, settings=TakeoverSettings(shard_episodes=4))
    collect(id, tmp_path, episodes=4, workers=1)
    collect_takeovers(id, 4, root=tmp_path, workers=1, settings=TakeoverSettings(shard_episodes=4))
    packed = PackedTask.open(tmp_path, id)
    added = ~packed.is_demonstration
    assert (
        added.any()
        and (packed.episodes["loss_start"][added] > 0).all()
        and not packed.episodes["loss_start"][~added].any()
    )
    assert set(packed.episodes["goal"][added]) <= set(packed.episodes["goal"][~added])

    config = preset("tiny")
    data = TaskData.from_packed(packed, config)
    sampler = Sampler([data], config, Sampling(prompted=1.0, from_end=0.7, corrections=1.0, goal_only={}))
    rng = np.random.default_rng(0)
    seen = [sampler.draw(data, rng) for _ in range(200)]
    assert not any(added[s.prompt_episode] for s in seen if len(s.prompt))
    for s in seen:
        steps = s.live - data.start[s.live_episode]
        assert np.array_equal(s.weight == 0, steps < packed.episodes["loss_start"][s.live_episode])
    assert any((s.weight == 0).any() and s.weight.any() for s in seen)


def test_impossible_settings_are_refused():
    with pytest.raises(BadValueError, match="second_steps is 0"):
        TakeoverSettings(second_steps=0)
    with pytest.raises(BadValueError, match="noise"):
        TakeoverSettings(noise=(-0.1,))
