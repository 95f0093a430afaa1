"""The training loop: behavioural cloning on packed demonstrations, on as many devices as Lightning Fabric is given.

Every device draws its own sequences and the gradients are averaged as one vector; a run stopped at any moment goes on
from its last saved state.
"""

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from playground.demonstrations.packed import PackedTask, default_root, packed_tasks
from playground.errors import BadFileError, BadValueError
from playground.files import atomic_write
from playground.model import GeneralistModel, from_pretrained, read_config, save_pretrained
from playground.training.batches import Batch, Sampler, TaskData
from playground.training.cloning import MasterWeights, cloning_loss, halves_are_slow
from playground.training.recipe import Recipe

STATE = "state.safetensors"
BEFORE = "before"
"""Subfolder with the checkpoint that a run began with, where it is to stay as it was in some tasks."""
SAVE_SECONDS = 120.0
REPORT_SECONDS = 30.0
PROBE_ROWS = 4
"""Rows of prompts alone in each modality, of goals that are trained on and as many of others, that are told at every
report."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: optimiser steps taken.
        elapsed: seconds trained.
        began: seconds at which the learning rate's cosine began: 0, or when the run was given more minutes.
        fresh: step at which the optimisers knew nothing.
    """

    step: int = 0
    elapsed: float = 0.0
    began: float = 0.0
    fresh: int = 0


def learning_rate(recipe: Recipe, at: Progress) -> float:
    """Linear warm-up over steps, then a cosine to zero.

    In a run that was given more minutes it starts at the recipe's `restart` of the peak, because at the old one's foot
    nothing new is learnt.
    """
    passed = (at.elapsed - at.began) / (recipe.minutes * 60.0 - at.began)
    peak = recipe.learning_rate * (recipe.restart if at.began else 1.0)
    warm = min(1.0, (at.step - at.fresh + 1) / recipe.warmup)
    return peak * warm * 0.5 * (1.0 + math.cos(math.pi * min(1.0, passed)))


def load_data(root: Path, recipe: Recipe) -> list[TaskData]:
    """Tokenises the demonstrations of the recipe's tasks, as far as they were collected.

    Raises:
        BadFileError: there are none, or a file is broken.
    """
    from tqdm import tqdm

    found = _found(root, recipe)
    if not found:
        raise BadFileError(f"{root}: no demonstrations of {', '.join(recipe.tasks)}; run `playground collect` first")
    config = recipe.config
    loaded = [TaskData.load(PackedTask.open(root, id), config) for id in tqdm(found, desc="loading", unit="task")]
    return [replace(task, stays=_stays(task.id, recipe)) for task in loaded]


def _found(root: Path, recipe: Recipe) -> list[str]:
    """The recipe's tasks that were collected."""
    left = [id for id in packed_tasks(root) if id not in recipe.held_out]
    return [id for id in left if any(fnmatchcase(id, part) for part in recipe.tasks)]


def _stays(id: str, recipe: Recipe) -> bool:
    return not any(fnmatchcase(id, part) for part in recipe.learn)


