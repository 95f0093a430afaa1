"""Batches, loss and loop, on the toy domain and with the tiny model."""

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from playground.agent import read_prompt
from playground.collecting.rollouts import rollout
from playground.demonstrations.packed import PackedTask, write_shard
from playground.errors import BadFileError, BadValueError, UnknownNameError
from playground.model import GeneralistModel, from_pretrained, preset, read_config, save_pretrained
from playground.prompt import Prompt
from playground.tokens.scalars import decode_continuous
from playground.tokens.text import PADDING, decode_text
from playground.tokens.timestep import CONTINUOUS_START
from playground.training.batches import Sampler, Sequence, TaskData, pack
from playground.training.cloning import MasterWeights, cloning_loss
from playground.training.recipe import RECIPES, Recipe, recipe
from playground.training.train import STATE, Progress, _earlier, _load_state, learning_rate, load_data, train
from tests.toy import ToyEnv, ToyExpert, toy_task

GOALS = ((0.5, 0.5), (-0.5, 0.5), (0.5, -0.5), (-0.5, -0.5))
TINY = Recipe(preset="tiny", minutes=0.05, rows=(("grid", 4),), shares=(("grid", 1.0),), warmup=5)


@pytest.fixture(autouse=True)
def quick_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every machine trains as one with quick bfloat16 does."""
    monkeypatch.setattr("playground.training.train.halves_are_slow", lambda: False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two toy tasks, 4 goals with 3 episodes each."""
    root = tmp_path_factory.mktemp("packed")
    for name, discrete in (("point", False), ("walk", True)):
        env = ToyEnv(discrete=discrete)
        episodes = []
        for goal in GOALS:
            for seed in range(3):
                episode = rollout(toy_task(discrete), env, ToyExpert(env), seed=seed, goal=goal)
                episodes.append(replace(episode, task=f"toy/{name}"))
        write_shard(root / "toy" / name / "000000", episodes, grouped=True, planned=12)
    return root


@pytest.fixture(scope="module")
def data(root: Path) -> list[TaskData]:
    return [TaskData.load(PackedTask.open(root, f"toy/{name}"), preset("tiny")) for name in ("point", "walk")]


def sampler(data: list[TaskData], layout: str = "step", told: float = 0.0, **changes: float) -> Sampler:
    options = {"prompted": 1.0, "from_end": 0.5, "corrected": 0.6} | changes
    return Sampler(data, replace(preset("tiny"), layout=layout), {"grid": 6}, 4, {}, {}, **options, told={"grid": told})


def test_prompts_come_from_another_episode_of_the_same_goal(data: list[TaskData]) -> None:
    draw = sampler(data)
    rng = np.random.default_rng(0)
    for _ in range(200):
        sequence = draw._sequence(data[0], rng)
        assert sequence.prompt_episode != sequence.live_episode
        assert sequence.prompt_episode // 3 == sequence.live_episode // 3  # three episodes a goal, in order
        assert 1 <= len(sequence.prompt) <= preset("tiny").max_prompt
        assert 1 <= len(sequence.live) <= preset("tiny").max_live
        start, length = data[0].start[sequence.prompt_episode], data[0].length[sequence.prompt_episode]
        assert start <= sequence.prompt.min() and sequence.prompt.max() < start + length


def test_tasks_are_drawn_as_often_as_asked_within_their_domain(data: list[TaskData]) -> None:
    other = replace(data[0], id="other/point")
    draw = Sampler([*data, other], preset("tiny"), {"grid": 6}, 4, {"toy": 3.0}, {"toy/walk": 2.0}, 1.0, 0.5, 0.6, {})
    np.testing.assert_allclose(draw.chances["grid", False], [0.25, 0.5, 0.25])


def test_prompted_and_end_shares_are_what_the_recipe_says(data: list[TaskData]) -> None:
    draw = sampler(data, prompted=0.6, from_end=1.0)
    rng = np.random.default_rng(0)
    drawn = [draw._sequence(data[0], rng) for _ in range(600)]
    assert 0.5 < np.mean([len(s.prompt) > 0 for s in drawn]) < 0.7
    for s in drawn:
        if len(s.prompt):
            assert s.prompt[-1] == data[0].start[s.prompt_episode] + data[0].length[s.prompt_episode] - 1


