"""Datasets that Minari's own collector made become recordings, where the spaces are a task's."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from typer.testing import CliRunner

from playground.cli import app
from playground.demonstrations import find_prompt, load_episodes, recordings
from playground.demonstrations.importing import import_dataset
from playground.errors import BadFileError, BadValueError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")


@pytest.fixture
def cartpole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Three episodes of CartPole-v1, as Minari writes them, below Minari's own folder."""
    from minari import create_dataset_from_buffers
    from minari.data_collector.episode_buffer import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("PLAYGROUND_RECORDINGS", str(tmp_path / "recordings"))
    env = gym.make("CartPole-v1")
    buffers = []
    for seed in range(3):
        steps: list[tuple[Any, ...]] = [(env.reset(seed=seed)[0], 0.0, False, False)]
        while not any(steps[-1][2:]):
            steps.append(env.step(seed % 2)[:4])
        observations, rewards, terminated, truncated = map(list, zip(*steps, strict=True))
        actions = [seed % 2] * (len(steps) - 1)
        buffers.append(
            EpisodeBuffer(None, seed, None, observations, actions, rewards[1:], terminated[1:], truncated[1:])
        )
    kind = getattr(request, "param", "parquet")
    create_dataset_from_buffers("cartpole/mine-v0", buffers, env, algorithm_name="constant", data_format=kind)
    env.close()
    return tmp_path / "minari" / "cartpole" / "mine-v0"


@pytest.mark.parametrize("cartpole", ["parquet", "arrow", "hdf5"], indirect=True)
def test_a_collected_dataset_becomes_recordings(cartpole: Path) -> None:
    result = CliRunner().invoke(app, ["import", "cartpole/mine-v0", "--task", "classic/CartPole"])
    assert result.exit_code == 0, result.output
    assert recordings() == dict.fromkeys(("my-CartPole-1", "my-CartPole-2", "my-CartPole-3"), "classic/CartPole")
    prompt = find_prompt("my-CartPole-2")
    assert prompt is not None and prompt.task == "classic/CartPole" and 5 < len(prompt) < 15
    assert prompt.segments[0].actions.tolist() == [1] * len(prompt)


def test_a_folder_and_a_part_of_it(cartpole: Path) -> None:
    found = list(import_dataset(str(cartpole), "classic/CartPole", episodes=1))
    assert len(found) == 1 and load_episodes(found[0])[0].seed == 0


def test_other_spaces_are_named(cartpole: Path) -> None:
    for task, difference in {
        "classic/Acrobot": "'action' is one of 2, and one of 3",
        "metaworld/reach": "'action' is one of 2, and float",
        "babyai/GoToLocal": "one array|observations are one",
    }.items():
        with pytest.raises(BadValueError, match=difference):
            list(import_dataset(str(cartpole), task))
    assert not recordings()


def test_what_is_no_dataset_is_refused(cartpole: Path, tmp_path: Path) -> None:
    (tmp_path / "lerobot" / "meta").mkdir(parents=True)
    (tmp_path / "lerobot" / "meta" / "info.json").write_text("{}", encoding="utf-8")
    for dataset, cause in {
        "cartpole/other-v0": "no dataset 'cartpole/other-v0'",
        str(tmp_path): r"data/metadata\.json is missing",
        str(tmp_path / "lerobot"): "LeRobot",
    }.items():
        with pytest.raises(BadFileError, match=cause):
            list(import_dataset(dataset, "classic/CartPole"))
    with pytest.raises(UnknownNameError):
        list(import_dataset(str(cartpole), "classic/NoSuch"))


def test_an_environment_that_a_file_names_is_never_built(cartpole: Path) -> None:
    file = cartpole / "data" / "metadata.json"
    metadata = json.loads(file.read_text(encoding="utf-8"))
    spec = json.loads(metadata["env_spec"]) | {"id": "Evil-v0", "entry_point": "os:system"}
    for space in ("observation_space", "action_space"):
        metadata.pop(space, None)
    file.write_text(json.dumps(metadata | {"env_spec": json.dumps(spec)}), encoding="utf-8")
    with pytest.raises(BadFileError, match="Evil-v0"):
        list(import_dataset(str(cartpole), "classic/CartPole"))
