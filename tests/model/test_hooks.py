"""Activations are read and edited by name; no hook stays, none is silent, and reading changes nothing."""

import re
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

import playground.model
from playground.agent import Context
from playground.agent.context import read_positions
from playground.errors import BadValueError, UnknownNameError
from playground.model import GeneralistModel, HookPoint, TokenBatch, choose_backend, preset

TOLERANCE = 1e-5

BLOCK = (
    *("hook_resid_pre", "attn.hook_q", "attn.hook_k", "attn.hook_v", "attn.hook_pattern", "attn.hook_z"),
    *("hook_attn_out", "hook_resid_mid", "mlp.hook_post", "hook_mlp_out", "hook_resid_post"),
)


@pytest.fixture(scope="module", params=["step", "flat"])
def model(request: pytest.FixtureRequest) -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(replace(preset("tiny"), layout=request.param)).eval().requires_grad_(False)


@pytest.fixture
def batch() -> TokenBatch:
    return TokenBatch.live(3, discrete=False, values=torch.tensor([[[1500, 7]], [[3, 90]]]))


def test_names_are_the_fields_in_the_order_of_firing(model: GeneralistModel, batch: TokenBatch):
    fired: list[str] = []
    with model.hooks([("*", lambda x, hook: fired.append(hook.name))]):
        model(batch)
    blocks = [f"blocks.{layer}.{name}" for layer in range(2) for name in BLOCK]
    assert fired == list(model.hook_dict) == ["hook_embed", *blocks, "ln_final.hook_normalized"]


