"""What Meta-World adds to the contract: true first observations, hidden goals, experts that solve."""

from typing import Any

import numpy as np
import pytest

from playground.domains import make, task, tasks
from playground.errors import BadValueError

IDLE = np.array([0, 0, 0, -1], dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("id", ["dial-turn", "drawer-open", "faucet-open", "lever-pull", "window-close", "window-open"])
def test_first_observation_is_not_stale(id: str) -> None:
    env = make(f"metaworld/{id}", 64)
    first, _ = env.reset(seed=4)
    second, *_ = env.step(IDLE)
    assert np.abs(second["state"] - first["state"]).max() < 0.01  # metres; stale positions are 5 to 20 cm off


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("first", ["reach-wall", "pick-place-wall", "push-wall"])
@pytest.mark.parametrize("second", ["pick-place-wall", "push-wall"])
def test_expert_takes_over_beyond_the_wall(first: str, second: str) -> None:
    goals = {"reach-wall": (0.02, 0.85, 0.21), "pick-place-wall": (0.03, 0.85, 0.27), "push-wall": (-0.03, 0.85, 0.015)}
    env = make(f"metaworld/{first}", 64)
    other: Any = make(f"metaworld/{second}", 64)
    observation, _ = env.reset(seed=3, options={"goal": goals[first]})
    expert = task(f"metaworld/{first}").make_expert(env)
    expert.reset()
    while not env.success:
        observation, *_ = env.step(expert.act(observation))
    observation = other.enter(env, (0.04, 0.9, 0.08) if second == "pick-place-wall" else (0.04, 0.88, 0.015))
    expert = task(f"metaworld/{second}").make_expert(other)
    expert.reset()
    carried = first == second == "pick-place-wall"
    for _ in range(200):
        observation, *_ = other.step(expert.act(observation))
        assert not carried or other.full_observation[6] > 0.03, "the expert has let the puck fall"
        if other.success:
            break
    assert other.success
    env.close()
    other.close()


@pytest.mark.parametrize(("first", "second"), [("open", "close"), ("close", "open")])
def test_expert_turns_the_faucet_back_from_the_other_side(first: str, second: str) -> None:
    env, other = make(f"metaworld/faucet-{first}", 64), make(f"metaworld/faucet-{second}", 64)
    observation, _ = env.reset(seed=3)
    expert = task(f"metaworld/faucet-{first}").make_expert(env)
    expert.reset()
    for _ in range(120):  # well beyond what is asked for
        observation, *_ = env.step(expert.act(observation))
    assert env.success
    observation = other.enter(env)
    expert = task(f"metaworld/faucet-{second}").make_expert(other)
    expert.reset()
    for _ in range(150):
        observation, *_ = other.step(expert.act(observation))
    assert other.success
    env.close()
    other.close()


@pytest.mark.parametrize("first", ["coffee-pull", "coffee-push"])
def test_button_is_to_be_pressed_where_it_is_in_the_world_of_the_mug(first: str) -> None:
    env = make(f"metaworld/{first}", 64)
    button: Any = make("metaworld/coffee-button", 64)
    button.reset(seed=1)
    way = button._upstream._target_pos - button.full_observation[4:7]
    env.reset(seed=2)
    button.enter(env)
    assert button._upstream._target_pos - button.full_observation[4:7] == pytest.approx(way, abs=1e-3)
    env.close()
    button.close()


def test_goal_stays_where_it_was_asked_for_in_another_world() -> None:
    env = make("metaworld/basketball", 64)
    other: Any = make("metaworld/basketball", 64)
    env.reset(seed=1, options={"goal": (-0.08, 0.88, 0.0)})
    other.enter(env, (0.08, 0.88, 0.0))
    assert other._upstream._target_pos[0] == pytest.approx(0.08)
    other.step(IDLE)
    assert other._upstream._target_pos[0] == pytest.approx(0.08)
    env.close()
    other.close()


def test_goal_is_not_in_the_observation() -> None:
    env: Any = make("metaworld/reach", 64)
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
