"""The agent as a policy: any prompt meets any world, rows equal single agents, decisions are complete."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from playground.agent import Agent, BatchAgent, agent_for, fit_prompt, read_prompt
from playground.agent import reading as reading_module
from playground.agent.context import read_positions
from playground.agent.subtasks import whole
from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, load_model, preset, save_pretrained
from playground.prompt import Prompt, Segment
from playground.task import Observation
from playground.tokens.timestep import TimestepSpec

TOLERANCE = 1e-4
"""Largest difference of probabilities between batched and single acting (float32)."""

WORLDS = {
    "arm": (
        gym.spaces.Dict({"state": gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)}),
        gym.spaces.Box(-1, 1, (3,), np.float32),
    ),
    "big": (
        gym.spaces.Dict({"state": gym.spaces.Box(-np.inf, np.inf, (300,), np.float32)}),
        gym.spaces.Box(-1, 1, (60,), np.float32),
    ),
    "maze": (
        gym.spaces.Dict(
            {
                "mission": gym.spaces.Text(200),
                "direction": gym.spaces.Discrete(4),
                "grid": gym.spaces.Box(0, 10, (7, 7, 3), np.uint8),
            }
        ),
        gym.spaces.Discrete(7),
    ),
    "wide": (
        gym.spaces.Dict(
            {"mission": gym.spaces.Text(200), "grid": gym.spaces.Box(0, 255, (12, 9, 3), np.int64)},
        ),
        gym.spaces.Discrete(3),
    ),
    "screen": (
        gym.spaces.Dict({"image": gym.spaces.Box(0, 255, (50, 40, 3), np.uint8)}),
        gym.spaces.Discrete(6),
    ),
}
ROOMY = ("arm", "maze", "screen")  # what the model has room for


def observations(world: str, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Observations [count, ...] such as an episode holds; missions are long and differ."""
    space: Any = WORLDS[world][0]
    rng = np.random.default_rng(seed)
    drawn: dict[str, np.ndarray] = {}
    for key, part in space.items():
        if isinstance(part, gym.spaces.Text):
            drawn[key] = np.array([f"go to the {'very ' * 40 * ((i + seed) % 2)}red ball" for i in range(count)])
        elif isinstance(part, gym.spaces.Discrete):
            drawn[key] = rng.integers(part.n, size=count)
        elif part.dtype == np.float32:
            drawn[key] = rng.normal(size=(count, *part.shape)).astype(np.float32)
        else:
            drawn[key] = rng.integers(int(part.high.max()) + 1, size=(count, *part.shape)).astype(part.dtype)
    return drawn


def one(world: str, seed: int) -> Observation:
    return {key: v[0].item() if v.dtype.kind == "U" else v[0] for key, v in observations(world, 1, seed).items()}


def prompt(world: str, steps: int = 5, seed: int = 1, **use: Any) -> Prompt:
    rng = np.random.default_rng(seed)
    space = WORLDS[world][1]
    if isinstance(space, gym.spaces.Discrete):
        actions = rng.integers(space.n, size=steps)
    else:
        actions = rng.uniform(-1, 1, (steps, *space.shape)).astype(np.float32)
    return Prompt(world, (Segment(f"toy/{world}", observations(world, steps, seed), actions, **use),))


@pytest.fixture(scope="module", params=["step", "flat"])
def model(request: pytest.FixtureRequest) -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(replace(preset("tiny"), layout=request.param)).eval()


def agent(model: GeneralistModel, world: str) -> Agent:
    return Agent(model, TimestepSpec.from_spaces(*WORLDS[world]))


@pytest.mark.slow
@pytest.mark.parametrize("shown", WORLDS)
@pytest.mark.parametrize("world", ROOMY)
def test_any_prompt_meets_any_world(model: GeneralistModel, world: str, shown: str):
    acting = agent(model, world)
    acting.condition(prompt(shown, steps=30))
    acting.reset()
    decision = acting.act(one(world, 0))
    space = WORLDS[world][1]
    assert space.contains(decision.action), decision.action
    assert decision.prompt_steps == 8 and decision.live_steps == 1 and decision.latency_ms > 0
    assert decision.tokens.dtype == np.int64 and decision.tokens.shape == decision.probabilities.shape[:1]
    np.testing.assert_allclose(decision.probabilities.sum(-1), 1, atol=1e-5)


def test_world_beyond_the_model_is_refused(model: GeneralistModel):
    with pytest.raises(BadValueError, match=r"300 numbers.*160"):
        agent(model, "big")
    with pytest.raises(BadValueError, match="cells" if model.config.layout == "step" else "324 numbers"):
        agent(model, "wide")


