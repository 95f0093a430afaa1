"""Search for linear policies: what it writes is what `PolicyExpert` plays, and it goes on from there."""

import numpy as np
import pytest

from playground.domains.dm_control.experts import PolicyExpert
from playground.domains.mujoco.vector_bodies import VectorLocomotion
from playground.errors import BadValueError
from playground.rl import linear_search
from playground.rl.linear_search import SearchConfig, returns_of, search

CONFIG = SearchConfig("Swimmer", generations=8, candidates=32, elite=5, starts=2)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(linear_search, "EPISODE_STEPS", 60)


@pytest.mark.slow
def test_finds_better_than_standing_still_and_goes_on(tmp_path):
    lines: list[str] = []
    best = search(CONFIG, tmp_path / "Swimmer.safetensors", lines.append)
    assert len(lines) == 8
    assert best > 2.0
    again = search(SearchConfig("Swimmer", 1, 32, 5, 2), tmp_path / "Swimmer.safetensors", lines.append)
    assert again == best
    expert, bodies = PolicyExpert(tmp_path / "Swimmer.safetensors"), VectorLocomotion("Swimmer", 2, 0)
    total = sum(bodies.step(expert.act({"state": bodies.features()}))[0] for _ in range(60))
    assert np.mean(total) == pytest.approx(best, abs=0.4 * best)  # other starts


def test_returns_count_no_step_after_a_fall():
    bodies = VectorLocomotion("Hopper", 4, 0)
    weights = np.zeros((2, 3, 12))
    weights[1, :, -1] = 1.0  # all strength at once, which soon throws it
    standing, thrown = returns_of(bodies, weights)
    assert 0 < thrown < standing <= 70


def test_settings_are_checked():
    with pytest.raises(BadValueError, match="Swimmer"):
        SearchConfig("Fish")
    with pytest.raises(BadValueError, match="2 to 8"):
        SearchConfig("Swimmer", candidates=8, elite=9)
