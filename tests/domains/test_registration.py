"""Every goal family through `gymnasium.make`, at any goal."""

import gymnasium as gym
import numpy as np
import pytest

from playground.domains import known_families, tasks
from playground.domains.goals import PARTS
from playground.domains.registration import register
from playground.errors import BadValueError

IDS = register()


def test_every_task_has_an_id_of_its_own():
    assert len(set(IDS)) == len(IDS) and {f"playground/{task.name}" for task in tasks()} <= set(IDS)
    assert len({task.name for task in tasks()}) == len(tasks())
    assert register() == IDS  # a second time does no harm


@pytest.mark.parametrize("task", known_families())
def test_family_at_any_goal(task: str):
    family, rng = known_families()[task], np.random.default_rng(0)
    name = task.partition("/")[2]
    for part in PARTS:
        goal = family.draw(part, rng)
        env = gym.make(f"playground/{name}", goal=goal, size=64)
        observation, info = env.reset(seed=1)
        assert env.observation_space.contains(observation) and family.error(goal, info["goal"]) == 0
        for _ in range(3):
            _, _, _, _, info = env.step(env.action_space.sample())
        assert info["achieved"] is None or info["goal_error"] == family.error(goal, info["achieved"])
        env.close()
    with pytest.raises(BadValueError):
        gym.make(f"playground/{name}", goal=(99.0, 99.0, 99.0, 99.0)).reset(seed=1)
