"""Master weights and the two optimisers."""

from dataclasses import replace

import pytest
import torch

from playground.errors import BadValueError
from playground.model import GeneralistModel, preset
from playground.training.optimizer import MasterWeights, Optimization
from tests.training.tiny import NO_DECAY


def test_masters_keep_what_bfloat16_loses() -> None:
    model = GeneralistModel(preset("tiny")).bfloat16()
    masters = MasterWeights(model, replace(NO_DECAY, clip=1e9))
    before = masters.weights.clone()
    for step in range(10):
        masters.update(torch.ones_like(masters.weights), 1e-6, step)
    inner = sum(p.numel() for name, p in model.named_parameters() if name.startswith("trunk.") and p.ndim == 2)
    moved = (before - masters.weights)[inner:].mean().item()
    assert moved == pytest.approx(1e-5, rel=0.05)  # ten steps, each below bfloat16's resolution of most weights
    assert masters.update(torch.full_like(masters.weights, float("nan")), 1.0, 10) != 0
    assert torch.isfinite(masters.weights).all()


def test_the_trunks_matrices_move_in_every_direction_alike() -> None:
    model = GeneralistModel(preset("tiny"))
    masters = MasterWeights(model, replace(NO_DECAY, clip=1e9))
    weight = model.trunk.blocks[0].attention.qkv.weight
    before = weight.detach().clone()
    torch.manual_seed(0)
    gradient = torch.cat([torch.randn(p.numel()) * torch.linspace(1e-3, 1, p.numel()) for p in masters.parameters])
    masters.update(gradient, 1e-2, 0)
    width = weight.shape[1]
    for moved in (weight - before).detach().split(width):  # queries, keys, values
        length = torch.linalg.svdvals(moved) / (1e-2 * 0.2 * width**0.5)
        assert length.median() > 0.6 and length.max() < 1.5  # what the Newton-Schulz iteration leaves


def test_impossible_settings_are_refused() -> None:
    for name, value in (("learning_rate", 0.0), ("warmup", 0), ("ema", 1.5), ("clip", float("nan"))):
        with pytest.raises(BadValueError, match=f"optimization.{name} is"):
            replace(Optimization(), **{name: value})  # type: ignore[arg-type]