def train(
    recipe: Recipe,
    out: Path,
    data: Path | None = None,
    tasks: str | None = None,
    minutes: float | None = None,
    resume: bool = False,
    devices: int | str = "auto",
    accelerator: str = "auto",
    nodes: int = 1,
    seed: int = 0,
) -> Path:
    """Trains a checkpoint and writes it to `out`; see `Recipe` for what is done.

    Args:
        recipe: how to train.
        out: checkpoint folder; also holds what resuming needs, and log.jsonl.
        data: packed demonstrations, by default where `playground collect` puts them.
        tasks: overrides the recipe's: globs of task ids, separated by commas; nothing is held out of them.
        minutes: overrides the recipe's.
        resume: goes on from the state in `out`; with more minutes than it was to take, the learning rate falls anew.
            Where there is a checkpoint without state (a copy of the shipped one, say), from its weights.
        devices, accelerator, nodes: given to Lightning Fabric.
        seed: of weights and sequences.

    Returns:
        `out`.

    Raises:
        BadFileError: no data, or nothing to resume from.
        BadValueError: `out` holds a finished or running training and `resume` is not asked for, or its weights are of
            another model, or have been trained for as many minutes already; or there is no device of that kind; or
            the recipe keeps tasks as they are and there is nothing to resume.
    """
    recipe = recipe if minutes is None else replace(recipe, minutes=minutes)
    if tasks is not None:
        recipe = replace(recipe, tasks=tuple(part.strip() for part in tasks.split(",")), held_out=())
    if resume and not (out / STATE).is_file() and not (out / "config.json").is_file():
        raise BadFileError(f"{out}: no {STATE} and no checkpoint to resume from; leave out the resume option")
    if not resume and (out / STATE).exists():
        raise BadValueError(f"{out} already holds a training; resume it or give another folder")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise BadValueError("this recipe wants a CUDA device, and PyTorch finds none; take the recipe cpu")
    halves = accelerator != "cpu" or not halves_are_slow()
    precision: Literal["bf16-true", "32-true"] = "bf16-true" if halves else "32-true"
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=precision)
    fabric.launch()
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    config = recipe.config
    root = data or default_root()
    if not resume and any(_stays(id, recipe) for id in _found(root, recipe)):
        raise BadValueError(
            f"the recipe learns some tasks and stays as it was in all others; copy a checkpoint to {out} and resume it"
        )
    parted = [task.keep_back() for task in load_data(root, recipe)]
    loaded = [task for task, _ in parted]
    with fabric.init_module():
        model = GeneralistModel(config)
    # Weights are drawn in float32 and rounded once: the masters start from what the network really holds.
    model = model.to(fabric.device)
    for name, parameter in model.named_parameters():
        chosen = any(fnmatchcase(name, part) for part in recipe.parts)
        parameter.requires_grad_(parameter.requires_grad and chosen)
    masters = MasterWeights(model, recipe.weight_decay, recipe.ema, muon=halves)
    at, learnt, spoilt = Progress(), set[str](), set[str]()
    if resume:
        at = (_load_state if (out / STATE).is_file() else _load_weights)(out, masters, recipe)
        learnt, spoilt = _earlier(out)
    before = _before(out, model) if any(task.stays for task in loaded) else None
    if recipe.compile:
        model.trunk = torch.compile(model.trunk, dynamic=True)  # type: ignore[assignment]
    sampler = Sampler(
        loaded,
        config,
        dict(recipe.rows),
        recipe.batch_rows,
        dict(recipe.domain_weights),
        dict(recipe.task_weights),
        recipe.prompted,
        recipe.from_end,
        recipe.corrected,
        dict(recipe.told),
    )
    out.mkdir(parents=True, exist_ok=True)
    pairs = [(task, kept) for task, kept in parted if kept is not None]
    probes = {
        "told": _probe([task for task, _ in pairs], recipe),
        "told_unseen": _probe([kept for _, kept in pairs], recipe),
    }
    _Loop(fabric, model, masters, sampler, recipe, out, seed, at, loaded, learnt, spoilt, probes, before).run()
    return out


def _probe(tasks: list[TaskData], recipe: Recipe) -> list[Batch]:
    """Prompts alone, always the same ones, of which what they ask for is to be told."""
    rows = {modality: float(PROBE_ROWS) for modality, _ in recipe.rows}
    told = {modality: 1.0 for modality in rows}
    draw = Sampler(tasks, recipe.config, rows, PROBE_ROWS, {}, {}, 1.0, recipe.from_end, 0.0, told)
    return [batch for _, batch in draw.step(np.random.default_rng(0))]


