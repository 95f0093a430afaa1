import json

import numpy as np
import pytest

from playground.collecting.experts import expert_episode
from playground.demonstrations.packed import PackedTask, goal_id, pack, packed_tasks, planned_episodes, write_shard
from playground.errors import BadFileError
from tests.toy import toy_task


def episodes(seeds):
    task = toy_task()
    env = task.make(64)
    return [expert_episode(task, env, task.make_expert(env), seed) for seed in seeds]


@pytest.fixture
def packed(tmp_path):
    groups = episodes(range(3)), episodes(range(3, 5))
    for number, group in enumerate(groups):
        write_shard(tmp_path / "toy" / "point" / f"{number:06d}", group, grouped=True, planned=4)
    return tmp_path, groups[0] + groups[1]


def test_arrays_and_table_hold_every_episode(packed):
    root, written = packed
    opened = PackedTask.open(root, "toy/point")
    arrays = opened.arrays()
    assert len(opened) == len(written) and packed_tasks(root) == ["toy/point"]
    assert opened.timesteps == sum(map(len, written)) == len(arrays["actions"])
    for row, episode, mission in zip(opened.episodes, written, opened.texts["mission"], strict=True):
        where = slice(row["start"], row["start"] + row["length"])
        assert np.array_equal(arrays["actions"][where], episode.actions)
        for key in ("state", "grid", "direction"):
            assert np.array_equal(arrays[key][where], episode.observations[key][:-1])
            assert arrays[key].dtype == episode.observations[key].dtype
        assert mission == "reach the goal"
        assert opened.goals[row["goal"]] == episode.goal
        assert (row["seed"], row["success"]) == (episode.seed, episode.success)
        assert row["total_reward"] == pytest.approx(episode.total_reward, rel=1e-6)


def test_shards_in_memory_are_those_on_disk(packed):
    root, written = packed
    memory = PackedTask("toy/point", (pack(written[:3], grouped=True), pack(written[3:], grouped=True)))
    opened = PackedTask.open(root, "toy/point")
    assert np.array_equal(memory.episodes, opened.episodes) and memory.goals == opened.goals
    assert all(np.array_equal(values, opened.arrays()[key]) for key, values in memory.arrays().items())
    assert memory.texts["mission"].tolist() == opened.texts["mission"].tolist()


def test_equal_goals_have_equal_ids_and_others_do_not():
    assert goal_id((0.1, 0.2)) == goal_id((0.1, 0.2)) != goal_id((0.1, 0.3))
    assert goal_id("go to the red ball") != goal_id("go to the red key")
    assert goal_id(None) == 0 < goal_id(())


def test_planned_is_remembered_and_nothing_unfinished_stays(packed):
    root, _ = packed
    assert planned_episodes(root / "toy/point/000000") == 4
    assert planned_episodes(root / "toy/point/000009") == 0
    assert sorted(p.name for p in (root / "toy/point").iterdir()) == ["000000", "000001"]


def broken(shard, what):
    if what == "missing":
        (shard / "actions.npy").unlink()
    elif what == "truncated":
        data = (shard / "actions.npy").read_bytes()
        (shard / "actions.npy").write_bytes(data[: len(data) // 2])
    elif what == "short":
        np.save(shard / "actions.npy", np.load(shard / "actions.npy")[:-1])
    elif what == "NaN":
        values = np.load(shard / "observations.state.npy")
        values[1, 0] = np.nan
        np.save(shard / "observations.state.npy", values)
    elif what == "version":
        meta = json.loads((shard / "meta.json").read_text(encoding="utf-8"))
        (shard / "meta.json").write_text(json.dumps(meta | {"format": 99}), encoding="utf-8")
    elif what == "form":
        np.save(shard / "actions.npy", np.load(shard / "actions.npy").astype(np.float64))
    elif what == "pickle":
        np.save(shard / "actions.npy", np.array([{}] * 9, object), allow_pickle=True)
    elif what == "texts":
        (shard / "texts.json").write_text('{"mission": ["one"]}', encoding="utf-8")
    elif what == "json":
        (shard / "meta.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("what", ["missing", "truncated", "short", "NaN", "version", "form", "pickle", "texts", "json"])
def test_a_broken_shard_is_named(packed, what):
    root, _ = packed
    broken(root / "toy/point/000001", what)
    with pytest.raises(BadFileError, match="000001"):
        PackedTask.open(root, "toy/point")


def test_no_demonstrations(tmp_path):
    with pytest.raises(BadFileError, match="playground collect toy/point"):
        PackedTask.open(tmp_path, "toy/point")
