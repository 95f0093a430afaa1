import json

import numpy as np
import pytest

from playground.collecting.experts import expert_episode
from playground.demonstrations import files
from playground.demonstrations.files import load_episodes, save_episodes
from playground.errors import BadFileError, BadValueError
from tests.toy import toy_task


def record(discrete=False, seeds=(1, 2, 3)):
    task = toy_task(discrete)
    env = task.make(64)
    return env, [expert_episode(task, env, task.make_expert(env), seed) for seed in seeds]


@pytest.fixture
def saved(tmp_path):
    env, episodes = record()
    return save_episodes(episodes, tmp_path / "mine" / "points-v0", env.observation_space, env.action_space)


@pytest.mark.parametrize("discrete", [False, True])
def test_saving_and_loading_are_inverse(tmp_path, discrete):
    env, episodes = record(discrete)
    path = save_episodes(episodes, tmp_path / "mine" / "points-v0", env.observation_space, env.action_space)
    loaded = load_episodes(path)
    assert len(loaded) == len(episodes)
    for a, b in zip(episodes, loaded, strict=True):
        assert (a.task, a.goal, a.seed, a.success) == (b.task, b.goal, b.seed, b.success)
        assert (a.terminated, a.truncated) == (b.terminated, b.truncated)
        assert a.observations.keys() == b.observations.keys()
        pairs = [(a.actions, b.actions), (a.rewards, b.rewards)]
        pairs += [(a.observations[key], b.observations[key]) for key in a.observations]
        for x, y in pairs:
            assert x.dtype == y.dtype and np.array_equal(x, y)


def test_minari_itself_reads_it(saved, monkeypatch):
    import minari

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(saved.parent.parent))
    dataset = minari.load_dataset("mine/points-v0")
    assert dataset.total_episodes == 3 and list(minari.list_local_datasets()) == ["mine/points-v0"]
    assert dataset[0].observations["state"].shape == (len(dataset[0].actions) + 1, 2)


def broken(path, what):
    part = next((path / "data" / "1").glob("*.parquet"))
    metadata = path / "data" / "metadata.json"
    values = json.loads(metadata.read_text(encoding="utf-8"))
    if what == "truncated":
        part.write_bytes(part.read_bytes()[:-100])
    elif what == "missing":
        part.unlink()
    elif what == "empty":
        part.write_bytes(b"")
    elif what == "json":
        metadata.write_text("{", encoding="utf-8")
    elif what == "steps":
        metadata.write_text(json.dumps(values | {"total_steps": 5}), encoding="utf-8")
    elif what == "many":
        metadata.write_text(json.dumps(values | {"total_steps": 10**12}), encoding="utf-8")
    elif what == "space":
        metadata.write_text(json.dumps(values | {"action_space": '{"type": "Nonsense"}'}), encoding="utf-8")
    elif what == "environment":
        del values["action_space"]
        metadata.write_text(json.dumps(values | {"env_spec": "{}"}), encoding="utf-8")
    elif what == "foreign":
        del values["task"]
        metadata.write_text(json.dumps(values), encoding="utf-8")
    elif what == "detail":
        (path / "data" / "1" / "metadata.json").write_text("[]", encoding="utf-8")


@pytest.mark.parametrize(
    "what",
    ["truncated", "missing", "empty", "json", "steps", "many", "space", "environment", "foreign", "detail"],
)
def test_a_broken_dataset_is_named(saved, what):
    broken(saved, what)
    with pytest.raises(BadFileError, match="points-v0"):
        load_episodes(saved)


def test_a_small_file_with_very_many_numbers(saved, monkeypatch):
    monkeypatch.setattr(files, "MAX_NUMBERS", 500)
    with pytest.raises(BadFileError, match="more than 500 numbers"):
        load_episodes(saved)


def test_a_folder_without_dataset(tmp_path):
    with pytest.raises(BadFileError, match="no Minari dataset"):
        load_episodes(tmp_path)


def test_what_cannot_be_saved(saved):
    env, episodes = record()
    with pytest.raises(BadValueError, match="exists already"):
        save_episodes(episodes, saved, env.observation_space, env.action_space)
    with pytest.raises(BadValueError, match="version"):
        save_episodes(episodes, saved.parent / "points", env.observation_space, env.action_space)
    discrete, _ = record(discrete=True)
    with pytest.raises(BadValueError, match="actions"):
        save_episodes(episodes, saved.parent / "more-v0", discrete.observation_space, discrete.action_space)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["points-v0"]
