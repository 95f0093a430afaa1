"""A row's prompt is edited where it is cached, the rest is as before, and no edit outlives its removal."""

import pytest
import torch

from playground.agent import Context
from playground.agent.context import PromptCache, read_positions
from playground.errors import BadValueError
from playground.model import GeneralistModel, choose_backend, preset

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model() -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(preset("tiny")).eval()


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, 32, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def prompts(model: GeneralistModel) -> list[PromptCache]:
    return [read_positions(model, noise(seed, 5)) for seed in (0, 1)]


def begun(model: GeneralistModel, prompt: PromptCache) -> Context:
    """Two rows with a prompt, behind which three live steps were read."""
    context = Context(model, 2)
    context.set_prompt([0, 1], prompt)
    for step in noise(2, 3, 2, 1):
        context.extend(step, [0, 1])
    return context


@pytest.fixture
def context(model: GeneralistModel, prompts: list[PromptCache]) -> Context:
    return begun(model, prompts[0])


@pytest.fixture
def other(model: GeneralistModel, prompts: list[PromptCache]) -> Context:
    """The same, to be left alone."""
    return begun(model, prompts[0])


def again(context: Context, prompt: PromptCache) -> torch.Tensor:
    """What the next steps give after row 0 was conditioned, and row 1 left alone."""
    context.set_prompt([0], prompt)
    return following(context)


def following(context: Context) -> torch.Tensor:
    return torch.stack([context.extend(step, [0, 1]) for step in noise(3, 4, 2, 1)])  # [4, 2, 1, D]


def test_an_edit_counts_for_its_row_alone(context: Context, other: Context, prompts: list[PromptCache]):
    context.patch(0, 1, values=torch.zeros(5, 2, 16))
    found, wanted = following(context), again(other, prompts[0])
    assert (found[:, 0] - wanted[:, 0]).abs().max() > 1e-3
    assert torch.equal(found[:, 1], wanted[:, 1])
    edited = context.prompt_cache(0)
    assert not edited.values[1].any() and torch.equal(edited.keys, prompts[0].keys)
    assert torch.equal(edited.values[0], prompts[0].values[0])


@pytest.mark.parametrize("removal", ["restored", "conditioned again"])
def test_a_removed_edit_leaves_equal_bits(context: Context, other: Context, prompts: list[PromptCache], removal: str):
    context.patch(0, 0, keys=lambda keys: 2 * keys, values=lambda values: values + 1)
    context.restore() if removal == "restored" else context.set_prompt([0], prompts[0])
    assert torch.equal(following(context), again(other, prompts[0]))
    assert torch.equal(context.prompt_cache().kv, prompts[0].kv)


def test_a_prompt_patched_by_itself_changes_no_bit(context: Context, other: Context, prompts: list[PromptCache]):
    for layer in range(2):
        mine = context.prompt_cache()
        context.patch(0, layer, mine.keys[layer], mine.values[layer].numpy())
    assert torch.equal(following(context), again(other, prompts[0]))


def test_every_layer_of_another_prompt_is_that_prompt(context: Context, other: Context, prompts: list[PromptCache]):
    for layer in range(2):
        context.patch(0, layer, prompts[1].keys[layer], prompts[1].values[layer])
    assert torch.equal(following(context), again(other, prompts[1]))


def test_both_backends_agree_after_an_edit(model: GeneralistModel, prompts: list[PromptCache]):
    found = []
    for name in ("compiled", "torch"):
        handle = None if name == "compiled" else model.register_forward_hook(lambda *_: None)
        try:
            assert choose_backend(model).name == name
            context = Context(model, 2)
            context.set_prompt([0, 1], prompts[0])
            context.patch(0, 0, values=lambda values: values + 0.5)
            found.append(following(context))
        finally:
            if handle is not None:
                handle.remove()
    torch.testing.assert_close(*found, atol=TOLERANCE, rtol=0)


def test_a_vector_reaches_every_step_and_a_change_in_place_counts(context: Context, prompts: list[PromptCache]):
    def double(values: torch.Tensor) -> None:
        values *= 2

    context.patch(0, 0, values=double)
    context.patch(0, 1, values=torch.ones(2, 16))
    edited = context.prompt_cache()
    assert torch.equal(edited.values[0], 2 * prompts[0].values[0]) and (edited.values[1] == 1).all()


def test_what_cannot_be_edited_says_why_and_changes_nothing(context: Context, prompts: list[PromptCache]):
    with pytest.raises(BadValueError, match="cut both prompts to one length"):
        context.patch(0, 0, keys=lambda keys: keys + 1, values=torch.zeros(4, 2, 16))
    with pytest.raises(BadValueError, match="no layer 2; give 0 to 1"):
        context.patch(0, 2, values=torch.zeros(5, 2, 16))
    assert torch.equal(context.prompt_cache().kv, prompts[0].kv)
    context.set_prompt([0], None)
    assert context.prompt_cache() is None
    with pytest.raises(BadValueError, match="row 0 has no prompt"):
        context.patch(0, 0, values=torch.zeros(5, 2, 16))
