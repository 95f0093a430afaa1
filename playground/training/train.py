"""The training loop: behavioural cloning on packed demonstrations, on as many devices as Lightning Fabric is given.

Every device draws its own sequences, and the gradients are averaged as one vector. A run that was stopped at any moment
goes on from its last saved state.
"""

import json
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from playground.demonstrations.packed import packed_tasks
from playground.errors import BadFileError, BadValueError
from playground.files import check_folder_target
from playground.model import GeneralistModel, save_pretrained
from playground.parallel import Workers, cores
from playground.training.collate import Batch
from playground.training.dataset import TaskData
from playground.training.loss import cloning_loss
from playground.training.optimizer import MasterWeights, bfloat16_is_slow, freeze
from playground.training.recipe import Hardware, Recipe, as_record
from playground.training.sampler import Sampler
from playground.training.sources import CollectedData, PlayedData, Source
from playground.training.state import (
    STATE,
    TrainingState,
    earlier_tasks,
    learning_rate,
    load_state,
    load_teacher,
    load_weights,
    save_state,
)

LOG = "log.jsonl"


def train(
    recipe: Recipe, out: Path, data: Path | None = None, resume: bool = False, workers: Workers | None = None
) -> Path:
    """Trains a checkpoint and writes it to `out`; see `Recipe` for what is done.

    Args:
        recipe: how to train.
        out: checkpoint folder; also holds what resuming needs, and log.jsonl.
        data: folder of packed episodes. None: players play while the learner learns; then a run that is there goes on.
        resume: goes on from the state in `out`; in a run that is made longer, the learning rate falls anew. Where there
            is a checkpoint without state (a copy of the shipped one, say), from its weights.
        workers: players: processes, or a cluster's address; the cores that the learner leaves if left out.

    Returns:
        `out`.

    Raises:
        BadFileError: no data, or nothing to resume from.
        BadValueError: `out` holds a training and `resume` is not asked for, or its weights are of another model, or
            have been trained for as long already; or there is no device of that kind; or tasks are to be distilled and
            there is no checkpoint to begin with; or `out` cannot be written.
    """
    check_folder_target(out)
    if data is None and (out / STATE).is_file():
        resume = True
    _check(recipe, out, data, resume)
    fabric, muon = _launch(recipe.hardware)
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)

    # Model and optimiser. Weights are drawn in float32 and rounded once: the masters start from what the model holds.
    with fabric.init_module():
        model = GeneralistModel(recipe.config)
    model = model.to(fabric.device)
    freeze(model, recipe.optimization.trainable)
    masters = MasterWeights(model, recipe.optimization, muon)

    # Where it goes on.
    start, trained_before, goals_seen = TrainingState(), set[str](), set[str]()
    if resume:
        start = (load_state if (out / STATE).is_file() else load_weights)(out, masters, recipe)
        trained_before, goals_seen = earlier_tasks(out)
    if recipe.hardware.compile:
        model.trunk = torch.compile(model.trunk, dynamic=True)  # type: ignore[assignment]

    # Data: some goals are held out, and both splits are probed at every report.
    source: Source
    if data is not None:
        source = CollectedData(recipe, data)
    else:
        source = PlayedData(recipe, out, max(1, cores() - 1) if workers is None else workers)
    teacher = None
    if any(not recipe.clones(task.id) for task in source.tasks):
        teacher = load_teacher(out, model)

    is_first = fabric.global_rank == 0
    state, began = start, time.monotonic()
    saved = reported = began
    window = _Window()
    about: dict[str, list[str]] | None = None
    model.train()
    with _progress_bar(disable=not is_first) as bar:
        row = bar.add_task("training", total=1.0)
        try:
            while not state.is_done(recipe):
                # What is new.
                if (fresh := source.sampler(state)) is not None:
                    sampler, shares = fresh, recipe.loss.shares(fresh.modalities)
                    probes = _probes(source, recipe)
                    about = _about(source.tasks, trained_before, goals_seen)

                # Draw sequences; every step of every device has a generator of its own.
                batches = list(sampler.step(np.random.default_rng((recipe.seed, fabric.global_rank, state.step))))

                # Gradient of the loss, averaged over the devices.
                losses = _backward(fabric, model, teacher, batches, shares, recipe.loss.goal)
                window.add(losses, batches)
                gradient = _mean(fabric, masters.take_gradient())

                # Update.
                rate = learning_rate(recipe, state)
                masters.update(gradient, rate, state.step - state.optimizer_step)
                now = time.monotonic()
                seconds = _agree(fabric, start.seconds + now - began)
                state = replace(state, step=state.step + 1, seconds=seconds)

                # Report.
                bar.update(row, completed=state.progress(recipe), description=f"step {state.step}")
                if is_first and (now - reported > recipe.logging.report_seconds or state.is_done(recipe)):
                    report = window.means(now - reported) | _goal_losses(model, probes) | source.report(state.step)
                    _log(out, bar, {"step": state.step, "seconds": round(seconds), "learning_rate": rate, **report})
                    window, reported = _Window(), now

                # Save.
                if is_first and now - saved > recipe.logging.save_seconds:
                    _save(out, model, masters, state, recipe, about or {})
                    source.save(out)
                    saved = now
        finally:
            source.close()
            if is_first and about is not None:
                _save(out, model, masters, state, recipe, about)
                source.save(out)
    return out