def test_loss_is_taken_on_live_steps_only(data: list[TaskData]) -> None:
    draw = sampler(data)
    sequences = [draw._sequence(task, np.random.default_rng(i)) for i, task in enumerate(data * 3)]
    batch = pack([[sequence] for sequence in sequences], preset("tiny"))
    for row, sequence in enumerate(sequences):
        P, N = len(sequence.prompt), len(sequence)
        assert (batch.weight[row, :P] == 0).all() and (batch.weight[row, N:] == 0).all()
        assert (batch.weight[row, P:N] > 0).all()
        assert batch.steps.show_action[row].nonzero().ravel().tolist() == list(range(P))
    assert batch.steps.discrete[:, 0].tolist() == [False, True] * 3


def test_own_past_actions_are_hidden(data: list[TaskData]) -> None:
    """The outputs of the trunk do not depend on the actions of live steps, but do on those of the prompt."""
    batch = pack([[sampler(data)._sequence(data[0], np.random.default_rng(3))]], preset("tiny"))
    model = GeneralistModel(preset("tiny")).eval()
    live = batch.weight > 0
    with torch.inference_mode():
        before = model(batch.steps)
        changed = batch.steps.actions.clone()
        changed[live] = (changed[live] + 100) % 256
        same = model(replace(batch.steps, actions=changed))
        changed = batch.steps.actions.clone()
        changed[~live] = (changed[~live] + 100) % 256
        other = model(replace(batch.steps, actions=changed))
    assert torch.equal(before, same)
    assert not torch.allclose(before[live], other[live])


@pytest.mark.parametrize("layout", ["step", "flat"])
def test_sequences_of_one_row_do_not_see_each_other(data: list[TaskData], layout: str) -> None:
    """Packed into one row, sequences give the loss that they give alone."""
    draw = sampler(data, layout)
    config = draw.config
    model = GeneralistModel(config).eval()
    sequences = [draw._sequence(data[0], np.random.default_rng(i)) for i in range(2)]
    sequences = [replace(s, prompt=s.prompt[:4], live=s.live[:4], weight=s.weight[:4]) for s in sequences]
    with torch.inference_mode():
        together = cloning_loss(model, pack([sequences], config))
        alone = [cloning_loss(model, pack([[s]], config)) for s in sequences]
    for whole, *parts in zip(together, *alone, strict=True):
        assert whole.item() == pytest.approx(sum(part.item() for part in parts), rel=1e-4) and whole > 0


def test_under_a_twentieth_of_the_rows_is_padding(data: list[TaskData]) -> None:
    batches = [batch for i in range(20) for _, batch in sampler(data).step(np.random.default_rng(i))]
    assert sum(batch.filled for batch in batches) > 0.95 * sum(batch.weight.numel() for batch in batches)


@pytest.mark.parametrize("length", [1, 2, 5, 9, 100])
def test_a_sequence_cut_to_fit_keeps_the_end_of_its_prompt_and_live_steps(data: list[TaskData], length: int) -> None:
    whole = sampler(data)._sequence(data[0], np.random.default_rng(0))
    cut = whole.cut(length)
    assert len(cut) == min(length, len(whole)) and 1 <= len(cut.live) == len(cut.weight)
    assert np.array_equal(cut.live, whole.live[: len(cut.live)])
    assert np.array_equal(cut.prompt, whole.prompt[len(whole.prompt) - len(cut.prompt) :])