class _Loop:
    """The state of a running training."""

    def __init__(
        self,
        fabric: Fabric,
        model: GeneralistModel,
        masters: MasterWeights,
        sampler: Sampler,
        recipe: Recipe,
        out: Path,
        seed: int,
        at: Progress,
        data: list[TaskData],
        learnt: set[str],
        spoilt: set[str],
        probes: dict[str, list[Batch]],
        before: GeneralistModel | None,
    ):
        self.before = before
        self.fabric, self.model, self.masters, self.sampler = fabric, model, masters, sampler
        self.recipe, self.out, self.seed, self.probes = recipe, out, seed, probes
        self.tasks = sorted(learnt.union(d.id for d in data))
        fresh = {d.id for d in data if d.goals_held_out} - spoilt
        self.goals_held_out = sorted(fresh | (learnt - spoilt - {d.id for d in data}))
        self.step, self.at = at.step, at
        self.shares = {m: s for m, s in recipe.shares if m in sampler.modalities}
        self.started = self.saved = self.reported = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds trained, earlier runs included."""
        return self.at.elapsed + time.monotonic() - self.started

    def _agreed_elapsed(self) -> float:
        """The first device's clock, so that all take the same steps at the same learning rate."""
        return self.elapsed if self.fabric.world_size == 1 else self.fabric.broadcast(self.elapsed)

    def run(self) -> None:
        from tqdm import tqdm

        total = self.recipe.minutes * 60.0
        bar = tqdm(total=round(total), initial=round(self.at.elapsed), unit="s", disable=self.fabric.global_rank != 0)
        window: dict[str, list[float]] = {}
        positions = 0
        self.model.train()
        try:
            while (elapsed := self._agreed_elapsed()) < total:
                losses, count, padded = self._update(elapsed)
                positions += count
                for modality, loss in losses.items():
                    window.setdefault(modality, []).append(loss)
                now = time.monotonic()
                if now - self.reported > REPORT_SECONDS:
                    rate = positions / (now - self.reported)
                    means = {modality: round(float(np.mean(values)), 4) for modality, values in window.items()}
                    means |= self._told()
                    bar.update(round(min(self.elapsed, total)) - bar.n)
                    bar.set_postfix(step=self.step, timesteps_per_s=round(rate), padding=f"{padded:.0%}", **means)
                    self._log(
                        {"step": self.step, "seconds": round(self.elapsed), "timesteps_per_s": round(rate), **means}
                    )
                    window, positions, self.reported = {}, 0, now
                if now - self.saved > SAVE_SECONDS:
                    self._save()
        finally:
            bar.close()
            self._save()

    def _update(self, elapsed: float) -> tuple[dict[str, float], int, float]:
        """One optimiser step; returns the mean loss by modality, timesteps read, and the share that was padding."""
        rng = np.random.default_rng((self.seed, self.fabric.global_rank, self.step))
        batches = list(self.sampler.step(rng))
        weights = {m: sum(float(b.weight.sum()) for k, b in batches if k == m) for m in self.shares}
        prompts = {m: max(1, sum(len(b.asked) for k, b in batches if k == m)) for m in self.shares}
        scale = sum(self.shares.values())
        losses = {modality: 0.0 for modality, _ in batches} | {"asked": 0.0}
        read = padded = 0
        for modality, batch in batches:
            read += batch.filled
            padded += batch.weight.numel()
            before = self.before if batch.stays else None
            loss, asked = cloning_loss(self.model, batch.to(self.fabric.device), before)
            loss, asked = loss / weights[modality], asked / prompts[modality]
            self.fabric.backward((loss + self.recipe.asked * asked) * (self.shares[modality] / scale))
            losses[modality] += loss.detach().item()
            losses["asked"] += asked.detach().item() * self.shares[modality] / scale
        gradient = self.masters.take_gradient()
        if self.fabric.world_size > 1:
            reduced = self.fabric.all_reduce(gradient, reduce_op="mean")
            assert isinstance(reduced, torch.Tensor)
            gradient = reduced
        rate = learning_rate(self.recipe, replace(self.at, step=self.step, elapsed=elapsed))
        self.masters.update(gradient, rate, self.recipe.clip, self.step - self.at.fresh)
        self.step += 1
        return losses, read, 1 - read / padded

    @torch.no_grad()
    def _told(self) -> dict[str, float]:
        """The loss of telling what prompts ask for, of goals that are trained on and of others."""
        losses = {}
        for name, batches in self.probes.items():
            missed = [(cloning_loss(self.model, batch.to(self.fabric.device))[1].item(), batch) for batch in batches]
            if missed:
                losses[name] = round(sum(loss for loss, _ in missed) / sum(len(batch.asked) for _, batch in missed), 4)
        return losses

    def _log(self, row: dict[str, float]) -> None:
        if self.fabric.global_rank == 0:
            with (self.out / "log.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")

    def _save(self) -> None:
        """Writes the state and the checkpoint (of the averaged weights); each file is replaced only when complete."""
        self.saved = time.monotonic()
        if self.fabric.global_rank != 0:
            return
        numbers = asdict(replace(self.at, step=self.step, elapsed=self.elapsed))
        meta = {key: str(value) for key, value in numbers.items()} | {"recipe": json.dumps(asdict(self.recipe))}
        with atomic_write(self.out / STATE) as unfinished:
            save_file({k: v.detach().cpu().contiguous() for k, v in self.masters.state().items()}, unfinished, meta)
        with torch.device("cpu"):
            averaged = GeneralistModel(self.model.config)
        self.masters.write_average(averaged)
        training = {
            "recipe": asdict(self.recipe),
            "steps": self.step,
            "minutes": round(self.elapsed / 60, 1),
            "tasks": self.tasks,
            "goals_held_out": self.goals_held_out,
        }
        save_pretrained(averaged, self.out, training)


