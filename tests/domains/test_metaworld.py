"""What Meta-World adds to the contract: true first observations, hidden goals, experts that solve."""

import numpy as np
import pytest

from playground.domains import make, task, tasks
from playground.errors import BadValueError

IDLE = np.array([0, 0, 0, -1], dtype=np.float32)


@pytest.mark.parametrize("id", ["dial-turn", "drawer-open", "faucet-open", "lever-pull", "window-close", "window-open"])
def test_first_observation_is_not_stale(id: str) -> None:
    env = make(f"metaworld/{id}", 64)
    first, _ = env.reset(seed=4)
    second, *_ = env.step(IDLE)
    assert np.abs(second["state"] - first["state"]).max() < 0.01  # metres; stale positions are 5 to 20 cm off


@pytest.mark.parametrize("id", ["reach", "pick-place", "plate-slide-side", "drawer-open", "assembly"])
def test_expert_solves_for_a_given_goal(id: str) -> None:
    env = make(f"metaworld/{id}", 64)
    expert = task(f"metaworld/{id}").make_expert(env)
    env.reset(seed=1)
    goal = env.goal
    observation, _ = env.reset(seed=2, options={"goal": goal})
    expert.reset()
    for _ in range(150):
        observation, *_ = env.step(expert.act(observation))
    assert env.success and env.goal == goal


@pytest.mark.parametrize(
    ("id", "seed"),
    [("peg-insert-side", 950_008), ("soccer", 950_000), ("shelf-place", 950_008), ("sweep-into", 950_016)],
)
def test_expert_is_helped_where_the_script_gets_stuck(id: str, seed: int) -> None:
    env = make(f"metaworld/{id}", 64)
    expert = task(f"metaworld/{id}").make_expert(env)
    observation, _ = env.reset(seed=seed)
    expert.reset()
    for _ in range(300):
        observation, *_ = env.step(expert.act(observation))
        if env.success:
            return
    raise AssertionError(f"{id}: unsolved after 300 steps")


def test_goal_is_not_in_the_observation() -> None:
    env = make("metaworld/reach", 64)
    observation, _ = env.reset(seed=1)
    assert env.goal is not None
    hand_to_goal = np.array(env.goal) - env.full_observation[:3]
    state = observation["state"]
    for start in range(len(state) - 2):
        for target in (np.array(env.goal), np.array(env.goal) - (0, 0.6, 0.15), hand_to_goal):
            assert np.abs(state[start : start + 3] - target).max() > 1e-3


@pytest.mark.parametrize("goal", ["a mission", (0.1, 0.8), (0.0, float("nan"), 0.1)])
def test_impossible_goal_is_refused(goal: object) -> None:
    with pytest.raises(BadValueError, match="three finite numbers"):
        make("metaworld/reach", 64).reset(seed=0, options={"goal": goal})


def test_goal_without_room_for_the_object_is_refused() -> None:
    env = make("metaworld/box-close", 64)  # wants 25 cm between lid and box
    with pytest.raises(BadValueError, match="no start fits"):
        env.reset(seed=0, options={"goal": (0.0, 0.52, 0.133)})
    env.reset(seed=0)


def test_task_without_goal_refuses_one() -> None:
    with pytest.raises(BadValueError, match="has no goal"):
        make("metaworld/drawer-open", 64).reset(seed=0, options={"goal": (0.0, 0.8, 0.1)})


def test_fifty_tasks_and_23_hidden_goals() -> None:
    found = tasks("metaworld/*")
    assert len(found) == 50 and sum(t.hidden_goal for t in found) == 23
    assert {t.name for t in found if t.scene == "metaworld/puck"} == {"reach", "push", "pick-place"}
