"""Training from nothing: players play, the experts label, a scheduler decides, and any kill costs only what ran."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from playground.demonstrations.packed import PackedTask, shard_folders, write_shard
from playground.domains import task
from playground.episode import Episode
from playground.errors import BadFileError, BadValueError
from playground.model import read_config
from playground.training.dataset import Chained
from playground.training.players import KINDS, Order, PlayerSettings, play
from playground.training.recipe import Recipe, recipe
from playground.training.store import Store, StoreSettings
from playground.training.train import train
from tests.conftest import OTHER, TASK

pytestmark = pytest.mark.slow

SETTINGS = PlayerSettings(
    first_demonstrations=4, shard_demonstrations=4, worlds=2, first_tasks=2, refresh_seconds=0.0, context_growth=0.5
)


@pytest.fixture(scope="module")
def few() -> Recipe:
    """Twelve steps on two BabyAI levels with hidden goals."""
    return replace(recipe("debug"), tasks=(TASK, OTHER), steps=12, players=SETTINGS)


@pytest.fixture(scope="module")
def run(few: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    return train(few, out, workers=0)


@pytest.mark.slow
def test_a_run_from_nothing_leaves_a_checkpoint_and_its_store(run: Path) -> None:
    training = read_config(run)[1]
    assert training["steps"] == 12 and training["tasks"] == sorted((TASK, OTHER))
    assert training["goals_held_out"] == [TASK]  # the one that is a goal family
    kinds = {folder.name[9:] for id in (TASK, OTHER) for folder in shard_folders(run / "store", id)}
    assert "demonstrations" in kinds and kinds <= set(KINDS) and len(kinds) > 1
    last = json.loads((run / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {"loss/grid", "score/own", "score/swapped"} <= last.keys()
    assert all(PackedTask.open(run / "store", id).demonstrations.size >= 4 for id in (TASK, OTHER))


@pytest.mark.slow
def test_the_same_command_goes_on(run: Path, few: Recipe) -> None:
    before = {folder for id in (TASK, OTHER) for folder in shard_folders(run / "store", id)}
    known = json.loads((run / "scheduler.json").read_text(encoding="utf-8"))["estimates"]
    train(replace(few, steps=16), run, workers=0)
    assert read_config(run)[1]["steps"] == 16
    after = {folder for id in (TASK, OTHER) for folder in shard_folders(run / "store", id)}
    assert before < after
    later = json.loads((run / "scheduler.json").read_text(encoding="utf-8"))["estimates"]
    assert all(later[arm][3] >= episodes for arm, (_, _, _, episodes) in known.items())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_order(kind: str, run: Path, tmp_path: Path) -> None:
    order = Order(TASK, kind, 7, run / "store", run, 12, (TASK, OTHER), SETTINGS)
    report = play(order)
    if report.episodes:
        shard = PackedTask.open(run / "store", TASK)
        assert order.folder in shard_folders(run / "store", TASK) and len(shard)
    scored = kind in ("agent", "no_prompt")
    assert (len(report.scores) == SETTINGS.worlds) if scored else kind == "swapped" or not report.scores


def test_the_oldest_corrections_leave_and_demonstrations_stay(run: Path, few: Recipe, tmp_path: Path) -> None:
    source = PackedTask.open(run / "store", OTHER)
    store = Store(tmp_path, [OTHER], few.config, StoreSettings(demonstration_steps=10, correction_steps=40))
    episodes = _episodes(source)
    for number in range(6):
        folder = tmp_path / OTHER / f"{number:08d}-{'demonstrations' if number < 2 else 'agent'}"
        write_shard(folder, episodes, True, 4, is_demonstration=number < 2)
        store.add(OTHER, folder)
    left = [folder.name for folder in shard_folders(tmp_path, OTHER)]
    assert left[:2] == ["00000000-demonstrations", "00000001-demonstrations"] and left[-1] == "00000005-agent"
    assert "00000002-agent" not in left and store.is_full(OTHER)
    again = Store(tmp_path, [OTHER], few.config)
    again.scan()
    assert len(again.data()[0].start) == len(store.data()[0].start)


def test_a_held_out_goal_never_comes_in(few: Recipe, run: Path, tmp_path: Path) -> None:
    from playground.domains import families
    from playground.domains.goals import EXTRAPOLATED, INTERPOLATED

    family = families()[TASK]
    store = Store(tmp_path, [TASK], few.config)
    for part in (INTERPOLATED, EXTRAPOLATED):
        goal = family.draw(part, np.random.default_rng(0))
        episodes = [replace(episode, goal=goal) for episode in _episodes(PackedTask.open(run / "store", TASK))]
        folder = tmp_path / TASK / f"00000000-{part}"
        write_shard(folder, episodes, True, 4)
        with pytest.raises(BadFileError, match="held out of training"):
            store.add(TASK, folder)
    assert not store.data()


def test_players_play_for_one_device(few: Recipe, tmp_path: Path) -> None:
    several = replace(few, hardware=replace(few.hardware, devices=2))
    with pytest.raises(BadValueError, match="one device"):
        train(several, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_arrays_in_a_chain_are_one_array() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.integers(9, size=(n, 2)) for n in (3, 1, 5)]
    whole, chain = np.concatenate(parts), Chained(parts)
    assert chain.shape == whole.shape and len(chain) == 9
    for _ in range(50):
        index = rng.integers(9, size=rng.integers(0, 12))
        assert np.array_equal(chain[index], whole[index])


def test_impossible_settings_are_refused() -> None:
    for wrong in ({"shares": {"dance": 1.0}}, {"worlds": 0}, {"lead_share": 2.0}, {"refresh_seconds": -1.0}):
        with pytest.raises(BadValueError, match=next(iter(wrong))):
            PlayerSettings(**wrong)


def _episodes(packed: PackedTask) -> list[Episode]:
    from playground.collecting.experts import expert_episode

    found = task(packed.task)
    env = found.make(64)
    return [expert_episode(found, env, found.make_expert(env), seed) for seed in range(4)]