def _check(recipe: Recipe, out: Path, data: Path | None, resume: bool) -> None:
    """Refuses what cannot be trained before anything slow is done."""
    if resume and not (out / STATE).is_file() and not (out / "config.json").is_file():
        raise BadFileError(f"{out}: no {STATE} and no checkpoint to resume from; leave out the resume option")
    if not resume and (out / STATE).exists():
        raise BadValueError(f"{out} already holds a training; resume it or give another folder")
    if recipe.hardware.accelerator == "cuda" and not torch.cuda.is_available():
        raise BadValueError("hardware.accelerator is cuda, and PyTorch finds no such device; set it to cpu")
    if data is None:
        if (recipe.hardware.devices, recipe.hardware.nodes) != (1, 1):
            raise BadValueError("players play for one device; collect first and give the folder with --data")
        return
    found = [id for id in packed_tasks(data) if recipe.takes(id)]
    if not found:
        raise BadFileError(f"{data}: no demonstrations of {', '.join(recipe.tasks)}; run `playground collect` first")
    if not resume and not all(recipe.clones(id) for id in found):
        raise BadValueError(
            f"some tasks are distilled from the checkpoint that a run begins with; copy one to {out} and resume it"
        )


def _launch(hardware: Hardware) -> tuple[Fabric, bool]:
    """Starts the processes of all devices; returns whether Muon is to be used, too."""
    is_bfloat16 = hardware.precision == "bfloat16"
    if hardware.precision == "auto":
        is_bfloat16 = hardware.accelerator != "cpu" or not bfloat16_is_slow()
    fabric = Fabric(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        precision="bf16-true" if is_bfloat16 else "32-true",
    )
    fabric.launch()
    torch.set_float32_matmul_precision("high")
    return fabric, is_bfloat16


def _probes(source: Source, recipe: Recipe) -> dict[str, list[Batch]]:
    """Prompts whose goals are trained on, and of the same tasks those that are not."""
    split = {task.id for task in source.held_out}
    trained = [task for task in source.tasks if task.id in split]
    return {"goal_loss/train": _probe(trained, recipe), "goal_loss/heldout": _probe(source.held_out, recipe)}


def _probe(tasks: list[TaskData], recipe: Recipe) -> list[Batch]:
    """Prompts alone, always the same ones, whose goals are to be predicted."""
    rows = dict.fromkeys(recipe.sampling.rows, float(recipe.logging.probe_rows))
    if not recipe.logging.probe_rows:
        return []
    sampling = replace(
        recipe.sampling,
        rows=rows,
        batch_rows=recipe.logging.probe_rows,
        domain_weights={},
        task_weights={},
        prompted=1.0,
        corrections=0.0,
        goal_only=dict.fromkeys(rows, 1.0),
    )
    return list(Sampler(tasks, recipe.config, sampling).step(np.random.default_rng(0)))


def _about(tasks: list[TaskData], trained_before: set[str], goals_seen: set[str]) -> dict[str, list[str]]:
    """What config.json says of the tasks: all that were trained on, and those whose held-out goals never were."""
    here = {task.id for task in tasks}
    held_out = {task.id for task in tasks if task.goals_held_out} | (trained_before - here)
    return {"tasks": sorted(trained_before | here), "goals_held_out": sorted(held_out - goals_seen)}