def _before(out: Path, model: GeneralistModel) -> GeneralistModel:
    """What the run began with, on the model's device and of its type; it stays beside the run, which may be resumed."""
    kept = out / BEFORE
    if not kept.is_dir():
        with atomic_write(kept) as unfinished:
            save_pretrained(from_pretrained(out), unfinished, read_config(out)[1])
    return from_pretrained(kept).to(model.device, model.dtype).eval()


def _earlier(out: Path) -> tuple[set[str], set[str]]:
    """What earlier parts of this run were trained on: all tasks, and those whose held-out goals were not left out."""
    if not (out / "config.json").is_file():
        return set(), set()
    earlier = read_config(out)[1]
    learnt = set(earlier.get("tasks", ()))
    return learnt, learnt - set(earlier.get("goals_held_out", ()))


def _load_weights(out: Path, masters: MasterWeights, recipe: Recipe) -> Progress:
    """Starts the optimisers anew at a checkpoint's weights; see `ModelConfig.grown_from`."""
    config, training = read_config(out)
    if not recipe.config.grown_from(config):
        raise BadValueError(f"{out} holds another model than the recipe's; give the recipe that it was trained with")
    step, elapsed = int(training.get("steps", 0)), 60.0 * float(training.get("minutes", 0.0))
    if recipe.minutes * 60.0 <= elapsed:
        raise BadValueError(f"{out} was trained for {elapsed / 60:g} minutes already; give more, --minutes counts all")
    masters.start_from(from_pretrained(out))
    return Progress(step, elapsed, elapsed, step)


def _load_state(out: Path, masters: MasterWeights, recipe: Recipe) -> Progress:
    """Restores a saved state."""
    path = out / STATE
    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata()
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadFileError(f"{path} is truncated or no safetensors file ({error}); start a new training") from error
    if not masters.fits(state):
        raise BadFileError(f"{path} is of another model or other optimisers; resume with what it was trained with")
    masters.load(state)
    elapsed = float(meta["elapsed"])
    longer = recipe.minutes > json.loads(meta["recipe"])["minutes"]
    began = elapsed if longer else float(meta.get("began", 0.0))
    return Progress(int(meta["step"]), elapsed, began, int(meta.get("fresh", 0)))
