"""What several test modules need: a few shipped demonstrations of this test run, and a tiny checkpoint."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from playground import assets, domains
from playground.episode import Episode
from playground.scores import reference_scores

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per test worker: more of them get in each other's way
settings.register_profile("patient", deadline=None)  # busy machines are slow, not wrong
settings.load_profile("patient")

TASK = "babyai/GoToLocal-hidden"
OTHER = "babyai/GoToLocalS5N2-hidden"


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ships demonstrations of TASK (4) and OTHER (2) to a folder that takes the place of the assets for one module."""
    from playground.collecting.ship import ship_task
    from playground.demonstrations import shipped, shipped_counts

    domains.tasks()  # tasks that need an expert's file look for it in the real assets
    caches = (shipped_counts, shipped, reference_scores)
    before, assets.ASSETS = assets.ASSETS, tmp_path_factory.mktemp("assets")
    ship_task((TASK, 4))
    ship_task((OTHER, 2))
    for cache in caches:
        cache.cache_clear()
    yield
    assets.ASSETS = before
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained agent of the smallest size."""
    import torch

    from playground.model import GeneralistModel, preset, save_pretrained

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    save_pretrained(GeneralistModel(preset("tiny")), folder)
    return folder


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Episode]]:
    """Assets with three demonstrations of the toy task."""
    from playground.collecting.ship import choose
    from playground.demonstrations import shipped, shipped_counts
    from playground.demonstrations.shipped_files import save_shipped
    from tests.toy import toy_task

    monkeypatch.setattr(assets, "ASSETS", tmp_path)
    task = toy_task()
    env = task.make(64)
    episodes = choose(task, env, task.make_expert(env), 3, max_steps=None)
    save_shipped(episodes, env.observation_space, env.action_space)
    shipped_counts.cache_clear()
    shipped.cache_clear()
    yield episodes
    shipped_counts.cache_clear()
    shipped.cache_clear()
