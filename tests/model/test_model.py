"""The network: sizes, both layouts, causality."""

from dataclasses import replace

import pytest
import torch

from playground.errors import BadFileError, BadValueError, UnknownNameError
from playground.model import PRESETS, GeneralistModel, ModelConfig, TokenBatch, preset

PARAMETERS = {
    "tiny": 185_881,
    "small": 7_566_337,
    "base": 39_903_217,
    "gato-79m": 62_525_697,
    "gato-364m": 355_141_377,
    "gato-1b": 1_231_954_689,
}


@pytest.fixture(scope="module", params=["step", "flat"])
def model(request: pytest.FixtureRequest) -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(replace(preset("tiny"), layout=request.param)).eval()


def steps(B: int = 2, S: int = 5, A: int = 3, seed: int = 0) -> TokenBatch:
    """Timesteps of every modality; the second half of the sequence is live."""
    noise = torch.Generator().manual_seed(seed)

    def draw(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(high, shape, generator=noise)

    return TokenBatch(
        values=draw(2048, B, S, 4),
        actions=draw(7, B, S, A),
        discrete=(torch.arange(B) % 2 == 1)[:, None].expand(B, S),
        show_observation=torch.ones(B, S, dtype=torch.bool),
        show_action=(torch.arange(S) < S // 2).expand(B, S),
        grid=draw(11, B, S, 5, 7, 3),
        image=draw(256, B, S, 32, 16, 3).to(torch.uint8),
        text=draw(300, 3, 6),
        text_index=draw(3, B, S),
    )


def plain(given: TokenBatch) -> TokenBatch:
    """Only numbers and actions."""
    return replace(given, grid=None, image=None, text=None, text_index=None)


@pytest.mark.parametrize("name", PRESETS)
def test_size_of_presets(name: str):
    with torch.device("meta"):
        model = GeneralistModel(preset(name))
    assert model.parameter_count() == PARAMETERS[name]


@pytest.mark.slow
@pytest.mark.parametrize("only_numbers", [False, True])
def test_forward_and_backward_are_finite(model: GeneralistModel, only_numbers: bool):
    given = plain(steps()) if only_numbers else steps()
    h = model(given)
    flat = 4 + 1 + 3 + (0 if only_numbers else 6 + 2 + 5 * 7 * 3)  # numbers, separator, actions, text, patches, cells
    assert h.shape == (2, 5, 1 if model.config.layout == "step" else flat, 32)
    N, A = 10, given.actions.shape[2]
    logits = model.logits(h.flatten(0, 1), given.actions.view(N, A), given.discrete.flatten())
    assert logits.shape == (N * A, model.config.action_bins + 32) and torch.isfinite(logits).all()
    model.zero_grad()
    logits.logsumexp(-1).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert all(torch.isfinite(g).all() for g in gradients.values())
    used = {name for name, g in gradients.items() if g.abs().max() > 0}
    assert (
        "decoder.head.weight" in used and "encoder.tables.token.weight" in used and "trunk.blocks.0.up.weight" in used
    )
    assert ("encoder.image.stem.weight" in used) is not only_numbers


def test_the_past_does_not_see_the_future(model: GeneralistModel):
    given = steps()
    changed = steps(seed=1)
    cut = 3

    def joined(name: str) -> torch.Tensor:
        return torch.cat((getattr(given, name)[:, :cut], getattr(changed, name)[:, cut:]), dim=1)

    other = replace(given, **{name: joined(name) for name in ("values", "actions", "grid", "image", "text_index")})
    with torch.inference_mode():
        before, after = model(given), model(other)
    torch.testing.assert_close(before[:, :cut], after[:, :cut], atol=1e-5, rtol=0)
    assert not torch.allclose(before[:, cut:], after[:, cut:], atol=1e-3)


def test_an_action_token_sees_only_those_before_it(model: GeneralistModel):
    """Teacher forcing: logits of token a do not depend on tokens a, a + 1, …"""
    h = torch.randn(4, 6, 32, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[5, 6, 7]]).repeat(4, 1)
    discrete = torch.zeros(4, dtype=torch.bool)
    with torch.inference_mode():
        one = model.logits(h, tokens, discrete)
        for a in range(3):
            changed = tokens.clone()
            changed[:, a:] += 20
            other = model.logits(h, changed, discrete)
            torch.testing.assert_close(other.view_as(one.view(4, 3, -1))[:, : a + 1], one.view(4, 3, -1)[:, : a + 1])
            assert a == 2 or model.config.layout == "flat" or not torch.allclose(other, one)


@pytest.mark.parametrize("discrete", [False, True])
def test_decoding_is_consistent_with_teacher_forcing(model: GeneralistModel, discrete: bool):
    h = torch.randn(5, 6, 32, generator=torch.Generator().manual_seed(0))
    size, bins = (7, model.config.action_bins) if discrete else (3, model.config.action_bins)
    tokens, probabilities, means = model.decode(h, discrete, size)
    with torch.inference_mode():
        logits = model.logits(h, tokens, torch.full((5,), discrete)).unflatten(0, tokens.shape)
    part = logits[..., bins : bins + size] if discrete else logits[..., :bins]
    torch.testing.assert_close(part.softmax(-1), probabilities, atol=1e-5, rtol=0)
    if discrete:
        assert tokens.shape == (5, 1) and torch.equal(tokens, probabilities.argmax(-1))
        assert torch.equal(means, tokens.float())
    else:
        assert tokens.shape == (5, 3) and (means - tokens).abs().max() <= 0.5
        assert means.min() >= 0 and means.max() <= bins - 1


@pytest.mark.slow
@pytest.mark.parametrize("rows", [None, [2, 0]])
def test_cached_equals_fresh(model: GeneralistModel, rows: list[int] | None):
    """Rows of different lengths, read in pieces, against one pass over each."""
    noise = torch.Generator().manual_seed(0)
    chosen = [0, 1, 2] if rows is None else rows
    lengths = [4, 1, 7]
    cache = model.new_cache(3, 20)
    past = [torch.randn(length, 32, generator=noise) for length in lengths]
    with torch.inference_mode():
        for row, x in enumerate(past):
            model.trunk(x[None], cache, torch.tensor([row]))
            cache.length[row] = len(x)
        new = torch.randn(len(chosen), 5, 32, generator=noise)
        cached = model.trunk(new, cache, None if rows is None else torch.tensor(rows))
        for row, x, found in zip(chosen, new, cached, strict=True):
            fresh = model.trunk(torch.cat((past[row], x))[None])[0, -5:]
            torch.testing.assert_close(found, fresh, atol=1e-5, rtol=0)


def test_hidden_parts_are_not_read(model: GeneralistModel):
    given = plain(steps())
    hidden = replace(given, show_action=torch.zeros(2, 5, dtype=torch.bool))
    other = replace(hidden, actions=(hidden.actions + 1) % 7)
    blind = replace(given, show_observation=torch.zeros(2, 5, dtype=torch.bool))
    with torch.inference_mode():
        torch.testing.assert_close(model(hidden), model(other))
        torch.testing.assert_close(model(blind), model(replace(blind, values=(blind.values + 1) % 2048)))
        assert not torch.allclose(model(given), model(hidden)) and not torch.allclose(model(given), model(blind))


def test_impossible_configurations_are_refused():
    with pytest.raises(BadValueError, match=r"width 36.*heads"):
        ModelConfig(width=36, heads=4)
    with pytest.raises(BadValueError, match="layers is 0"):
        ModelConfig(layers=0)
    with pytest.raises(UnknownNameError, match="step"):
        ModelConfig(layout="steps")
    with pytest.raises(UnknownNameError, match="did you mean small"):
        preset("smal")
    config = preset("base")
    assert ModelConfig.from_json(config.to_json()) == config
    with pytest.raises(BadFileError, match="format 3"):
        ModelConfig.from_json(config.to_json() | {"format": 3})
    with pytest.raises(BadFileError, match="depth"):
        ModelConfig.from_json(config.to_json() | {"depth": 2})
