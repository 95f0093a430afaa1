"""The short way for one row computes what the model computes, and steps aside where somebody watches."""

import numpy as np
import pytest
import torch

from playground.model import GeneralistModel, Stepper, Steps, preset, tap
from playground.model.stepping import twice_gelu

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model() -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(preset("tiny")).eval().requires_grad_(False)


def test_observations_are_embedded_alike(model: GeneralistModel):
    noise = torch.Generator().manual_seed(0)
    values = torch.randint(2048, (6,), generator=noise)
    grid = torch.randint(20, (5, 7, 2), generator=noise)
    image = torch.randint(256, (32, 48, 3), generator=noise).to(torch.uint8)
    text = torch.randint(1, 300, (4,), generator=noise)
    stepper = Stepper(model)
    for parts in ({}, {"grid": grid}, {"image": image}, {"text": text}, {"text": text, "grid": grid, "image": image}):
        steps = Steps(
            values=values[None, None],
            actions=torch.full((1, 1, 3), -1),
            discrete=torch.zeros(1, 1, dtype=torch.bool),
            show_observation=torch.ones(1, 1, dtype=torch.bool),
            show_action=torch.zeros(1, 1, dtype=torch.bool),
            text=text[None] if "text" in parts else None,
            text_index=torch.zeros(1, 1, dtype=torch.int64) if "text" in parts else None,
            **{name: part[None, None] for name, part in parts.items() if name != "text"},
        )
        given = {name: stepper.read_text(part) if name == "text" else part for name, part in parts.items()}
        torch.testing.assert_close(stepper.embed(values, **given), model.embed(steps)[0, 0, 0], atol=TOLERANCE, rtol=0)


def test_positions_are_read_alike(model: GeneralistModel):
    """In a row behind others of different lengths, and beyond the positions that are tabulated."""
    noise, stepper = torch.Generator().manual_seed(0), Stepper(model)
    for held in (0, 5, 300):
        caches = [model.new_cache(3, held + 1) for _ in range(2)]
        past, new = torch.randn(1, max(held, 1), 32, generator=noise), torch.randn(32, generator=noise)
        for cache in caches:
            model.trunk(past, cache, torch.tensor([1]))
            cache.length[1] = held
        expected = model.trunk(new[None, None], caches[0], torch.tensor([1]))[0, 0]
        torch.testing.assert_close(stepper.read(new, caches[1], 1), expected, atol=TOLERANCE, rtol=0)
        for one, other in zip((*caches[0].keys, *caches[0].values), (*caches[1].keys, *caches[1].values), strict=True):
            torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("discrete", [False, True])
def test_actions_are_decoded_alike(model: GeneralistModel, discrete: bool, scale: float):
    """Flat distributions, and peaked ones."""
    noise, stepper = torch.Generator().manual_seed(0), Stepper(model)
    for _ in range(20):
        h = scale * torch.randn(32, generator=noise)
        expected = [part[0].numpy() for part in model.decode(h[None, None], discrete, 5)]
        for found, wanted in zip(stepper.decode(h, discrete, 5), expected, strict=True):
            assert found.shape == wanted.shape and found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_twice_gelu_is_exact():
    x = torch.linspace(-9, 9, 1000)
    torch.testing.assert_close(twice_gelu(x) / 2, torch.nn.functional.gelu(x), atol=1e-6, rtol=1e-5)


def test_it_steps_aside_for_taps(model: GeneralistModel):
    stepper = Stepper(model)
    assert not stepper.watched
    with tap(model, "trunk.blocks.1.attention"):
        assert stepper.watched
    assert not stepper.watched
    assert not Stepper.fits(GeneralistModel(preset("tiny")).to(torch.bfloat16))