@pytest.mark.parametrize("layout", ["step", "flat"])
def test_loss_falls_and_gradients_reach_what_is_used(data: list[TaskData], layout: str) -> None:
    torch.manual_seed(0)
    draw = sampler(data, layout)
    model = GeneralistModel(replace(preset("tiny"), layout=layout))
    masters = MasterWeights(model, 0.0, 0.9)
    losses, misread = [], []
    for step in range(40 if layout == "step" else 12):
        total = weight = prompts = unread = 0.0
        for _, batch in draw.step(np.random.default_rng(step)):
            loss, asked = cloning_loss(model, batch)
            (loss / 200 + asked / 20).backward()
            total, weight = total + loss.item(), weight + float(batch.weight.sum())
            unread, prompts = unread + asked.item(), prompts + len(batch.asked)
        masters.update(masters.take_gradient(), 3e-3, 1.0, step)
        masters.write(masters.weights)
        losses.append(total / weight)
        misread.append(unread / prompts)
    for found in (losses, misread):
        assert np.mean(found[-5:]) < 0.9 * np.mean(found[:3])


def test_a_trained_agent_tells_what_prompts_it_never_saw_ask_for(data: list[TaskData]) -> None:
    torch.manual_seed(0)
    draw = sampler(data, told=1.0)
    model = GeneralistModel(draw.config)
    masters = MasterWeights(model, 0.0, 0.9)
    env = ToyEnv(discrete=False)
    demonstrations = [rollout(toy_task(False), env, ToyExpert(env), seed=99, goal=goal) for goal in GOALS]

    def told() -> list[str]:
        return [read_prompt(model, Prompt.from_episode(episode)).goal for episode in demonstrations]

    before = told()
    for step in range(150):
        for _, batch in draw.step(np.random.default_rng(step)):
            _, asked = cloning_loss(model, batch)
            (asked / len(batch.asked)).backward()
        masters.update(masters.take_gradient(), 3e-3, 1.0, step)
        masters.write(masters.weights)
    wanted = [", ".join(f"{number:.2f}" for number in goal) for goal in GOALS]
    assert told() == wanted != before


def test_some_sequences_are_only_told(data: list[TaskData]) -> None:
    rng, draw = np.random.default_rng(0), sampler(data, told=0.4)
    assert 0.3 < np.mean([len(draw._sequence(data[0], rng).live) == 0 for _ in range(600)]) < 0.5
    batch = pack([[s for s in (draw._sequence(data[0], rng) for _ in range(40)) if not len(s.live)][:2]], draw.config)
    loss, asked = cloning_loss(GeneralistModel(draw.config), batch)
    assert loss == 0 and asked > 0


