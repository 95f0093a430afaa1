import sys
from subprocess import run

import pytest

from playground.collecting.ship import choose
from playground.demonstrations.shipped_files import shipped, shipped_counts
from playground.errors import PlaygroundError
from playground.task import PROMPT_SEEDS
from tests.toy import toy_task


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
