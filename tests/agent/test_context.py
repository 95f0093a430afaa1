"""The context's law: the cache never changes the result."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.agent import Context
from playground.agent.context import PromptCache, read_positions
from playground.model import GeneralistModel, preset
from playground.model.transformer import apply_rope, rope

TOLERANCE = 2e-5
"""Largest absolute difference of trunk outputs, which are of size 1 (float32; found: 2e-6)."""

BATCH = 3


@pytest.fixture(scope="module")
def model() -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(replace(preset("tiny"), max_live=6)).eval()


class Reference:
    """What a row should hold, and what a fresh forward pass makes of it."""

    def __init__(self, model: GeneralistModel):
        self.model = model
        self.prompt = torch.zeros(0, model.config.width)
        self.edited: PromptCache | None = None  # what takes the prompt's place
        self.live: list[torch.Tensor] = []

    def extend(self, step: torch.Tensor) -> torch.Tensor:
        max_live = self.model.config.max_live
        if len(self.live) == max_live:
            self.live = self.live[max_live - max_live // 2 :]
        self.live.append(step)
        with torch.inference_mode():
            if self.edited is None:
                return self.model.trunk(torch.cat([self.prompt, *self.live])[None])[0, -len(step) :]
            live, length = torch.cat(self.live), len(self.edited)
            cache = self.model.new_cache(1, length + len(live))
            cache.kv[:, 0, :, :length] = self.edited.kv
            cache.length[0] = length
            return self.model.trunk(live[None], cache)[0, -len(step) :]


ROWS = st.lists(st.integers(0, BATCH - 1), min_size=1, max_size=BATCH, unique=True)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), ROWS, st.integers(1, 4)),
        st.tuples(st.just("extend"), st.just(list(range(BATCH))), st.integers(1, 9)),
        st.tuples(st.just("reset"), ROWS, st.just(0)),
        st.tuples(st.just("swap"), ROWS, st.integers(0, 20)),
        st.tuples(st.just("patch"), ROWS, st.integers(0, 1)),
        st.tuples(st.just("restore"), ROWS, st.just(0)),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=30)
@given(operations=OPERATIONS, T=st.sampled_from([1, 3]), piece=st.sampled_from([4, 1024]), seed=st.integers(0, 2**31))
def test_outputs_equal_a_fresh_pass(model: GeneralistModel, operations: list, T: int, piece: int, seed: int):
    """T = 1 is the `step` layout, T = 3 a `flat` one; rows change at different times."""
    with patch("playground.agent.context.PIECE", piece):
        check_against_references(model, operations, T, seed)


def check_against_references(model: GeneralistModel, operations: list, T: int, seed: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    context, references = Context(model, BATCH), [Reference(model) for _ in range(BATCH)]
    for name, rows, amount in operations:
        if name == "reset":
            context.reset(rows)
            for row in rows:
                references[row].live = []
        elif name == "swap":
            prompt = torch.randn(amount, model.config.width, generator=noise)
            context.set_prompt(rows, read_positions(model, prompt) if amount else None)
            for row in rows:
                references[row].prompt, references[row].edited = prompt, None
        elif name == "patch":
            for row in rows:
                if context.prompt_cache(row) is not None:
                    shift = torch.randn(2, model.config.heads, 16, generator=noise)
                    context.patch(row, amount, keys=lambda k, d=shift[0]: k + d, values=lambda v, d=shift[1]: v + d)
                    references[row].edited = context.prompt_cache(row)
        elif name == "restore":
            for row in rows:
                context.restore(row)
                references[row].edited = None
        else:
            for _ in range(amount):
                steps = torch.randn(len(rows), T, model.config.width, generator=noise)
                found = context.extend(steps, rows)
                for n, row in enumerate(rows):
                    wanted = references[row].extend(steps[n])
                    torch.testing.assert_close(found[n], wanted, atol=TOLERANCE, rtol=0)
        assert context.live_steps == [len(reference.live) for reference in references]


def test_full_row_drops_its_older_half(model: GeneralistModel):
    context = Context(model, 1)
    counts = []
    for _ in range(11):
        context.extend(torch.zeros(1, 1, model.config.width), [0])
        counts += context.live_steps
    assert counts == [1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5]


def fresh_attention(model: GeneralistModel, positions: torch.Tensor, T: int) -> torch.Tensor:
    """Attention of the last T positions, mean over layers and heads, as the qkv products of a fresh pass give it."""
    products: list[torch.Tensor] = []
    handles = [
        block.attention.qkv.register_forward_hook(lambda module, inputs, output: products.append(output))
        for block in model.trunk.blocks
    ]
    with torch.inference_mode():
        model.trunk(positions[None])
    for handle in handles:
        handle.remove()
    heads, S = model.config.heads, len(positions)
    turns = rope(torch.arange(S)[None], model.config.width // heads, torch.float32)
    patterns = []
    for qkv in products:
        q, k, _ = qkv.view(S, 3, heads, -1).permute(1, 2, 0, 3).unsqueeze(1)  # each [1, H, S, D/H]
        scores = (apply_rope(q, turns) @ apply_rope(k, turns).mT * q.shape[-1] ** -0.5)[0]
        patterns.append(scores.masked_fill(torch.ones(S, S).triu(1).bool(), -torch.inf).softmax(-1)[:, -T:])
    return torch.stack(patterns).mean(dim=(0, 1, 2))


@pytest.mark.parametrize("T", [1, 3])
def test_attention_is_that_of_the_latest_step_and_changes_nothing(model: GeneralistModel, T: int):
    noise = torch.Generator().manual_seed(0)
    prompt, steps = torch.randn(7, 32, generator=noise), torch.randn(4, 2, T, 32, generator=noise)
    looked, other = Context(model, 2), Context(model, 2)
    for context in (looked, other):
        context.set_prompt([1], read_positions(model, prompt))
    assert looked.attention(1) is None
    for t, step in enumerate(steps):
        torch.testing.assert_close(looked.extend(step, [0, 1]), other.extend(step, [0, 1]), atol=0, rtol=0)
        wanted = fresh_attention(model, torch.cat((prompt, steps[: t + 1, 1].flatten(0, 1))), T)[:7]
        torch.testing.assert_close(looked.attention(1), wanted, atol=TOLERANCE, rtol=0)
        assert 0 < wanted.sum() < 1 and len(looked.attention(0)) == 0
    looked.set_prompt([1], None)
    assert looked.attention(1) is None


def test_rows_do_not_see_each_other(model: GeneralistModel):
    """Another row's NaN would spread to everything that reads it."""
    context = Context(model, 2)
    width = model.config.width
    steps = torch.stack([torch.zeros(1, width), torch.full((1, width), np.nan)])
    for _ in range(model.config.max_live + 2):
        found = context.extend(steps, [0, 1])
    assert torch.isfinite(found[0]).all() and not torch.isfinite(found[1]).any()
