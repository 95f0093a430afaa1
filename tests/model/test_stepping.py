"""The short way computes what the model computes, and steps aside where somebody watches."""

from typing import Any

import numpy as np
import pytest
import torch

from playground.model import GeneralistModel, Stepper, TokenBatch, kernels, preset, tap, warm_up
from playground.model.row_by_row import matrix

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=["float32", "saved as float16"])
def model(request: pytest.FixtureRequest) -> GeneralistModel:
    torch.manual_seed(0)
    model = GeneralistModel(preset("tiny")).eval().requires_grad_(False)
    return model if request.param == "float32" else model.half().float()


@pytest.mark.parametrize("N", [1, 3])
def test_observations_are_embedded_alike(model: GeneralistModel, N: int):
    noise = torch.Generator().manual_seed(0)
    values = torch.randint(2048, (N, 6), generator=noise)
    grid = torch.randint(20, (N, 5, 7, 2), generator=noise)
    image = torch.randint(256, (N, 32, 48, 3), generator=noise).to(torch.uint8)
    text = torch.randint(1, 300, (N, 4), generator=noise)
    text[0, 2:] = 0  # a shorter one
    text[-1] = 0 if N > 1 else text[-1]  # and none
    encoder: Any = model.encoder
    torch.nn.init.normal_(encoder.grid.finder.out.weight)  # nothing is found at first
    stepper = Stepper(model)
    for parts in ({}, {"grid": grid}, {"image": image}, {"text": text}, {"text": text, "grid": grid, "image": image}):
        steps = TokenBatch(
            values=values[:, None],
            actions=torch.full((N, 1, 3), -1),
            discrete=torch.zeros(N, 1, dtype=torch.bool),
            show_observation=torch.ones(N, 1, dtype=torch.bool),
            show_action=torch.zeros(N, 1, dtype=torch.bool),
            text=parts.get("text"),
            text_index=torch.arange(N)[:, None] if "text" in parts else None,
            **{name: part[:, None] for name, part in parts.items() if name != "text"},
        )
        given: dict[str, Any] = {name: part for name, part in parts.items() if name != "text"}
        if "text" in parts:
            given["texts"] = [stepper.read_text(ids[: max(1, int((ids > 0).sum()))]) for ids in text]
        expected = model.embed(steps)[:, 0, 0]
        torch.testing.assert_close(stepper.embed(values, **given), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("rows", [[1], [2, 0], [0, 1, 2]])
@pytest.mark.parametrize("held", [(0, 0, 0), (5, 5, 5), (0, 5, 2), (2, 300, 299)])
def test_positions_are_read_alike(model: GeneralistModel, rows: list[int], held: tuple[int, ...]):
    """Behind others of equal and of different lengths, and beyond the positions that are tabulated."""
    noise, stepper = torch.Generator().manual_seed(0), Stepper(model)
    caches = [model.new_cache(3, max(held) + 1) for _ in range(2)]
    past, new = torch.randn(3, max(1, *held), 32, generator=noise), torch.randn(len(rows), 32, generator=noise)
    for cache in caches:
        model.trunk(past, cache)
        cache.length[:] = torch.tensor(held)
    expected = model.trunk(new[:, None], caches[0], torch.tensor(rows))[:, 0]
    torch.testing.assert_close(stepper.read(new, caches[1], rows), expected, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(caches[0].kv, caches[1].kv, atol=TOLERANCE, rtol=0)
    assert caches[1].length.tolist() == list(held)


@pytest.mark.parametrize("N", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("discrete", [False, True])
def test_actions_are_decoded_alike(model: GeneralistModel, discrete: bool, scale: float, N: int):
    """Flat distributions, and peaked ones."""
    noise, stepper = torch.Generator().manual_seed(0), Stepper(model)
    for _ in range(20):
        h = scale * torch.randn(N, 32, generator=noise)
        expected = [part.numpy() for part in model.decode(h[:, None], discrete, 5)]
        for found, wanted in zip(stepper.decode(h, discrete, 5), expected, strict=True):
            assert found.shape == wanted.shape and found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_matrices_are_halved_where_that_loses_nothing():
    short, long, large = torch.tensor([[0.5, -1e-7]]).half().float(), torch.tensor([[0.1]]), torch.tensor([[1e5]])
    assert matrix(short).dtype == np.uint16 and matrix(short).shape == (1, 2)
    assert matrix(long).dtype == matrix(large).dtype == np.float32


def test_nothing_is_left_to_compile_after_the_warm_up(model: GeneralistModel):
    def compiled() -> list[int]:
        return [len(loop.signatures) for loop in (kernels.embed_scalars, kernels.read, kernels.decode)]

    warm_up(model)
    before, stepper, cache = compiled(), Stepper(model), model.new_cache(2, 3)
    x = stepper.embed(torch.tensor([[1500, 7]]))
    for discrete in (False, True):
        stepper.decode(stepper.read(x, cache, [1]), discrete, 3)
    assert compiled() == before and min(before) > 0


def test_it_steps_aside_for_taps(model: GeneralistModel):
    stepper = Stepper(model)
    assert not stepper.watched
    with tap(model, "trunk.blocks.1.attention"):
        assert stepper.watched
    assert not stepper.watched
    assert not Stepper.fits(GeneralistModel(preset("tiny")).to(torch.bfloat16))