@pytest.mark.slow
@pytest.mark.parametrize("world", ROOMY)
def test_rows_equal_single_agents(model: GeneralistModel, world: str):
    """Different prompts, resets at different times, rows that end earlier."""
    rows = BatchAgent(model, TimestepSpec.from_spaces(*WORLDS[world]), 3)
    singles = [agent(model, world) for _ in range(3)]
    shared = prompt("arm")
    prompts = [shared, prompt(world, steps=3), shared]
    rows.condition(prompts, [0, 1, 2])
    for single, own in zip(singles, prompts, strict=True):
        single.condition(own)
    for t in range(20):
        if t == 4:
            rows.reset([1])
            singles[1].reset()
        if t == 11:
            rows.condition([None, shared], [2, 0])
            singles[2].condition(None)
            singles[0].condition(shared)
        alive = [0, 1, 2] if t < 14 else [2, 0]
        seen = [one(world, 3 * t + row) for row in alive]
        if world == "maze" and model.config.layout == "flat":  # which reads the padding of the shorter text, too
            seen = [{**observation, "mission": "open the door"} for observation in seen]
        for row, observation, decision in zip(alive, seen, rows.act(seen, alive), strict=True):
            expected = singles[row].act(observation)
            np.testing.assert_allclose(decision.probabilities, expected.probabilities, atol=TOLERANCE)
            assert (decision.prompt_steps, decision.live_steps) == (expected.prompt_steps, expected.live_steps)


@pytest.mark.slow
def test_where_a_world_gives_no_text_the_agent_acts_on_what_it_reads_out_of_the_prompt(model: GeneralistModel):
    shown, mute = prompt("maze"), {**one("maze", 0), "mission": ""}
    told = read_prompt(model, shown).goal
    assert told

    def probabilities(observation: Observation, given: Prompt | None = shown) -> np.ndarray:
        acting = agent(model, "maze")
        acting.condition(given)
        return acting.act(observation).probabilities

    own = probabilities(mute)
    np.testing.assert_allclose(own, probabilities({**mute, "mission": told}), atol=1e-6)
    assert np.abs(own - probabilities({**mute, "mission": "open the red door"})).max() > 1e-5  # untrained
    assert mute["mission"] == ""
    unprompted = BatchAgent(model, TimestepSpec.from_spaces(*WORLDS["maze"]), 2)
    unprompted.condition([shown, None], [0, 1])
    both = unprompted.act([mute, mute], [0, 1])
    if model.config.layout == "step":  # flat reads the padding of the shorter text, too
        np.testing.assert_allclose(both[1].probabilities, probabilities(mute, None), atol=TOLERANCE)


def test_hidden_halves_of_a_prompt_do_not_matter(model: GeneralistModel):
    """Neither hidden observations nor hidden actions reach the decision; shown ones do."""

    def probabilities(shown: Prompt) -> np.ndarray:
        acting = agent(model, "arm")
        acting.condition(shown)
        return acting.act(one("arm", 0)).probabilities

    first, other = prompt("arm", seed=1).segments[0], prompt("arm", seed=2).segments[0]
    mixed = Prompt("mixed", (replace(first, observations=other.observations),))
    same_actions = [probabilities(p.actions_only()) for p in (Prompt("first", (first,)), mixed)]
    np.testing.assert_allclose(*same_actions, atol=1e-6)
    same_observations = [probabilities(p.observations_only()) for p in (Prompt("other", (other,)), mixed)]
    np.testing.assert_allclose(*same_observations, atol=1e-6)
    assert not np.allclose(probabilities(mixed), probabilities(Prompt("first", (first,))), atol=1e-7)


def test_a_prompt_is_read_once(model: GeneralistModel, monkeypatch: pytest.MonkeyPatch):
    """One pass for reading, conditioning and all rows that share a prompt; rows under other prompts add their own."""
    passes = []
    monkeypatch.setattr(reading_module, "read_positions", lambda *given: passes.append(1) or read_positions(*given))
    rows, shared = BatchAgent(model, TimestepSpec.from_spaces(*WORLDS["arm"]), 4), prompt("arm", steps=30)
    reading = rows.read(shared)
    assert len(passes) == 1
    rows.condition([shared, None, shared, shared], range(4))
    assert len(passes) == 1 and rows.reading(2) is reading and rows.reading(1) is None
    assert reading.steps.tolist() == reading.prompt.segments[0].steps.tolist() == list(range(8, 30, 3))
    assert reading.goal == read_prompt(model, shared).goal and reading.ood is None
    rows.condition([prompt("arm"), prompt("arm", seed=2)], [1, 2])
    assert len(passes) == 4


