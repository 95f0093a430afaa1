"""The loop: runs that start, end, are interrupted, go on, and say what they did; with the tiny model on toy tasks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from playground.collecting.experts import expert_episode
from playground.demonstrations.packed import PackedTask, write_shard
from playground.errors import BadFileError, BadValueError
from playground.model import GeneralistModel, from_pretrained, preset, read_config, save_pretrained
from playground.training.collate import Batch
from playground.training.dataset import TaskData
from playground.training.optimizer import MasterWeights
from playground.training.sampler import Sampler
from playground.training.state import STATE, earlier_tasks, load_state, start_from
from playground.training.train import train
from tests.toy import ToyEnv, ToyExpert, toy_task
from tests.training.tiny import NO_DECAY, TINY, tiny


def masters() -> MasterWeights:
    return MasterWeights(GeneralistModel(preset("tiny")), NO_DECAY)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return from_pretrained(out).state_dict()


def start(out: Path, **training: Any) -> GeneralistModel:
    """A checkpoint to begin with."""
    torch.manual_seed(1)
    model = GeneralistModel(preset("tiny"))
    save_pretrained(model, out, {"steps": 700, "minutes": 3.0} | training)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_train_writes_a_checkpoint_and_resumes(root: Path, tmp_path: Path, precision: str) -> None:
    """Where bfloat16 is slow, in float32 and by AdamW alone."""
    out, recipe = tmp_path / "run", tiny(f"hardware.precision={precision}")
    train(recipe, out, root)
    config, training = read_config(out)
    assert config == preset("tiny") and training["tasks"] == ["toy/point", "toy/walk"] and training["steps"] == 6
    assert training["recipe"]["sampling"]["prompted"] == recipe.sampling.prompted
    with pytest.raises(BadValueError, match="already holds a training"):
        train(recipe, out, root)
    train(replace(recipe, steps=9), out, root, resume=True)
    assert read_config(out)[1]["steps"] == 9
    assert not list(out.glob(".unfinished*"))


def test_a_run_of_minutes_ends_by_the_clock(root: Path, tmp_path: Path) -> None:
    for steps in ("null", "1000000"):
        out = train(tiny("minutes=0.02", f"steps={steps}"), tmp_path / steps, root)
        training = read_config(out)[1]
        assert 0 < training["steps"] < 1000 and training["minutes"] <= 0.1


@pytest.mark.slow
def test_two_runs_of_one_seed_are_equal_and_another_seed_is_not(root: Path, tmp_path: Path) -> None:
    first, second, other = (
        weights(train(tiny("minutes=5", f"seed={seed}"), tmp_path / str(n), root)) for n, seed in enumerate((3, 3, 4))
    )
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
    assert any(not torch.equal(weight, other[name]) for name, weight in first.items())


@pytest.mark.slow
def test_an_interrupted_run_ends_as_it_would_have(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = weights(train(TINY, tmp_path / "whole", root))
    step, left = Sampler.step, 3

    def interrupted(self: Sampler, rng: np.random.Generator) -> Iterator[Batch]:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return step(self, rng)

    recipe = tiny("logging.probe_rows=0")
    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "parts", root)
    assert read_config(tmp_path / "parts")[1]["steps"] == 3
    found = weights(train(recipe, tmp_path / "parts", root, resume=True))
    assert all(torch.equal(weight, found[name]) for name, weight in whole.items())


@pytest.mark.slow
def test_a_checkpoint_without_state_is_trained_further_from_its_weights(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    model = start(out, tasks=["other/spoilt", "other/task"], goals_held_out=["other/task"])
    with pytest.raises(BadValueError, match="trained for 3 minutes already"):
        train(tiny("steps=null", "minutes=3"), out, root, resume=True)
    with pytest.raises(BadValueError, match="trained for 700 steps already"):
        train(TINY, out, root, resume=True)
    with pytest.raises(BadValueError, match="another model"):
        train(tiny("preset=small", "steps=704"), out, root, resume=True)
    further = tiny("optimization.learning_rate=1e-9", "steps=704")
    train(further, out, root, resume=True)
    after = read_config(out)[1]
    assert after["steps"] == 704 and after["minutes"] >= 3.0 and {"other/spoilt", "other/task"} < set(after["tasks"])
    assert "other/task" in after["goals_held_out"] and "other/spoilt" not in after["goals_held_out"]
    kept = from_pretrained(out)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(kept.get_parameter(name), parameter.detach().half().float(), atol=1e-5, rtol=1e-3)
    found = load_state(out, masters(), further)
    assert (found.schedule_step, found.schedule_seconds, found.optimizer_step) == (700, 180.0, 700)


@pytest.mark.slow
def test_a_short_run_from_weights_saves_what_it_learnt_not_what_it_began_with(root: Path, tmp_path: Path) -> None:
    """However many steps the weights had before, the average must not hold on to them."""
    out, found = tmp_path / "run", MasterWeights(start(tmp_path / "run", steps=10**6), NO_DECAY)
    began = found.weights.clone()
    train(tiny("optimization.ema=0.9999", f"steps={10**6 + 20}"), out, root, resume=True)
    found.load(load_file(out / STATE))
    assert (found.average - began).norm() > 0.5 * (found.weights - began).norm() > 0


def test_a_checkpoint_of_another_size_is_refused(root: Path, tmp_path: Path) -> None:
    """How much of an episode the context holds is no part of the weights."""
    out = tmp_path / "run"
    save_pretrained(GeneralistModel(replace(preset("tiny"), max_live=5)), out, {"steps": 700, "minutes": 3.0})
    train(tiny("optimization.learning_rate=1e-9", "steps=703"), out, root, resume=True)
    (out / STATE).unlink()
    with pytest.raises(BadValueError, match="another model"):
        train(tiny("model.text_layers=1", "steps=800"), out, root, resume=True)


@pytest.mark.parametrize("trainable", ["decoder.head.*,encoder.grid.*", "trunk.*"])
def test_frozen_parameters_stay_as_they_are(root: Path, tmp_path: Path, trainable: str) -> None:
    out = tmp_path / "run"
    start(out)
    before = weights(out)
    for steps in (703, 706):  # from the weights, then from the state
        train(tiny(f"optimization.trainable={trainable}", f"steps={steps}"), out, root, resume=True)
        moved = {name for name, weight in weights(out).items() if not torch.equal(weight, before[name])}
        assert moved and all(any(fnmatchcase(name, part) for part in trainable.split(",")) for name in moved)
    with pytest.raises(BadFileError, match="other optimisers"):
        train(tiny("steps=800"), out, root, resume=True)


@pytest.mark.slow
def test_a_run_that_distils_some_tasks_keeps_its_teacher(root: Path, tmp_path: Path) -> None:
    out, some = tmp_path / "run", tiny("train_tasks=toy/walk", "sampling.rows.grid=10")
    with pytest.raises(BadValueError, match="copy one to"):
        train(some, out, root)
    start(out)
    first = weights(out)
    for steps in (703, 706):  # from the weights, then from the state
        train(replace(some, steps=steps), out, root, resume=True)
        teacher, now = weights(out / "teacher"), weights(out)
        assert all(torch.equal(weight, teacher[name]) for name, weight in first.items())
        assert any(not torch.equal(weight, now[name]) for name, weight in first.items())


def test_what_is_held_out_is_not_trained_on_even_if_it_was_collected(root: Path, tmp_path: Path) -> None:
    train(tiny("held_out=toy/walk"), tmp_path / "run", root)
    assert read_config(tmp_path / "run")[1]["tasks"] == ["toy/point"]


def test_held_out_goals_are_measured_but_not_trained_on(tmp_path: Path) -> None:
    env = ToyEnv(discrete=False)
    goals = [(x, y) for x in np.linspace(-0.9, 0.9, 12) for y in np.linspace(-0.9, 0.9, 12)]
    episodes = [
        replace(expert_episode(toy_task(False), env, ToyExpert(env), seed=seed, goal=goal), task="toy/point")
        for goal in goals
        for seed in range(2)
    ]
    write_shard(tmp_path / "toy/point/000000", episodes, grouped=True, planned=len(episodes))
    task = TaskData.from_packed(PackedTask.open(tmp_path, "toy/point"), preset("tiny"))
    trained, held_out = task.hold_out(25)
    assert held_out is not None and 0 < len(held_out.demonstrations) < 0.15 * len(episodes)
    assert len(trained.demonstrations) + len(held_out.demonstrations) == len(episodes)
    shown = [{tuple(part.goal_tokens[i]) for i in part.demonstrations} for part in (trained, held_out)]
    assert not shown[0] & shown[1]
    train(tiny("logging.report_seconds=0"), tmp_path / "run", tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for row in rows:
        assert row["loss/grid"] > 0 and row["loss/goal"] > 0
        assert row["goal_loss/train"] > 0 and row["goal_loss/heldout"] > 0
        assert row["goal_loss/train"] != row["goal_loss/heldout"]


def test_the_learning_rate_falls_anew_only_in_a_run_that_was_made_longer(root: Path, tmp_path: Path) -> None:
    out = train(TINY, tmp_path / "run", root)
    first = load_state(out, masters(), TINY)
    assert first.seconds > 0 and first.step == 6 and first.schedule_seconds == first.schedule_step == 0
    again = replace(first, schedule_seconds=first.seconds, schedule_step=6)
    longer = replace(TINY, steps=9)
    assert load_state(out, masters(), longer) == again
    assert load_state(out, masters(), replace(TINY, steps=None, minutes=9)) == again
    assert load_state(out, masters(), replace(TINY, steps=5)) == first
    train(longer, out, root, resume=True)
    assert load_state(out, masters(), longer).schedule_step == 6


def test_goals_that_an_earlier_part_saw_stay_seen(tmp_path: Path) -> None:
    assert earlier_tasks(tmp_path) == (set(), set())
    training = {"tasks": ["toy/point", "toy/walk"], "goals_held_out": ["toy/walk"]}
    save_pretrained(GeneralistModel(preset("tiny")), tmp_path, training)
    assert earlier_tasks(tmp_path)[1] == {"toy/point"}


@pytest.mark.slow
def test_a_broken_state_is_refused_before_anything_is_overwritten(root: Path, tmp_path: Path) -> None:
    out, more = train(TINY, tmp_path / "run", root), replace(TINY, steps=9)
    whole = (out / STATE).read_bytes()
    (out / STATE).write_bytes(whole[: len(whole) // 2])
    before = (out / "model.safetensors").read_bytes()
    with pytest.raises(BadFileError, match="truncated"):
        train(more, out, root, resume=True)
    (out / STATE).write_bytes(whole)
    save_file(load_file(out / STATE), out / STATE, {"step": "6"})
    with pytest.raises(BadFileError, match="format None, this version reads 2"):
        train(more, out, root, resume=True)
    assert (out / "model.safetensors").read_bytes() == before
    found = masters()
    state = found.state()
    assert found.fits(state) and not found.fits(state | {"weights": found.weights[1:]})
    alike = {f"optimizer.{i}.exp_avg": found.weights for i in (0, 1)}
    assert not found.fits(state | alike)  # of a time when all was optimised alike: its weights lie in another order
    with pytest.raises(BadFileError, match=r"no state.* and no checkpoint"):
        train(TINY, tmp_path / "none", root, resume=True)
    with pytest.raises(BadFileError, match="no demonstrations"):
        train(tiny("tasks=nothing/*"), tmp_path / "none", root)


@pytest.mark.slow
def test_two_devices_train_one_model(root: Path, tmp_path: Path) -> None:
    """Lightning Fabric's own processes; both log through the first."""
    script = tmp_path / "two.py"
    script.write_text(
        "from pathlib import Path\n"
        "from playground.training.train import train\n"
        "from tests.training.tiny import tiny\n"
        f"train(tiny('hardware.devices=2'), Path({str(tmp_path / 'run')!r}), Path({str(root)!r}))\n",
        encoding="utf-8",
    )
    project = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(project)}
    subprocess.run([sys.executable, str(script)], check=True, cwd=project, timeout=120, env=environment)
    assert read_config(tmp_path / "run")[1]["steps"] == 6


def test_without_the_device_that_is_asked_for_nothing_is_trained(root: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        return
    with pytest.raises(BadValueError, match="accelerator is cuda"):
        train(tiny("hardware.accelerator=cuda"), tmp_path / "run", root)


def test_a_run_from_another_checkpoint_counts_from_zero(tmp_path: Path):
    torch.manual_seed(0)
    save_pretrained(
        GeneralistModel(preset("tiny")), tmp_path / "old", {"steps": 9, "minutes": 99.0, "tasks": ["toy/a"]}
    )
    start_from(tmp_path / "old", tmp_path / "new")
    assert read_config(tmp_path / "new") == (preset("tiny"), {"tasks": ["toy/a"]})
    assert (tmp_path / "new/model.safetensors").read_bytes() == (tmp_path / "old/model.safetensors").read_bytes()
    with pytest.raises(BadValueError, match="give a new folder as --out"):
        start_from(tmp_path / "old", tmp_path / "old")
