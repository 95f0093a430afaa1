"""A library of a few demonstrations of the toy task."""

import pytest

from playground import assets
from playground.demonstrations.files import save_episodes
from playground.demonstrations.shipping import choose, shipped, shipped_counts, shipped_folder
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
