"""Checkpoints between two others."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, from_pretrained, preset, read_config, save_pretrained
from playground.training.averaging import average

TRAINED = (
    {"tasks": ["toy/a"], "steps": 10, "minutes": 1.0, "goals_held_out": ["toy/a"]},
    {"tasks": ["toy/b"], "steps": 30, "minutes": 2.0, "goals_held_out": ["toy/a", "toy/b"]},
)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    for seed, training in enumerate(TRAINED):
        torch.manual_seed(seed)
        save_pretrained(GeneralistModel(preset("tiny")), tmp_path / str(seed), training)
    return [tmp_path / "0", tmp_path / "1"]


def test_weights_lie_between_and_what_either_saw_is_remembered(folders: list[Path], tmp_path: Path) -> None:
    found = from_pretrained(average(folders[0], folders[1], 0.25, tmp_path / "between")).state_dict()
    old, new = (from_pretrained(folder).state_dict() for folder in folders)
    for name, weight in found.items():
        torch.testing.assert_close(weight, (0.75 * old[name] + 0.25 * new[name]).half().float())
    training = read_config(tmp_path / "between")[1]
    assert training["tasks"] == ["toy/a", "toy/b"] and training["goals_held_out"] == ["toy/a"]
    assert training["steps"] == 30 and training["averaged"] == {"share": 0.25, "with": {"steps": 10, "minutes": 1.0}}


@pytest.mark.parametrize(("share", "which"), [(0.0, 0), (1.0, 1)])
def test_the_ends_are_the_checkpoints_themselves(folders: list[Path], tmp_path: Path, share: float, which: int) -> None:
    average(folders[0], folders[1], share, tmp_path / "end")
    assert (tmp_path / "end/model.safetensors").read_bytes() == (folders[which] / "model.safetensors").read_bytes()


def test_what_cannot_be_averaged(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match="give a new folder as --out"):
        average(folders[0], folders[1], 0.5, folders[0])
    with pytest.raises(BadValueError, match=r"share is 1\.5"):
        average(folders[0], folders[1], 1.5, tmp_path / "out")
    save_pretrained(GeneralistModel(replace(preset("tiny"), hidden=32)), tmp_path / "other", {})
    with pytest.raises(BadValueError, match="different sizes"):
        average(folders[0], tmp_path / "other", 0.5, tmp_path / "out")
    with pytest.raises(BadFileError, match="no checkpoint"):
        average(folders[0], tmp_path / "none", 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
