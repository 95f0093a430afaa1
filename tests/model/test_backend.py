"""The compiled backend computes what the modules compute, and steps aside where somebody watches them."""

import gc
import logging
import weakref
from typing import Any

import numpy as np
import pytest
import torch

from playground.model import GeneralistModel, TokenBatch, choose_backend, encoder_kernels, kernels, preset, warm_up
from playground.model.backend import TorchBackend
from playground.model.compiled import FEW, CompiledBackend, half

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=["float32", "saved as float16"])
def model(request: pytest.FixtureRequest) -> GeneralistModel:
    torch.manual_seed(0)
    model = GeneralistModel(preset("tiny")).eval().requires_grad_(False)
    encoder: Any = model.encoder
    torch.nn.init.normal_(encoder.grid.word_attention.out.weight)  # which begins as zeros
    return model if request.param == "float32" else model.half().float()


@pytest.fixture(scope="module")
def compiled(model: GeneralistModel) -> CompiledBackend:
    backend = choose_backend(model)
    assert isinstance(backend, CompiledBackend)
    return backend


@pytest.mark.parametrize("N", [1, 3])
def test_observations_are_embedded_alike(model: GeneralistModel, compiled: CompiledBackend, N: int):
    noise = torch.Generator().manual_seed(0)
    values = torch.randint(2048, (N, 1, 6), generator=noise)
    text = torch.randint(1, 300, (N, 4), generator=noise)
    text[0, 2:] = 0  # a shorter one
    text[-1] = 0 if N > 1 else text[-1]  # and none
    grid = {"grid": torch.randint(20, (N, 1, 5, 7, 2), generator=noise)}
    image = {"image": torch.randint(256, (N, 1, 32, 48, 3), generator=noise).to(torch.uint8)}
    texts = {"text": text, "text_index": torch.arange(N)[:, None]}
    for parts in ({}, grid, image, texts, texts | grid, texts | grid | image):
        batch = TokenBatch.live(3, discrete=False, values=values, **parts)
        expected = model.embed(batch)[:, 0]
        torch.testing.assert_close(compiled.embed(batch), expected, atol=TOLERANCE, rtol=0)


def test_pictures_are_embedded_alike_whatever_came_before(model: GeneralistModel, compiled: CompiledBackend):
    """Only the patches that changed are encoded again."""
    noise = torch.Generator().manual_seed(0)
    image, values = torch.randint(256, (1, 1, 48, 32, 3), generator=noise).to(torch.uint8), torch.zeros(1, 1, 1).long()
    for changed in (slice(0, 48), slice(0, 0), slice(15, 17), slice(47, 48), slice(0, 48)):
        image = image.clone()
        image[:, :, changed, :20] += 1
        batch = TokenBatch.live(1, discrete=True, values=values, image=image)
        found, expected = compiled.embed(batch), model.embed(batch)[:, 0]
        torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("rows", [[1], [2, 0], [0, 1, 2]])
@pytest.mark.parametrize("lengths", [(0, 0, 0), (5, 5, 5), (0, 5, 2), (2, 300, 299)])
@pytest.mark.parametrize("S", [1, 4, FEW + 1])
def test_positions_are_read_alike(
    model: GeneralistModel, compiled: CompiledBackend, rows: list[int], lengths: tuple[int, ...], S: int
):
    """Behind others of equal and of different lengths, and beyond the positions that are tabulated."""
    noise = torch.Generator().manual_seed(0)
    caches = [model.new_cache(3, max(lengths) + S) for _ in range(2)]
    past, new = torch.randn(3, max(1, *lengths), 32, generator=noise), torch.randn(len(rows), S, 32, generator=noise)
    for cache in caches:
        model.trunk(past, cache)
        cache.length[:] = torch.tensor(lengths)
    expected = TorchBackend(model).extend(new, caches[0], rows)
    torch.testing.assert_close(compiled.extend(new, caches[1], rows), expected, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(caches[0].kv, caches[1].kv, atol=TOLERANCE, rtol=0)
    assert caches[1].length.tolist() == list(lengths)


@pytest.mark.parametrize("N", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("discrete", [False, True])
def test_actions_are_decoded_alike(
    model: GeneralistModel, compiled: CompiledBackend, discrete: bool, scale: float, N: int
):
    """Flat distributions, and peaked ones."""
    noise = torch.Generator().manual_seed(0)
    for _ in range(20):
        h = scale * torch.randn(N, 1, 32, generator=noise)
        expected = TorchBackend(model).decode(h, discrete, 5)
        for found, wanted in zip(compiled.decode(h, discrete, 5), expected, strict=True):
            assert found.shape == wanted.shape and found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_matrices_are_halved_where_that_loses_nothing():
    short, long, large = torch.tensor([[0.5, -1e-7]]).half().float(), torch.tensor([[0.1]]), torch.tensor([[1e5]])
    assert half(short).dtype == np.uint16 and half(short).shape == (1, 2)
    assert half(long).dtype == half(large).dtype == np.float32


def test_nothing_is_left_to_compile_after_the_warm_up(model: GeneralistModel, compiled: CompiledBackend):
    def signatures() -> list[int]:
        loops = (kernels.embed_scalars, kernels.extend, kernels.decode, encoder_kernels.embed_grid)
        return [len(loop.signatures) for loop in (*loops, encoder_kernels.embed_patch)]

    warm_up(model)
    before, cache = signatures(), model.new_cache(2, 3)
    grid, image = torch.zeros(1, 1, 7, 7, 3).long(), torch.zeros(1, 1, 32, 32, 3, dtype=torch.uint8)
    x = compiled.embed(TokenBatch.live(3, discrete=False, values=torch.tensor([[[1500, 7]]]), grid=grid, image=image))
    for discrete in (False, True):
        compiled.decode(compiled.extend(x, cache, [1]), discrete, 3)
    assert signatures() == before and min(before) > 0


def test_it_steps_aside_for_hooks_and_says_so(model: GeneralistModel, caplog: pytest.LogCaptureFixture):
    assert choose_backend(model).name == "compiled"
    with caplog.at_level(logging.INFO):
        handle = model.trunk.blocks[1].register_forward_hook(lambda *_: None)
        assert [choose_backend(model).name for _ in range(2)] == ["torch", "torch"]
        handle.remove()
        assert choose_backend(model).name == "compiled"
    assert [record.getMessage() for record in caplog.records] == [
        "decisions run in plain torch, because modules have hooks",
        "decisions run compiled again",
    ]


def test_a_hook_sees_what_the_model_is_given_and_nothing_else():
    """Trying the loops out runs modules too."""
    model, seen = GeneralistModel(preset("tiny")).eval(), []
    handles = [module.register_forward_hook(lambda *_: seen.append(1)) for module in model.modules()]
    assert choose_backend(model).name == "torch" and seen == []
    for handle in handles:
        handle.remove()
    assert choose_backend(model).name == "compiled"


def test_other_numbers_and_layouts_have_no_loops():
    assert choose_backend(GeneralistModel(preset("tiny")).to(torch.bfloat16)).name == "torch"


def test_a_backend_does_not_keep_its_model_alive():
    model = GeneralistModel(preset("tiny")).eval()
    choose_backend(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
