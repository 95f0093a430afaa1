"""MiniGrid's own worlds: an expert that knows what it has seen, and missions that are withheld."""

import numpy as np
import pytest

from playground.domains import families, task
from playground.domains.goals import PARTS, TRAINED
from playground.domains.grid_worlds import mission_part
from playground.domains.minigrid import HIDDEN, TASKS, MiniGridEnv
from playground.domains.minigrid.expert import PICK_UP, SearchExpert
from playground.errors import BadValueError
from playground.task import EVALUATION_SEEDS, Task

SEEDS = EVALUATION_SEEDS[:6]
HIDDEN_IDS = [f"minigrid/{name}-hidden" for name in HIDDEN]


def world(id: str) -> tuple[MiniGridEnv, SearchExpert]:
    found = task(id)
    env = found.make(64)
    return env, SearchExpert(env)


def solve(env: MiniGridEnv, expert: SearchExpert, observation: dict) -> int:
    """Lets the expert act to the end; returns the number of steps."""
    for step in range(1, 1000):
        observation, _, terminated, truncated, _ = env.step(expert.act(observation))
        if terminated or truncated:
            return step
    raise AssertionError("without end")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_expert_solves_its_world(task: Task) -> None:
    env, expert = world(task.id)
    for seed in SEEDS:
        observation, _ = env.reset(seed=seed)
        expert.reset()
        solve(env, expert, observation)
        assert env.success, seed


@pytest.mark.parametrize("name", ["DoorKey-6x6", "FourRooms", "LockedRoom"])
def test_expert_takes_over_after_random_actions(name: str) -> None:
    """In three of four, at least: a key that was dropped in the way, and a short time limit, may be too much."""
    env, expert = world(f"minigrid/{name}")
    rng, solved = np.random.default_rng(0), 0
    for seed in SEEDS:
        observation, _ = env.reset(seed=seed)
        for _ in range(15):
            observation, *_ = env.step(np.asarray(rng.integers(len(env.action_names))))
        expert.reset()
        solve(env, expert, observation)
        solved += env.success
    assert solved >= 0.75 * len(SEEDS)


def test_expert_knows_only_what_it_has_seen() -> None:
    """Two worlds that look alike so far get the same action, wherever the goal is."""
    (env, _), (other, _) = world("minigrid/FourRooms"), world("minigrid/FourRooms")
    observation, _ = env.reset(seed=SEEDS[0])
    other.reset(seed=SEEDS[0])
    for each, corner in ((env, (1, 1)), (other, (17, 17))):
        grid = each.upstream.grid
        goal = next(i for i, thing in enumerate(grid.grid) if thing is not None and thing.type == "goal")
        thing, grid.grid[goal] = grid.grid[goal], None
        grid.set(*corner, thing)
    experts = [SearchExpert(env), SearchExpert(other)]
    seen = [each.upstream.gen_obs()["image"] for each in (env, other)]
    same = 0
    while np.array_equal(*seen):
        actions = [expert.act(observation) for expert in experts]
        assert actions[0] == actions[1]
        seen = [each.step(action)[0]["grid"] for each, action in zip((env, other), actions, strict=True)]
        same += 1
    assert same > 5


def test_what_moves_is_never_run_into() -> None:
    env, expert = world("minigrid/Dynamic-Obstacles-Random-6x6")
    for seed in EVALUATION_SEEDS[:30]:
        observation, _ = env.reset(seed=seed)
        expert.reset()
        solve(env, expert, observation)
        assert env.success
    assert env.action_names == ("left", "right", "forward")


@pytest.mark.parametrize("id", HIDDEN_IDS)
def test_hidden_mission_is_the_goal_and_is_not_observed(id: str) -> None:
    env, _ = world(id)
    for seed in SEEDS:
        observation, _ = env.reset(seed=seed)
        assert observation["mission"] == "" and mission_part(str(env.goal)) == TRAINED
    open_env, _ = world(id.removesuffix("-hidden"))
    observation, _ = open_env.reset(seed=SEEDS[0])
    assert observation["mission"] and open_env.goal is None


@pytest.mark.parametrize("id", [id for id in HIDDEN_IDS if id in families()])
def test_demonstration_fulfils_its_goal_and_no_other(id: str) -> None:
    (env, expert), family, rng = world(id), families()[id], np.random.default_rng(0)
    for part in PARTS:
        goal = family.draw(part, rng)
        observation, _ = env.reset(seed=SEEDS[0], options={"goal": goal})
        expert.reset()
        solve(env, expert, observation)
        assert env.success and env.goal == goal and family.error(goal, env.achieved) == 0
    with pytest.raises(BadValueError, match=r"no layout of minigrid/.* has the mission"):
        env.reset(seed=1, options={"goal": "go to the pink elephant"})


def test_shadow_environment_judges_by_its_own_goal() -> None:
    """Two keys lie in a room: who takes the one that is meant here does not take the one that is meant there."""
    env, expert = world("minigrid/Fetch-8x8-N3-hidden")
    same, shadow = world("minigrid/Fetch-8x8-N3-hidden")[0], world("minigrid/GoToObject-8x8-N2-hidden")[0]
    observation, _ = env.reset(seed=SEEDS[1])
    things = {f"{t.color} {t.type}" for t in env.upstream.grid.grid if t is not None and t.type in ("key", "ball")}
    wanted = str(env.goal).removeprefix("pick up the ")
    (other, *_) = sorted(things - {wanted})
    same.enter(env, f"pick up the {other}")
    shadow.enter(env, f"go to the {wanted}")
    ended = False
    while not ended:
        action = expert.act(observation)
        observation, _, ended, _, _ = env.step(action)
        same.step(action)
        if action != PICK_UP:
            shadow.step(action)
    assert env.success and not same.success
    assert shadow.achieved == f"go to the {wanted}"
    with pytest.raises(BadValueError, match="nothing in this world"):
        shadow.enter(env, "go to the grey box")
    with pytest.raises(BadValueError, match="cannot enter"):
        shadow.enter(task("babyai/GoToLocal").make(64), f"go to the {wanted}")