def test_reading_early_changes_no_decision(model: GeneralistModel):
    early, late, shown = agent(model, "arm"), agent(model, "arm"), prompt("maze", steps=11)
    decisions = []
    for acting in (early, late):
        acting.act(one("arm", 0))
        if acting is early:
            assert acting.reading is None and len(acting.read(shown).steps) == 6
            assert acting.attention() is None
        acting.condition(shown)
        decisions.append(acting.act(one("arm", 1)))
        assert acting.reading.prompt.segments[0].steps.tolist() == list(range(0, 11, 2))
        attention = acting.attention()
        assert attention.shape == (6,) and 0 < attention.sum() < 1
    np.testing.assert_array_equal(decisions[0].probabilities, decisions[1].probabilities)


def test_hooks_read_decisions_and_an_edit_is_gone_with_them(model: GeneralistModel):
    """Prompts that were read under an edit are not remembered, and the compiled decision equals the hooked one."""
    acting, shown, o = agent(model, "arm"), prompt("arm"), one("arm", 0)

    def decide() -> np.ndarray:
        acting.reset()
        acting.condition(shown)
        return acting.act(o).probabilities

    before = decide()
    with model.caching("blocks.*.attn.hook_z") as cache:
        np.testing.assert_allclose(decide(), before, atol=1e-5)
    assert len(cache) == 2
    with model.hooks([("blocks.0.hook_resid_pre", lambda x, hook: x.flip(-1))]):
        assert not np.allclose(decide(), before, atol=1e-5)
    np.testing.assert_array_equal(decide(), before)
    acting.context.patch(0, 0, values=lambda values: 100 * values)
    assert not np.allclose(acting.act(o).probabilities, before, atol=1e-5)
    np.testing.assert_array_equal(decide(), before)


def test_swap_keeps_the_live_steps_and_commit_changes_nothing(model: GeneralistModel):
    acting, other = agent(model, "arm"), agent(model, "arm")
    for t in range(3):
        acting.commit(acting.act(one("arm", t)).action)
        other.act(one("arm", t))
    for each in (acting, other):
        each.condition(prompt("arm"))
    other.commit(np.ones(3, np.float32))
    decisions = [each.act(one("arm", 3)) for each in (acting, other)]
    assert [d.live_steps for d in decisions] == [4, 4]
    np.testing.assert_array_equal(decisions[0].probabilities, decisions[1].probabilities)


def test_worlds_of_cells_are_remembered_for_longer(model: GeneralistModel):
    longer = GeneralistModel(replace(model.config, max_live=4, max_live_grid=6)).eval()
    for world, most in (("arm", 4), ("maze", 6)):
        acting = agent(longer, world)
        held = [acting.act(one(world, t)).live_steps for t in range(2 * most)]
        assert max(held) == most and held[:most] == list(range(1, most + 1))


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (5, range(0, 5)),
        (8, range(0, 8)),
        (9, range(0, 9, 2)),
        (16, range(1, 16, 2)),
        (17, range(1, 17, 3)),
        (24, range(2, 24, 3)),
        (100, range(78, 100, 3)),
    ],
)
def test_long_prompts_are_strided(length: int, expected: range):
    actions = np.arange(length)
    whole = Prompt("p", (Segment("toy/maze", {"direction": actions % 4}, actions),))
    cut = max(1, length // 3)
    joined = Prompt("p", tuple(whole.segments[0].take(part) for part in (slice(0, cut), slice(cut, None))))
    for given in (whole, joined):
        fitting = fit_prompt(given, 8)
        assert np.concatenate([s.actions for s in fitting.segments]).tolist() == list(expected)
        assert expected[-1] == length - 1 and len(fitting) <= 8 and all(len(s) for s in fitting.segments)


def test_saved_agents_load(model: GeneralistModel, tmp_path):
    class World:
        observation_space, action_space = WORLDS["arm"]
        subtasks = staticmethod(whole)

    world: Any = World()
    save_pretrained(model, tmp_path / "checkpoint", dtype=torch.float32)
    loaded, direct = agent_for(load_model(tmp_path / "checkpoint"), world), agent_for(model, world)
    for each in (loaded, direct):
        each.condition(prompt("maze"))
    observation = one("arm", 0)
    found, wanted = (each.act(observation).probabilities for each in (loaded, direct))
    np.testing.assert_allclose(found, wanted, atol=1e-6)  # sums are taken in another order
    with pytest.raises(BadFileError, match=r"missing.*give"):
        load_model(tmp_path / "elsewhere")
