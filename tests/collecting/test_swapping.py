"""DAgger with swapped prompts, on real worlds with an untrained agent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from playground import domains
from playground.collecting.corrections import DaggerSettings
from playground.collecting.dagger import dagger
from playground.collecting.experts import expert_episode
from playground.collecting.swapping import Pair, corrected_swaps
from playground.demonstrations.packed import PackedTask, write_shard
from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, preset, save_pretrained

SEED = 900_000
TASKS = ("metaworld/reach", "metaworld/push")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three demonstrations of either task."""
    root = tmp_path_factory.mktemp("packed")
    for id in TASKS:
        task = domains.task(id)
        env = task.make(64)
        episodes = [expert_episode(task, env, task.make_expert(env), seed=s, max_steps=150) for s in range(3)]
        env.close()
        write_shard(root / id / "000000", episodes, task.hidden_goal, 3)
    return root


@pytest.fixture(scope="module")
def model() -> GeneralistModel:
    torch.manual_seed(2)
    return GeneralistModel(replace(preset("tiny"), max_live=32)).eval()


@pytest.mark.slow
def test_second_part_is_the_agents_and_labelled_by_the_second_expert(root, model) -> None:
    reach, push = (PackedTask.open(root, id) for id in TASKS)
    pair = Pair.make(reach, push)
    settings = DaggerSettings(swap_expert_share=1.0, expert_share=0.0)
    found = corrected_swaps([pair], model, SEED, settings)
    assert found
    moves = []
    for takeover in found:
        episode = takeover.episode
        assert episode.task == TASKS[1] and 0 < takeover.loss_start < len(episode)
        assert (
            episode.success and len(episode) - takeover.loss_start > settings.swap_agent_steps
        )  # then the expert pushes the puck
        hand = episode.observations["state"][: takeover.loss_start, 0]
        moves.append(np.stack([np.diff(hand), episode.actions[: len(hand) - 1, 0]]))
    assert np.corrcoef(np.concatenate(moves, axis=1))[0, 1] > 0.5  # the first expert moved the hand
    pair.close()


@pytest.mark.slow
def test_expert_acts_when_it_is_its_turn(root, model) -> None:
    reach, push = (PackedTask.open(root, id) for id in TASKS)
    pair = Pair.make(reach, push)
    settings = DaggerSettings(swap_expert_share=1.0, expert_share=1.0, switch_interval=(2, 3))
    found = corrected_swaps([pair], model, SEED, settings)
    assert found and all(takeover.episode.success for takeover in found)
    pair.close()


@pytest.mark.slow
def test_command_writes_what_is_never_a_prompt(root, model, tmp_path) -> None:
    save_pretrained(model, tmp_path, {})
    dagger(TASKS[1], tmp_path, 16, 0, root, workers=1, swaps=True)
    (shard,) = (root / TASKS[1]).glob("swapped-*")
    packed = PackedTask.open(root, TASKS[1])
    assert packed.is_demonstration.tolist()[:3] == [True] * 3 and not packed.is_demonstration[3:].any()
    assert (packed.episodes["loss_start"][3:] > 0).all() and shard.name == f"swapped-{SEED}"


def test_what_cannot_be_swapped(root) -> None:
    with pytest.raises(BadValueError, match="checkpoint"):
        dagger("*", "random", root=root, swaps=True)
    with pytest.raises(BadFileError, match="collect"):
        dagger("metaworld/hammer", None, root=root, swaps=True)
