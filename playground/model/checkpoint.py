"""Checkpoint folders: config.json + model.safetensors, nothing else needed and nothing that can run code."""

import json
import math
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from playground import assets
from playground.errors import DAMAGED, BadFileError, BadValueError
from playground.files import atomic_write, check_folder_target
from playground.model.config import ModelConfig
from playground.model.generalist import GeneralistModel

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


def save_pretrained(
    model: GeneralistModel,
    folder: str | Path,
    training: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes a checkpoint folder; each file replaces the old one only when it is complete.

    Args:
        model: what to save.
        folder: made if it is missing.
        training: what to remember about the training, kept under "training" in config.json.
        dtype: how weights are stored.

    Raises:
        BadValueError: a weight is NaN or infinite as `dtype`; nothing is written.
    """
    folder = Path(folder)
    tensors = {name: t.detach().to("cpu", dtype).contiguous() for name, t in model.state_dict().items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise BadValueError(f"tensor {name} is NaN or infinite as {dtype}; {folder} is left as it was")
    with atomic_write(folder / CONFIG) as config, atomic_write(folder / WEIGHTS) as weights:
        save_file(tensors, weights, metadata={"format": "pt"})
        text = json.dumps({**model.config.to_json(), "training": training or {}}, indent=2) + "\n"
        config.write_text(text, encoding="utf-8")


def read_config(folder: str | Path) -> tuple[ModelConfig, dict[str, Any]]:
    """Reads a checkpoint's configuration and what it says of its training.

    Raises:
        BadFileError: the folder or config.json is missing or unreadable.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise BadFileError(f"no checkpoint at {folder}: {CONFIG} is missing; give a folder with it and {WEIGHTS}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        training = data.pop("training", {})
    except DAMAGED as error:
        raise BadFileError(f"{path} is no JSON object ({error}); restore the file") from error
    _check_training(training, path)
    return ModelConfig.from_json(data), training


def _check_training(training: Any, path: Path) -> None:
    """Refuses a record of the training that its readers could not read."""
    if not isinstance(training, dict):
        raise BadFileError(f"{path}: training is {training!r:.40}; it is an object")
    if not isinstance(training.get("recipe", {}), dict):
        raise BadFileError(f"{path}: training.recipe is {training['recipe']!r:.40}; it is an object")
    for name in ("tasks", "goals_held_out"):
        names = training.get(name, [])
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise BadFileError(f"{path}: training.{name} is {names!r:.40}; it is a list of names")
    for name in ("steps", "minutes"):
        amount = training.get(name, 0)
        if not isinstance(amount, int | float) or isinstance(amount, bool) or not 0 <= amount < math.inf:
            raise BadFileError(f"{path}: training.{name} is {amount!r:.40}; it is a number from 0 on")


def from_pretrained(folder: str | Path, dtype: torch.dtype = torch.float32) -> GeneralistModel:
    """Loads a checkpoint folder, ready to act.

    Raises:
        BadFileError: a file is missing, truncated, or does not fit the configuration.
    """
    config, _ = read_config(folder)
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise BadFileError(f"no checkpoint at {folder}: {WEIGHTS} is missing; give a folder with both files")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadFileError(f"{path} is truncated or no safetensors file ({error}); restore the file") from error
    with torch.device("meta"):
        model = GeneralistModel(config)
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[0]
        raise BadFileError(
            f"{path} does not fit {CONFIG}: tensor {wrong[0]} {list(wrong[1])}; use the files of one folder"
        )
    if not all(torch.isfinite(t).all() for t in tensors.values()):
        raise BadFileError(f"{path} holds NaN or infinity; restore the file")
    model.load_state_dict({name: t.to(dtype) for name, t in tensors.items()}, assign=True)
    for module in model.modules():
        # In this order in memory, products with few rows take two thirds of the time on a CPU, or half.
        if isinstance(module, nn.Linear):
            module.weight.data = module.weight.data.T.contiguous().T
        elif isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return model.eval().requires_grad_(False)


def load_model(checkpoint: str | Path | None = None) -> GeneralistModel:
    """Returns the model of a checkpoint folder, ready to act; everybody who asks for the same folder shares it.

    Args:
        checkpoint: checkpoint folder; None takes the shipped one. It is read again when its weights have changed.

    Raises:
        BadFileError: a file is missing, truncated, or does not fit the configuration.
    """
    folder = assets.ASSETS / "checkpoint" if checkpoint is None else Path(checkpoint)
    weights = folder / WEIGHTS
    return _load(folder.resolve(), weights.stat().st_mtime_ns if weights.is_file() else 0)


@lru_cache(maxsize=2)
def _load(folder: Path, changed_ns: int) -> GeneralistModel:
    return from_pretrained(folder)


def check_new(out: str | Path) -> None:
    """Checks that a folder can take a new checkpoint.

    Raises:
        BadValueError: it holds a checkpoint already, or cannot be written.
    """
    check_folder_target(Path(out))
    if Path(out, CONFIG).exists():
        raise BadValueError(f"{out} holds a checkpoint, which is never changed in place; give a new folder as --out")


def copy_checkpoint(folder: str | Path, out: str | Path) -> None:
    """Copies a checkpoint's configuration, weights and detector, but not its scores, which are not those of the copy.

    Raises:
        BadFileError: there is no checkpoint in `folder`.
        BadValueError: there is one in `out`.
    """
    read_config(folder)
    check_new(out)
    Path(out).mkdir(parents=True, exist_ok=True)
    for file in (
        *Path(folder).glob("*.safetensors"),
        Path(folder, CONFIG),
    ):  # config.json last: it says that all is there
        shutil.copyfile(file, Path(out, file.name))