def _backward(
    fabric: Fabric,
    model: GeneralistModel,
    teacher: GeneralistModel | None,
    batches: list[Batch],
    shares: dict[str, float],
    goal_weight: float,
) -> dict[str, float]:
    """Adds the gradient of one step's loss to the model's; returns the mean loss of each modality and of the goals.

    Args:
        fabric: the devices.
        model: what learns.
        teacher: what is distilled, if anything.
        batches: of the step.
        shares: modality -> share of the loss.
        goal_weight: of the goal head's loss.
    """
    weights, prompts = defaultdict[str, float](float), defaultdict[str, int](int)
    for batch in batches:
        weights[batch.modality] += float(batch.weight.sum())
        prompts[batch.modality] += len(batch.goal_tokens)
    losses = defaultdict[str, float](float)
    for batch in batches:
        modality, share = batch.modality, shares[batch.modality]
        action, goal = cloning_loss(model, batch.to(fabric.device), teacher if batch.distil else None)
        action, goal = action / weights[modality], goal / max(1, prompts[modality])
        fabric.backward((action + goal_weight * goal) * share)
        losses[f"loss/{modality}"] += action.detach().item()
        losses["loss/goal"] += goal.detach().item() * share
    return losses


def _mean(fabric: Fabric, gradient: torch.Tensor) -> torch.Tensor:
    """A vector's mean over all devices."""
    if fabric.world_size == 1:
        return gradient
    mean = fabric.all_reduce(gradient, reduce_op="mean")
    assert isinstance(mean, torch.Tensor)
    return mean


def _agree(fabric: Fabric, seconds: float) -> float:
    """The first device's clock, so that all take the same steps at the same learning rate."""
    return seconds if fabric.world_size == 1 else fabric.broadcast(seconds)


class _Window:
    """Losses and speed since the last report."""

    def __init__(self) -> None:
        self._losses: dict[str, list[float]] = defaultdict(list)
        self._timesteps = self._room = 0

    def add(self, losses: dict[str, float], batches: list[Batch]) -> None:
        """Takes one optimiser step into account."""
        for name, loss in losses.items():
            self._losses[name].append(loss)
        self._timesteps += sum(batch.timesteps for batch in batches)
        self._room += sum(batch.weight.numel() for batch in batches)

    def means(self, seconds: float) -> dict[str, float]:
        """What the log says of these steps, which took so long."""
        losses = {name: round(float(np.mean(values)), 6) for name, values in self._losses.items()}
        padding = round(1 - self._timesteps / max(1, self._room), 3)
        return {"timesteps_per_second": round(self._timesteps / seconds), "padding": padding, **losses}


@torch.no_grad()
def _goal_losses(model: GeneralistModel, probes: dict[str, list[Batch]]) -> dict[str, float]:
    """The goal head's mean loss on the prompts of each probe."""
    losses = {}
    for name, batches in probes.items():
        if batches:
            total = sum(cloning_loss(model, batch.to(model.device)).goal.item() for batch in batches)
            losses[name] = round(total / sum(len(batch.goal_tokens) for batch in batches), 4)
    return losses


def _log(out: Path, bar: Progress, line: dict[str, float]) -> None:
    """Adds a line to the log and prints it."""
    with (out / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    bar.console.print("  ".join(f"{name} {value:g}" for name, value in line.items()), highlight=False, soft_wrap=True)


def _save(
    out: Path,
    model: GeneralistModel,
    masters: MasterWeights,
    state: TrainingState,
    recipe: Recipe,
    about: dict[str, list[str]],
) -> None:
    """Writes the state and the checkpoint of the averaged weights; each file is replaced only when it is complete."""
    save_state(out, masters, state, recipe)
    with torch.device("cpu"):
        averaged = GeneralistModel(model.config)
    masters.write_average(averaged)
    length: dict[str, Any] = {"steps": state.step, "minutes": round(state.seconds / 60, 1)}
    save_pretrained(averaged, out, {"recipe": as_record(recipe), **length, **about})


def _progress_bar(disable: bool) -> Progress:
    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, disable=disable)