def test_live_steps_of_worlds_without_text_have_the_words_that_the_prompt_tells(tmp_path: Path) -> None:
    env, words = ToyEnv(discrete=True), ("go to the red door", "pick up a key")
    episodes = []
    for goal, text in zip(GOALS, words, strict=False):
        for seed in range(2):
            episode = rollout(toy_task(True), env, ToyExpert(env), seed=seed, goal=goal)
            mute = episode.observations | {"mission": np.full(len(episode) + 1, "")}
            episodes.append(replace(episode, task="toy/mute", goal=text, observations=mute))
    write_shard(tmp_path / "toy/mute/000000", episodes, grouped=True, planned=4, histories=[0, 0, 0, 3])
    task = TaskData.load(PackedTask.open(tmp_path, "toy/mute"), preset("tiny"))
    draw, rng = sampler([task]), np.random.default_rng(0)

    def texts(row: Sequence) -> list[str]:
        steps = pack([[row]], draw.config).steps
        assert steps.text is not None and steps.text_index is not None
        return [decode_text(steps.text[i][steps.text[i] > 0].numpy()) for i in steps.text_index[0, : len(row)]]

    drawn = [draw._sequence(task, rng) for _ in range(60)]
    assert any(0 < sequence.history < len(sequence.live) for sequence in drawn)
    for sequence in drawn:
        told = words[sequence.live_episode // 2]
        aimless = len(sequence.prompt) + sequence.history
        assert texts(sequence) == aimless * [""] + (len(sequence) - aimless) * [told]
    alone = replace(drawn[0], prompt=drawn[0].prompt[:0])
    assert set(texts(alone)) == {""}


def test_prompts_ask_for_their_goal(data: list[TaskData]) -> None:
    """At the prompt's last timestep, with the goal's two numbers and the padding that ends them."""
    batch = next(batch for _, batch in sampler(data, told=0.3).step(np.random.default_rng(0)))
    shown = batch.steps.show_action.flatten()
    assert len(batch.asked) > 3 and bool(shown[batch.asked_at].all()) and not shown[batch.asked_at + 1].all()
    np.testing.assert_allclose(
        decode_continuous(data[0].asked[:, :2] - CONTINUOUS_START), np.repeat(GOALS, 3, 0), atol=0.01
    )
    assert {tuple(row) for row in batch.asked.tolist()} <= {tuple(row) for row in data[0].asked.tolist()}
    assert set(batch.asked[:, 2].tolist()) == {PADDING} and set(batch.asked[:, 3:].flatten().tolist()) == {-1}


def test_masters_keep_what_bfloat16_loses() -> None:
    model = GeneralistModel(preset("tiny")).bfloat16()
    masters = MasterWeights(model, 0.0, 0.9)
    before = masters.weights.clone()
    for step in range(10):
        masters.update(torch.ones_like(masters.weights), 1e-6, 1e9, step)
    inner = sum(p.numel() for name, p in model.named_parameters() if name.startswith("trunk.") and p.ndim == 2)
    moved = (before - masters.weights)[inner:].mean().item()
    assert moved == pytest.approx(1e-5, rel=0.05)  # ten steps, each below bfloat16's resolution of most weights
    assert masters.update(torch.full_like(masters.weights, float("nan")), 1.0, 1.0, 10) != 0
    assert torch.isfinite(masters.weights).all()


def test_the_trunks_matrices_move_in_every_direction_alike() -> None:
    model = GeneralistModel(preset("tiny"))
    masters = MasterWeights(model, 0.0, 0.9)
    weight = model.trunk.blocks[0].attention.qkv.weight
    before = weight.detach().clone()
    torch.manual_seed(0)
    gradient = torch.cat([torch.randn(p.numel()) * torch.linspace(1e-3, 1, p.numel()) for p in masters.parameters])
    masters.update(gradient, 1e-2, 1e9, 0)
    width = weight.shape[1]
    for moved in (weight - before).detach().split(width):  # queries, keys, values
        length = torch.linalg.svdvals(moved) / (1e-2 * 0.2 * width**0.5)
        assert length.median() > 0.6 and length.max() < 1.5  # what the Newton-Schulz iteration leaves


@pytest.mark.parametrize("slow", [True, False])
def test_train_writes_a_checkpoint_and_resumes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    """Where bfloat16 is slow, in float32 and by AdamW alone."""
    monkeypatch.setattr("playground.training.train.halves_are_slow", lambda: slow)
    out = tmp_path / "run"
    train(TINY, out, root, "toy/*", accelerator="cpu")
    config, training = read_config(out)
    assert config == preset("tiny") and training["tasks"] == ["toy/point", "toy/walk"] and training["steps"] > 0
    from_pretrained(out)
    with pytest.raises(BadValueError, match="already holds a training"):
        train(TINY, out, root, "toy/*", accelerator="cpu")
    train(TINY, out, root, "toy/*", minutes=0.1, resume=True, accelerator="cpu")
    assert read_config(out)[1]["steps"] > training["steps"]
    assert not list(out.glob(".unfinished*"))


def test_a_checkpoint_without_state_is_trained_further_from_its_weights(root: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model, out = GeneralistModel(preset("tiny")), tmp_path / "run"
    trained = {"steps": 700, "minutes": 3.0, "tasks": ["other/spoilt", "other/task"], "goals_held_out": ["other/task"]}
    save_pretrained(model, out, trained)
    with pytest.raises(BadValueError, match="trained for 3 minutes already"):
        train(TINY, out, root, "toy/*", resume=True, accelerator="cpu")
    with pytest.raises(BadValueError, match="another model"):
        train(replace(TINY, preset="small"), out, root, "toy/*", minutes=4, resume=True, accelerator="cpu")
    train(replace(TINY, learning_rate=1e-9), out, root, "toy/*", minutes=3.02, resume=True, accelerator="cpu")
    after = read_config(out)[1]
    assert after["steps"] > 700 and after["minutes"] == 3.0 and {"other/spoilt", "other/task"} < set(after["tasks"])
    assert "other/task" in after["goals_held_out"] and "other/spoilt" not in after["goals_held_out"]
    kept = from_pretrained(out)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(kept.get_parameter(name), parameter.detach().half().float(), atol=1e-5, rtol=1e-3)
    masters = MasterWeights(GeneralistModel(preset("tiny")), 0.0, 0.9)
    found = _load_state(out, masters, TINY)
    assert (found.began, found.fresh) == (180.0, 700)


def test_a_short_run_from_weights_saves_what_it_learnt_not_what_it_began_with(root: Path, tmp_path: Path) -> None:
    """However many steps the weights had before, the average must not hold on to them."""
    torch.manual_seed(1)
    model, out, slow = GeneralistModel(preset("tiny")), tmp_path / "run", replace(TINY, ema=0.9999)
    save_pretrained(model, out, {"steps": 10**6, "minutes": 3.0})
    masters = MasterWeights(model, 0.0, 0.9)
    start = masters.weights.clone()
    train(slow, out, root, "toy/*", minutes=3.05, resume=True, accelerator="cpu")
    masters.load(load_file(out / STATE))
    assert (masters.average - start).norm() > 0.5 * (masters.weights - start).norm() > 0


@pytest.mark.parametrize("parts", ["*", "trunk.*"])
def test_a_checkpoint_with_fewer_layers_for_texts_is_given_more(root: Path, tmp_path: Path, parts: str) -> None:
    torch.manual_seed(1)
    small, out = GeneralistModel(replace(preset("tiny"), text_layers=1, word_heads=0)).eval(), tmp_path / "run"
    save_pretrained(small, out, {"steps": 700, "minutes": 3.0})
    train(
        replace(TINY, learning_rate=1e-9, parts=(parts,)),
        out,
        root,
        "toy/*",
        minutes=3.02,
        resume=True,
        accelerator="cpu",
    )
    grown = from_pretrained(out)
    assert grown.config == preset("tiny")
    words, there = torch.randn(3, 5, small.config.width), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0] * 5]) > 0
    with torch.no_grad():
        torch.testing.assert_close(
            grown.encoder.text(words, there).vectors, small.encoder.text(words, there).vectors, atol=1e-3, rtol=1e-2
        )
    fewer = replace(TINY, model=(("text_layers", 1), ("word_heads", 0)))
    with pytest.raises(BadValueError, match="another model"):
        (out / "state.safetensors").unlink()
        train(fewer, out, root, "toy/*", minutes=4, resume=True, accelerator="cpu")


