"""DAgger on the toy domain, with an untrained agent."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from playground.collecting.corrections import DaggerSettings, corrected_episodes
from playground.collecting.dagger import dagger
from playground.collecting.experts import expert_episode
from playground.demonstrations.packed import PackedTask, write_shard
from playground.episode import Episode
from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, preset
from playground.task import Horizons
from playground.training.dataset import TaskData
from playground.training.sampler import Sampler, Sampling
from tests.toy import STEP, ToyEnv, ToyExpert, toy_task

AGENT_ONLY = DaggerSettings(warm_up_share=0.0, expert_share=0.0)


@pytest.fixture(scope="module")
def demonstrations() -> list[Episode]:
    """Two goals with two episodes each."""
    env = ToyEnv()
    goals = ((0.5, 0.5), (-0.5, 0.5))
    return [expert_episode(toy_task(), env, ToyExpert(env), seed=s, goal=g) for g in goals for s in range(2)]


def write(root: Path, episodes: list[Episode], shard: str, demonstrations: bool) -> None:
    write_shard(root / episodes[0].task / shard, episodes, True, len(episodes), demonstrations)


@pytest.fixture
def packed(tmp_path: Path, demonstrations: list[Episode]) -> PackedTask:
    write(tmp_path, demonstrations, "000000", True)
    return PackedTask.open(tmp_path, demonstrations[0].task)


def test_the_agent_acts_and_the_expert_labels(packed: PackedTask) -> None:
    envs = [ToyEnv() for _ in range(4)]
    prompts = [packed.prompt(e) for e in (0, 1, 2, 3)]
    torch.manual_seed(0)
    episodes = corrected_episodes(
        toy_task(), envs, GeneralistModel(preset("tiny")).eval(), prompts, 900_000, AGENT_ONLY
    )
    for episode, prompt in zip(episodes, prompts, strict=True):
        assert episode.goal == prompt.goal
        here = episode.observations["state"]
        wanted = np.clip((np.array(prompt.goal) - here[:-1]) / STEP, -1, 1)
        np.testing.assert_allclose(episode.actions, wanted, atol=1e-5)
        assert np.abs(np.diff(here, axis=0) - STEP * episode.actions).max() > 0.5 * STEP  # someone else has moved it


def test_the_expert_takes_over(packed: PackedTask) -> None:
    settings = replace(AGENT_ONLY, expert_share=1.0, switch_interval=(3, 6))
    envs = [ToyEnv() for _ in range(8)]
    prompts = [packed.prompt(0)] * 8
    torch.manual_seed(0)
    episodes = corrected_episodes(toy_task(), envs, GeneralistModel(preset("tiny")).eval(), prompts, 900_000, settings)
    moves = [np.diff(e.observations["state"], axis=0) - STEP * e.actions for e in episodes]
    assert all(np.abs(move[:3]).max() > 1e-3 for move in moves)
    assert np.abs(np.concatenate([move[6:] for move in moves])).max() < 1e-5
    assert all(e.success for e in episodes)


def test_the_expert_saves_what_it_can_and_the_rest_is_left_out(packed: PackedTask) -> None:
    task = replace(toy_task(), horizons=Horizons(agent=10, recovery=8))
    torch.manual_seed(0)
    prompts = [packed.prompt(0)] * 16
    model = GeneralistModel(preset("tiny")).eval()
    episodes = corrected_episodes(task, [ToyEnv() for _ in prompts], model, prompts, 900_000, AGENT_ONLY)
    assert 0 < len(episodes) < 16 and all(episode.success for episode in episodes)
    moves = [np.diff(e.observations["state"], axis=0) - STEP * e.actions for e in episodes]
    assert np.abs(np.concatenate([move[10:] for move in moves])).max() < 1e-5


def test_the_expert_begins(packed: PackedTask) -> None:
    settings = replace(AGENT_ONLY, warm_up_share=1.0, warm_up_steps=12)
    torch.manual_seed(0)
    model = GeneralistModel(preset("tiny")).eval()
    episodes = corrected_episodes(
        toy_task(), [ToyEnv() for _ in range(8)], model, [packed.prompt(0)] * 8, 900_000, settings
    )
    followed = [np.abs(np.diff(e.observations["state"], axis=0) - STEP * e.actions).max(1) < 1e-5 for e in episodes]
    leads = [int(np.argmin(steps)) for steps in followed if not steps.all()]
    assert min(leads) > 0 and len(set(leads)) > 3 and max(leads) <= 12


def test_random_actions_are_held(packed: PackedTask) -> None:
    settings = replace(AGENT_ONLY, switch_interval=(5, 6))
    episodes = corrected_episodes(
        toy_task(), [ToyEnv() for _ in range(4)], None, [packed.prompt(0)] * 4, 900_000, settings
    )
    directions = set()
    for episode in episodes:
        here = episode.observations["state"]
        wanted = np.clip((np.array(episode.goal) - here[:-1]) / STEP, -1, 1)
        np.testing.assert_allclose(episode.actions, wanted, atol=1e-5)
        moves = np.diff(here, axis=0)[:5] / STEP
        assert np.ptp(moves, axis=0).max() < 1e-5
        directions.add(tuple(moves[0]))
    assert len(directions) == 4


def test_what_an_agent_did_is_never_a_prompt(tmp_path: Path, demonstrations: list[Episode]) -> None:
    write(tmp_path, demonstrations, "000000", True)
    write(tmp_path, [replace(e, success=False) for e in demonstrations], "dagger-900000", False)
    packed = PackedTask.open(tmp_path, demonstrations[0].task)
    assert packed.is_demonstration.tolist() == [True] * 4 + [False] * 4
    config = preset("tiny")
    data = TaskData.from_packed(packed, config)
    sampler = Sampler([data], config, Sampling(prompted=1.0, corrections=0.6, min_corrections=50, goal_only={}))
    rng = np.random.default_rng(0)
    drawn = [sampler.draw(data, rng) for _ in range(200)]
    assert {s.live_episode for s in drawn} == set(range(8))
    there = sum(map(len, demonstrations))
    assert np.mean([s.live_episode >= 4 for s in drawn]) == pytest.approx(0.6 * there / (there + 50), abs=0.1)
    for s in drawn:
        assert s.prompt_episode in (0, 1, 2, 3) and s.prompt_episode != s.live_episode
        assert s.prompt_episode // 2 == (s.live_episode % 4) // 2  # of the same goal


def test_a_prompt_is_the_whole_episode(packed: PackedTask, demonstrations: list[Episode]) -> None:
    prompt = packed.prompt(2)
    (segment,) = prompt.segments
    assert (prompt.goal, prompt.seed, len(prompt)) == (demonstrations[2].goal, 0, len(demonstrations[2]))
    for key, values in demonstrations[2].observations.items():
        np.testing.assert_array_equal(segment.observations[key], values[:-1])


def test_seeds_beyond_training_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match="99990, of 48 episodes; give 0 to 99952"):
        dagger("*", seed=99_990, episodes=48, root=tmp_path)


def test_without_demonstrations_there_is_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="collect"):
        dagger("toy/*", root=tmp_path)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"worlds": 0}, "worlds is 0; give 1"),
        ({"expert_share": 1.5}, "expert_share is 1.5; give 0 to 1"),
        ({"switch_interval": (9, 9)}, "switch_interval"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValueError, match=message):
        DaggerSettings(**settings)
