"""Goal families: what is trained and what is held out."""

import numpy as np
import pytest

from playground import domains
from playground.domains import families, make
from playground.domains.dm_control import make_env
from playground.domains.dm_control.goals import FAMILIES as CONTROL_FAMILIES
from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, PARTS, TRAINED, GoalFamily
from playground.domains.grid_worlds import mission_part

FAMILIES = {**{family.task: family for family in CONTROL_FAMILIES}, **families()}
SEEDS = range(20)


@pytest.fixture(params=FAMILIES.values(), ids=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> GoalFamily:
    return request.param


def build(family: GoalFamily):
    """A world of the family, with or without an expert of it."""
    return make_env(family.task.partition("/")[2], 64) if "speed" in family.task else make(family.task, 64)


def test_parts_are_drawn_and_told_apart(family: GoalFamily):
    rng = np.random.default_rng(0)
    for part in PARTS:
        assert {family.part(family.draw(part, rng)) for _ in range(50)} == {part}


def test_error_is_nothing_at_the_goal(family: GoalFamily):
    rng = np.random.default_rng(0)
    goal, other = family.draw(TRAINED, rng), family.draw(EXTRAPOLATED, rng)
    assert family.error(goal, goal) == 0 and family.error(goal, other) > 0


@pytest.mark.slow
def test_worlds_draw_trained_goals_and_take_any(family: GoalFamily):
    env = build(family)
    for seed in SEEDS:
        env.reset(seed=seed)
        assert family.part(env.goal) == TRAINED
    rng = np.random.default_rng(0)
    for part in PARTS:
        goal = family.draw(part, rng)
        env.reset(seed=3, options={"goal": goal})
        assert family.error(goal, env.goal) == 0
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("task", [task for task in families() if "speed" not in task])
@pytest.mark.parametrize("part", PARTS)
def test_expert_achieves_held_out_goals(task: str, part: str):
    family, env = families()[task], make(task, 64)
    expert = domains.task(task).make_expert(env)
    errors = []
    for seed in range(3):
        goal = family.draw(part, np.random.default_rng(seed))
        observation, _ = env.reset(seed=seed, options={"goal": goal})
        expert.reset()
        done = False
        while not done:
            observation, _, terminated, truncated, _ = env.step(expert.act(observation))
            done = terminated or truncated or env.success
        errors.append(family.error(goal, env.achieved))
    env.close()
    assert np.median(errors) <= family.tolerance, errors


@pytest.mark.parametrize(
    "mission, part",
    [
        ("go to the red ball", TRAINED),
        ("put the grey key next to a purple ball", INTERPOLATED),
        ("go to a yellow box", EXTRAPOLATED),
        ("pick up a ball", None),
    ],
)
def test_missions_are_split_by_what_they_name(mission: str, part: str | None):
    assert mission_part(mission) == part


@pytest.mark.slow
def test_speed_is_measured():
    env = make_env("cheetah-speed", 64)
    env.reset(seed=0, options={"goal": (0.0,)})
    assert env.achieved is None
    reward = [env.step(np.zeros(6))[1] for _ in range(300)][-1]
    assert abs(env.achieved[0]) < 0.1 and reward > 0.9
    env.reset(seed=0, options={"goal": (5.0,)})
    reward = [env.step(np.zeros(6))[1] for _ in range(300)][-1]
    assert reward < 0.1
    env.close()