@pytest.mark.parametrize("parts", [("head.*", "encoder.grid.*"), ("trunk.*",)])
def test_parts_that_are_not_trained_stay_as_they_are(root: Path, tmp_path: Path, parts: tuple[str, ...]) -> None:
    torch.manual_seed(1)
    out, only = tmp_path / "run", replace(TINY, parts=parts)
    save_pretrained(GeneralistModel(preset("tiny")), out, {"steps": 700, "minutes": 3.0})
    before = from_pretrained(out).state_dict()
    for minutes in (3.05, 3.1):  # from the weights, then from the state
        train(only, out, root, "toy/*", minutes=minutes, resume=True, accelerator="cpu")
        after = from_pretrained(out).state_dict()
        moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
        assert moved and all(any(fnmatchcase(name, part) for part in parts) for name in moved)
    with pytest.raises(BadFileError, match="other optimisers"):
        train(TINY, out, root, "toy/*", minutes=4, resume=True, accelerator="cpu")


def test_tasks_to_be_learnt_and_those_that_stay_share_the_rows(data: list[TaskData]) -> None:
    stays = replace(data[0], id="toy/known", stays=True)
    assert sampler([*data, stays]).rows == pytest.approx({("grid", False): 1.2, ("grid", True): 4.8})
    assert sampler(data).rows == {("grid", False): 6} and sampler([stays]).rows == {("grid", True): 6}
    batches = [batch for i in range(4) for _, batch in sampler([*data, stays]).step(np.random.default_rng(i))]
    assert {batch.stays for batch in batches} == {False, True}