def test_the_cache_holds_what_was_computed(model: GeneralistModel, batch: TokenBatch):
    h, cache = model.run_with_cache(batch)
    B, T, D, H = 2, h.shape[2], 32, 2
    shapes = {name: list(x.shape) for name, x in cache.items()}
    assert shapes["blocks.1.attn.hook_q"] == shapes["blocks.1.attn.hook_z"] == [B, T, H, D // H]
    assert shapes["blocks.1.attn.hook_pattern"] == [B, H, T, T]
    assert shapes["blocks.1.mlp.hook_post"] == [B, T, 64]
    assert torch.equal(cache["ln_final.hook_normalized"], h.view(B, T, D))
    assert torch.equal(cache["blocks.0.hook_resid_post"], cache["blocks.1.hook_resid_pre"])
    for layer in range(2):
        at = {name: cache[f"blocks.{layer}.{name}"] for name in BLOCK}
        torch.testing.assert_close(at["hook_resid_mid"], at["hook_resid_pre"] + at["hook_attn_out"])
        torch.testing.assert_close(at["hook_resid_post"], at["hook_resid_mid"] + at["hook_mlp_out"])
        pattern, values = at["attn.hook_pattern"], at["attn.hook_v"].transpose(1, 2)
        torch.testing.assert_close(pattern.sum(-1), torch.ones(B, H, T))
        torch.testing.assert_close((pattern @ values).transpose(1, 2), at["attn.hook_z"])
    some, kept = model.run_with_cache(batch, names_filter=["blocks.*.hook_resid_post", "hook_embed"])
    assert list(kept) == ["hook_embed", "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]
    assert torch.equal(some, model(batch))  # attention runs fused again


def test_reading_changes_no_bit(model: GeneralistModel, batch: TokenBatch):
    before, names = model(batch), [name for name in model.hook_dict if "pattern" not in name]
    with model.caching(names):
        assert torch.equal(model(batch), before)
    with model.caching():  # with the patterns attention is no longer fused
        torch.testing.assert_close(model(batch), before, atol=TOLERANCE, rtol=0)
    assert model.edits == 0 and torch.equal(model(batch), before)


@pytest.mark.parametrize("name", ["hook_embed", *(f"blocks.0.{name}" for name in BLOCK), "ln_final.hook_normalized"])
@pytest.mark.parametrize("in_place", [False, True])
def test_every_activation_can_be_edited_and_left(model: GeneralistModel, name: str, in_place: bool):
    def edit(x: torch.Tensor, hook: HookPoint) -> torch.Tensor | None:
        if not in_place:
            return 30 * x
        x *= 30
        return None

    steps = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    kept, before, edits = steps.clone(), model.trunk(steps), model.edits
    with model.hooks([(name, edit)]):
        changed = model.trunk(steps)
    assert (changed - before).abs().max() > 1e-3
    assert model.edits == edits + 1
    assert torch.equal(steps, kept) and torch.equal(model.trunk(steps), before)


def test_no_hook_outlives_an_exception(model: GeneralistModel, batch: TokenBatch):
    def break_off(x: torch.Tensor, hook: HookPoint) -> None:
        raise ZeroDivisionError

    before = choose_backend(model).name
    with pytest.raises(ZeroDivisionError), model.hooks([("*", break_off)]):
        assert choose_backend(model).name == "torch"
        model(batch)
    assert not model.hooked and choose_backend(model).name == before


def test_mistakes_are_told(model: GeneralistModel, batch: TokenBatch):
    with pytest.raises(UnknownNameError, match=r"did you mean blocks\.1\.hook_resid_post"):
        model.run_with_cache(batch, names_filter="blocks.1.hook_resid_pots")
    with pytest.raises(UnknownNameError), model.hooks([("blocks.0.*", print), ("blocks.2.*", print)]):
        pytest.fail("the block was entered")
    assert not model.hooked
    with pytest.raises(BadValueError, match=r"returned the shape \[3\]"):
        model.run_with_hooks(batch, fwd_hooks=[("hook_embed", lambda x, hook: torch.zeros(3))])
    silent = r"hook on blocks.1.hook_resid_pre did not fire \(1 of 2 hooks\)"
    with pytest.raises(BadValueError, match=silent), model.caching("blocks.*.hook_resid_pre"):
        model.trunk.blocks[0](torch.zeros(1, 1, 32), lambda q, k, v, pattern: v)
    assert not model.hooked


def test_another_threads_passes_are_not_read(model: GeneralistModel, batch: TokenBatch):
    found = []
    with model.hooks([("hook_embed", lambda x, hook: found.append(x) or x + 1)]):
        other = Thread(target=lambda: model(batch))
        other.start()
        other.join()
        assert found == []
        model(batch)
    assert len(found) == 1


def test_a_context_acts_alike_under_hooks_and_forgets_an_edit(model: GeneralistModel):
    """Live steps whose keys and values were computed under an edit are read again without it."""
    noise = torch.Generator().manual_seed(0)
    prompt, steps = torch.randn(4, 32, generator=noise), torch.randn(6, 1, 1, 32, generator=noise)
    contexts = {name: Context(model, 1) for name in ("plain", "read", "edited")}
    for context in contexts.values():
        context.set_prompt([0], read_positions(model, prompt))
    for t, step in enumerate(steps):
        plain = contexts["plain"].extend(step, [0])
        if t == 3:
            with model.caching(["blocks.*.hook_resid_post", "ln_final.hook_normalized"]) as cache:
                read = contexts["read"].extend(step, [0])
            torch.testing.assert_close(cache["ln_final.hook_normalized"], read, atol=0, rtol=0)
            with model.hooks([("blocks.0.hook_resid_pre", lambda x, hook: 2 * x + 1)]):
                edited = contexts["edited"].extend(step, [0])
            assert (edited - plain).abs().max() > 1e-3
        else:
            read, edited = contexts["read"].extend(step, [0]), contexts["edited"].extend(step, [0])
            torch.testing.assert_close(edited, plain, atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(read, plain, atol=TOLERANCE, rtol=0)


def test_nnsight_reads_and_edits_the_same(model: GeneralistModel, batch: TokenBatch):
    import nnsight

    before, cache = model.run_with_cache(batch, names_filter="blocks.1.hook_resid_post")
    traced = nnsight.NNsight(model)
    with traced.trace(batch):
        read = traced.trunk.blocks[1].hook_resid_post.output.save()
    assert torch.equal(read, cache["blocks.1.hook_resid_post"])
    with traced.trace(batch):
        traced.trunk.blocks[0].attention.hook_v.output[:] = 1
        edited = traced.output.save()
    ones = [("blocks.0.attn.hook_v", lambda x, hook: torch.ones_like(x))]
    assert torch.equal(edited, model.run_with_hooks(batch, fwd_hooks=ones))
    assert not torch.equal(edited, before) and torch.equal(model(batch), before)


@pytest.mark.slow
def test_the_pages_python_runs():
    """With the shipped agent; one block goes on where the one before it stopped."""
    page = (Path(playground.model.__file__).parent / "README.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(code, "playground/model/README.md", "exec"), scope)
    assert scope["cache"]["blocks.2.attn.hook_pattern"].shape[:3] == (1, 4, 1)
    assert set(re.findall(r"hook_\w+", page)) >= {name.split(".")[-1] for name in scope["model"].hook_dict}
