"""Checkpoint folders: what is saved comes back, what is damaged is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, from_pretrained, preset, read_config, save_pretrained
from playground.model.checkpoint import copy_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_pretrained(GeneralistModel(preset("tiny")), tmp_path / "new" / "checkpoint", {"steps": 7})
    return tmp_path / "new" / "checkpoint"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_round_trip(folder: Path, tmp_path: Path):
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert read_config(folder) == (preset("tiny"), {"steps": 7})
    model = from_pretrained(folder)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert all(
        t.dtype == torch.float32 and torch.equal(t, weights(folder)[n].float()) for n, t in model.state_dict().items()
    )
    save_pretrained(model, tmp_path / "exact", dtype=torch.float32)
    again = from_pretrained(tmp_path / "exact")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_missing_files_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(BadFileError, match=r"no checkpoint at .*nowhere.*config\.json is missing"):
        from_pretrained(tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadFileError, match=r"model\.safetensors is missing"):
        from_pretrained(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_refused(folder: Path, keep: int):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFileError, match="truncated"):
        from_pretrained(folder)


def test_foreign_weights_are_refused(folder: Path):
    tensors = weights(folder)
    for foreign in (
        {name: t for name, t in tensors.items() if name != "decoder.head.bias"},
        tensors | {"decoder.head.bias": torch.zeros(3)},
        tensors | {"another": torch.zeros(3)},
        {"weight": torch.zeros(3)},
    ):
        save_file(foreign, folder / "model.safetensors")
        with pytest.raises(BadFileError, match="does not fit"):
            from_pretrained(folder)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_numbers_gone_wrong_are_refused(folder: Path, value: float):
    tensors = weights(folder)
    tensors["trunk.norm.weight"][3] = value
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(BadFileError, match="NaN or infinity"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 2, "width": "wide"}', '{"format": 2, "width": 1e999}']
)
def test_broken_configurations_are_refused(folder: Path, text: str):
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadFileError):
        from_pretrained(folder)


def test_a_model_gone_wrong_overwrites_nothing(folder: Path):
    """A run that diverged must not replace the last good checkpoint."""
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    model = GeneralistModel(preset("tiny"))
    with torch.no_grad():
        model.decoder.head.weight[0, 0] = torch.nan
    with pytest.raises(BadValueError, match=r"decoder\.head\.weight is NaN"):
        save_pretrained(model, folder)
    with torch.no_grad():
        model.decoder.head.weight[0, 0] = 1e6  # beyond float16
    with pytest.raises(BadValueError, match=r"decoder\.head\.weight is NaN"):
        save_pretrained(model, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_an_interrupted_save_leaves_the_old_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("playground.model.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="no space"):
        save_pretrained(GeneralistModel(preset("tiny")), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_copy_has_weights_but_no_scores_and_never_replaces_another(folder, tmp_path):
    for name in ("evaluation.json", "README.md", "detector.safetensors"):
        (folder / name).write_text("{}", encoding="utf-8")
    copy_checkpoint(folder, tmp_path / "copy")
    assert sorted(file.name for file in (tmp_path / "copy").iterdir()) == [
        "config.json",
        "detector.safetensors",
        "model.safetensors",
    ]
    for out in (folder, tmp_path / "copy"):
        with pytest.raises(BadValueError, match="give a new folder as --out"):
            copy_checkpoint(folder, out)