def test_where_it_stays_corrections_are_drawn_however_few(data: list[TaskData]) -> None:
    task = replace(data[0], demonstrations=np.arange(11), corrections=np.array([11]))
    for stays, least, most in ((False, 0, 40), (True, 500, 700)):
        rng = np.random.default_rng(0)
        drawn = [sampler([task])._sequence(replace(task, stays=stays), rng).live_episode for _ in range(1000)]
        assert least <= drawn.count(11) <= most


def test_where_it_stays_the_model_is_taught_by_what_it_was(data: list[TaskData]) -> None:
    """Its own earlier distributions leave it where it is; the experts' actions, and another model's, do not."""
    torch.manual_seed(1)
    model, other = GeneralistModel(preset("tiny")), GeneralistModel(preset("tiny")).eval()
    before = GeneralistModel(preset("tiny")).eval()
    before.load_state_dict(model.state_dict())

    sequences = [[sampler(data)._sequence(task, np.random.default_rng(i))] for i, task in enumerate(data * 2)]

    def pull(teacher: GeneralistModel | None) -> float:
        """The gradient's norm."""
        model.zero_grad()
        sum(cloning_loss(model, pack(sequences, preset("tiny")), teacher)).backward()
        return torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm().item()

    assert pull(before) < 1e-3 * pull(None)
    assert pull(other) > 10 * pull(before)


