import sys
from subprocess import run

import numpy as np
import pytest

from playground import assets
from playground.demonstrations.files import save_episodes
from playground.demonstrations.shipping import choose, prompt, shipped, shipped_counts, shipped_folder
from playground.errors import BadFileError, BadValueError, PlaygroundError, UnknownNameError
from playground.task import PROMPT_SEEDS
from tests.toy import toy_task


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Assets with three demonstrations of the toy task."""
    monkeypatch.setattr(assets, "ASSETS", tmp_path)
    task = toy_task()
    env = task.make(64)
    episodes = choose(task, env, task.make_expert(env), 3, max_steps=None)
    save_episodes(episodes, shipped_folder(task.id), env.observation_space, env.action_space)
    shipped_counts.cache_clear()
    shipped.cache_clear()
    yield episodes
    shipped_counts.cache_clear()
    shipped.cache_clear()


def test_shipped_demonstrations_are_found_by_task(library):
    assert shipped_counts() == {"toy/point": 3}
    loaded = shipped("toy/point")
    assert [e.goal for e in loaded] == [e.goal for e in library]
    assert len({e.goal for e in loaded}) == 3 and all(e.success and e.seed in PROMPT_SEEDS for e in loaded)


def test_counting_does_not_need_minari():
    code = (
        "import sys; from playground.demonstrations import shipped_counts; shipped_counts();"
        "assert 'minari' not in sys.modules and 'pyarrow' not in sys.modules"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_prompt_by_number(library):
    second = prompt("toy/point#1")
    assert second is not None and second.name == "toy/point#1"
    assert (second.goal, second.seed, second.task) == (library[1].goal, library[1].seed, "toy/point")
    assert np.array_equal(second.segments[0].actions, library[1].actions)
    assert prompt("none") is None


def test_prompt_from_a_folder(library, tmp_path):
    env = toy_task().make(64)
    path = save_episodes(library[2:], tmp_path / "mine" / "try-v0", env.observation_space, env.action_space)
    found = prompt(str(path))
    assert found is not None and found.name == "try-v0" and found.goal == library[2].goal


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("toy/pont#0", UnknownNameError, "did you mean toy/point#0"),
        ("toy/point#3", BadValueError, "give #0 to #2"),
        ("toy/point#x", BadValueError, "no number"),
        ("/nowhere/at-all", BadFileError, "no such folder"),
        (".", BadFileError, "no Minari dataset"),
    ],
)
def test_mistakes_in_names(library, name, error, says):
    with pytest.raises(error, match=says):
        prompt(name)


def test_the_best_half_by_return_is_shipped():
    task = toy_task(blunders=True, has_success=False)
    env = task.make(64)
    chosen = choose(task, env, task.make_expert(env), 4, max_steps=20)
    assert len(chosen) == 4 and all(len(e) == 20 and e.total_reward > -15 for e in chosen)
    assert chosen[0].total_reward == max(e.total_reward for e in chosen)


def test_an_expert_that_fails_too_often_is_not_shipped():
    task = toy_task()
    env = task.make(64)
    with pytest.raises(PlaygroundError, match="solved 0 episodes"):
        choose(task, env, task.make_expert(env), 2, max_steps=1)
