"""Environments as others use them: through `gymnasium.make`, at any goal, with gymnasium's and Minari's own tools."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import minari
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minari.data_collector import EpisodeBuffer

from playground import domains
from playground.domains.goals import PARTS
from playground.domains.registration import register
from playground.errors import BadValueError

IDS = register()
ONE_EACH = ("CartPole-hidden", "GoToLocal-hidden", "reach", "reacher-hidden", "Pong")
"""A task of each domain."""


def test_every_task_has_an_id_of_its_own() -> None:
    everything = [*domains.tasks(), *domains.tasks_without_expert()]
    assert [f"playground/{task.name}" for task in everything] == IDS and len(set(IDS)) == len(IDS)
    assert register() == IDS  # a second time does no harm


@pytest.mark.slow
@pytest.mark.parametrize("task", domains.families())
def test_family_at_any_goal(task: str) -> None:
    family, rng = domains.families()[task], np.random.default_rng(0)
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


@pytest.mark.parametrize("id", IDS)
def test_specification_turns_into_json_and_back(id: str) -> None:
    spec = gym.spec(id)
    task = domains.task(spec.kwargs["task"]) if spec.kwargs["task"] in {t.id for t in domains.tasks()} else None
    again = gym.envs.registration.EnvSpec.from_json(spec.to_json())
    assert again == spec and (task is None or again.max_episode_steps == task.max_steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_EACH)
def test_environment_is_made_again_from_its_specification_and_from_a_pickle(name: str) -> None:
    env = gym.make(f"playground/{name}", size=48, render_mode="rgb_array")
    goal = env.reset(seed=3)[1]["goal"]
    again = gym.make(f"playground/{name}", size=48, goal=goal)
    assert again.spec is not None
    made = gym.make(gym.envs.registration.EnvSpec.from_json(again.spec.to_json()))
    unpickled = pickle.loads(pickle.dumps(again))
    assert unpickled.spec.to_json() == made.spec.to_json() == again.spec.to_json()
    starts = [each.reset(seed=4) for each in (again, made, unpickled)]
    for observation, info in starts:
        assert info["goal"] == goal
        assert all(np.array_equal(observation[key], starts[0][0][key]) for key in observation)
    for each in (env, again, made, unpickled):
        each.close()
        each.close()  # a second time does no harm


@pytest.mark.parametrize("name", ONE_EACH)
def test_pictures_have_the_worlds_rate(name: str) -> None:
    """What `RecordVideo` and `HumanRendering` go by."""
    env = gym.make(f"playground/{name}", size=48, render_mode="rgb_array")
    assert env.render_mode == "rgb_array"
    assert env.metadata["render_fps"] == domains.task(env.spec.kwargs["task"]).fps
    env.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ONE_EACH)
def test_gymnasiums_checker_finds_no_fault(name: str) -> None:
    env = gym.make(f"playground/{name}", size=48)
    check_env(env.unwrapped, skip_close_check=True)
    env.close()


@pytest.mark.slow
def test_human_sees_it_in_a_window() -> None:
    """In a process of its own: closing SDL's window may take another library's OpenGL along."""
    code = """if True:
        import gymnasium as gym
        from playground.domains.registration import register
        register()
        for name in ("GoToLocal", "reach"):
            env = gym.make(f"playground/{name}", size=48, render_mode="human")
            env.reset(seed=0)
            env.step(env.action_space.sample())
            print(env.get_wrapper_attr("window").get_size())
            env.close()
    """
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, encoding="utf-8"
    )
    assert found.stdout.splitlines()[-2:] == ["(48, 48)"] * 2


@pytest.mark.parametrize("size", [0, -3, 2.5, True, 10**6])
@pytest.mark.parametrize("name", ONE_EACH)
def test_sizes_that_no_picture_has_are_refused(name: str, size: object) -> None:
    with pytest.raises(BadValueError, match=r"size of pictures is .*; give 1 to 4096"):
        gym.make(f"playground/{name}", size=size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_EACH)
def test_smallest_picture(name: str) -> None:
    env = gym.make(f"playground/{name}", size=1)
    env.reset(seed=0)
    assert env.render().shape[2] == 3
    env.close()


def test_unknown_render_mode_is_refused() -> None:
    with pytest.raises(BadValueError, match=r"render_mode is 'ansi'; give"):
        gym.make("playground/CartPole", render_mode="ansi")


@pytest.mark.parametrize("name", ("CartPole-hidden", "GoToLocal-hidden"))
def test_minari_collects(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    """What its `DataCollector` does; the collector itself wants JAX."""
    env = gym.make(f"playground/{name}", size=48)
    seen = [env.reset(seed=0)[0]]
    actions = [env.action_space.sample() for _ in range(5)]
    seen += [env.step(action)[0] for action in actions]
    observations = {key: [observation[key] for observation in seen] for key in seen[0]}
    few = [False] * 5
    episode = EpisodeBuffer(0, 0, None, observations, actions, [0.0] * 5, few, [*few[1:], True], None)
    dataset = minari.create_dataset_from_buffers(
        f"mine/{name.lower()}-v0", [episode], env=env, description="a test", author="a test", data_format="arrow"
    )
    assert dataset.total_steps == 5
    assert dataset.spec.env_spec is not None and dataset.spec.env_spec.to_json() == env.spec.to_json()
    assert dataset.recover_environment().reset(seed=0)[0].keys() == seen[0].keys()
    env.close()