def test_a_run_that_learns_some_tasks_keeps_what_it_began_with(root: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    out, some = tmp_path / "run", replace(TINY, learn=("toy/walk",))
    with pytest.raises(BadValueError, match="copy a checkpoint"):
        train(some, out, root, "toy/*", accelerator="cpu")
    save_pretrained(GeneralistModel(preset("tiny")), out, {"steps": 700, "minutes": 3.0})
    first = from_pretrained(out).state_dict()
    for minutes in (3.05, 3.1):  # from the weights, then from the state
        train(some, out, root, "toy/*", minutes=minutes, resume=True, accelerator="cpu")
        kept, now = from_pretrained(out / "before").state_dict(), from_pretrained(out).state_dict()
        assert all(torch.equal(weight, kept[name]) for name, weight in first.items())
        assert any(not torch.equal(weight, now[name]) for name, weight in first.items())


def test_what_is_held_out_is_not_loaded_even_if_it_was_collected(root: Path) -> None:
    held_out = replace(TINY, held_out=("toy/walk",))
    assert [task.id for task in load_data(root, held_out)] == ["toy/point"]
    assert {"atari/Boxing", "babyai/PickupDist-hidden"} <= set(RECIPES["cpu"].held_out) & set(RECIPES["gpu"].held_out)


def test_goals_kept_back_are_told_but_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = ToyEnv(discrete=False)
    goals = [(x, y) for x in np.linspace(-0.9, 0.9, 12) for y in np.linspace(-0.9, 0.9, 12)]
    episodes = [
        replace(rollout(toy_task(False), env, ToyExpert(env), seed=seed, goal=goal), task="toy/point")
        for goal in goals
        for seed in range(2)
    ]
    write_shard(tmp_path / "toy/point/000000", episodes, grouped=True, planned=len(episodes))
    task = TaskData.load(PackedTask.open(tmp_path, "toy/point"), preset("tiny"))
    rest, back = task.keep_back()
    assert back is not None and 0 < len(back.demonstrations) < 0.15 * len(episodes)
    assert len(rest.demonstrations) + len(back.demonstrations) == len(episodes)
    told = [{tuple(part.asked[i]) for i in part.demonstrations} for part in (rest, back)]
    assert not told[0] & told[1]
    monkeypatch.setattr("playground.training.train.REPORT_SECONDS", 0.0)
    train(TINY, tmp_path / "run", tmp_path, "toy/*", accelerator="cpu")
    row = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert row["told"] > 0 and row["told_unseen"] > 0 and row["told"] != row["told_unseen"]


def test_few_goals_are_all_trained_on(data: list[TaskData]) -> None:
    assert all(task.keep_back() == (task, None) for task in data)


def test_the_learning_rate_falls_anew_only_in_a_run_that_was_given_more_minutes(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(TINY, out, root, "toy/*", accelerator="cpu")
    masters = MasterWeights(GeneralistModel(preset("tiny")), 0.0, 0.9)
    first = _load_state(out, masters, TINY)
    assert first.elapsed > 0 and first.began == 0
    longer = replace(TINY, minutes=2 * TINY.minutes)
    assert _load_state(out, masters, longer) == replace(first, began=first.elapsed)
    train(longer, out, root, "toy/*", resume=True, accelerator="cpu")
    assert _load_state(out, masters, longer).began == first.elapsed


def test_goals_that_an_earlier_part_saw_stay_seen(tmp_path: Path) -> None:
    assert _earlier(tmp_path) == (set(), set())
    training = {"tasks": ["toy/point", "toy/walk"], "goals_held_out": ["toy/walk"]}
    save_pretrained(GeneralistModel(preset("tiny")), tmp_path, training)
    assert _earlier(tmp_path)[1] == {"toy/point"}


def test_a_broken_state_is_refused_before_anything_is_overwritten(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(TINY, out, root, "toy/*", accelerator="cpu")
    whole = (out / "state.safetensors").read_bytes()
    (out / "state.safetensors").write_bytes(whole[: len(whole) // 2])
    weights = (out / "model.safetensors").read_bytes()
    with pytest.raises(BadFileError, match="truncated"):
        train(TINY, out, root, "toy/*", minutes=1, resume=True, accelerator="cpu")
    assert (out / "model.safetensors").read_bytes() == weights
    masters = MasterWeights(GeneralistModel(preset("tiny")), 0.0, 0.9)
    state = masters.state()
    assert masters.fits(state) and not masters.fits(state | {"weights": masters.weights[1:]})
    only_one = state | {
        "optimizer.0.exp_avg": masters.weights,
        "optimizer.1.exp_avg": masters.weights,
    }
    assert not masters.fits(only_one)  # of a time when all was optimised alike: its weights lie in another order
    with pytest.raises(BadFileError, match=r"no state.* and no checkpoint"):
        train(TINY, tmp_path / "none", root, "toy/*", resume=True, accelerator="cpu")
    with pytest.raises(BadFileError, match="no demonstrations"):
        train(TINY, tmp_path / "none", root, "nothing/*", accelerator="cpu")


def test_two_devices_train_one_model(root: Path, tmp_path: Path) -> None:
    """Lightning Fabric's own processes; both log through the first."""
    import subprocess
    import sys

    script = tmp_path / "two.py"
    script.write_text(
        "from pathlib import Path\n"
        "from playground.training.train import train\n"
        "from tests.training.test_train import TINY\n"
        f"train(TINY, Path({str(tmp_path / 'run')!r}), Path({str(root)!r}), 'toy/*', accelerator='cpu', devices=2)\n"
    )
    project = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, str(script)],
        check=True,
        cwd=project,
        timeout=120,
        env={**_environment(), "PYTHONPATH": str(project)},
    )
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["steps"] > 0


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "OMP_NUM_THREADS": "1"}


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    r = RECIPES["cpu"]
    half, end = r.minutes * 30, r.minutes * 60
    assert learning_rate(r, Progress()) == pytest.approx(r.learning_rate / r.warmup)
    assert learning_rate(r, Progress(r.warmup)) == pytest.approx(r.learning_rate)
    assert learning_rate(r, Progress(10**6, half)) == pytest.approx(r.learning_rate / 2)
    assert learning_rate(r, Progress(10**6, end)) == pytest.approx(0.0)
    again = r.restart * r.learning_rate
    assert learning_rate(r, Progress(10**6, half, half)) == pytest.approx(again)
    assert learning_rate(r, Progress(10**6, half, half, fresh=10**6)) == pytest.approx(again / r.warmup)
    assert learning_rate(r, Progress(10**6, end, half)) == pytest.approx(0.0)
    with pytest.raises(UnknownNameError, match="did you mean cpu"):
        recipe("cpus")
    with pytest.raises(BadValueError):
        Recipe(minutes=0)
    with pytest.raises(BadValueError, match="told of grid is 2"):
        Recipe(told=(("grid", 2),))
