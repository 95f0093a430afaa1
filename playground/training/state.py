"""How far a training run is: its schedule, and the state file from which it goes on after any interruption."""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from playground.errors import DAMAGED, BadFileError, BadValueError
from playground.files import atomic_write
from playground.model import GeneralistModel, from_pretrained, read_config, save_pretrained
from playground.model.checkpoint import check_new
from playground.training.optimizer import MasterWeights
from playground.training.recipe import Recipe

STATE = "state.safetensors"
TEACHER = "teacher"
"""Subfolder with the checkpoint that a run began with, where tasks are distilled."""
FORMAT = 2


@dataclass(frozen=True)
class TrainingState:
    """How far a run is.

    Attributes:
        step: optimiser steps taken.
        seconds: time trained, interruptions left out.
        schedule_step, schedule_seconds: where the learning rate's cosine began: 0, or where the run was made longer.
        optimizer_step: step at which the optimisers were made.
    """

    step: int = 0
    seconds: float = 0.0
    schedule_step: int = 0
    schedule_seconds: float = 0.0
    optimizer_step: int = 0

    def progress(self, recipe: Recipe) -> float:
        """Share of the schedule that has passed, by steps or by time, whichever ends first.

        By time nothing has passed at the first step: so a run that ends by its steps never depends on the clock.
        """
        shares = []
        if recipe.steps is not None:
            shares.append((self.step - self.schedule_step) / max(1, recipe.steps - self.schedule_step))
        if recipe.minutes is not None and self.step > self.schedule_step:
            total = recipe.minutes * 60.0 - self.schedule_seconds
            shares.append((self.seconds - self.schedule_seconds) / total if total > 0 else 1.0)
        return min(1.0, max(shares, default=0.0))

    def is_done(self, recipe: Recipe) -> bool:
        """Whether the run has taken its steps or its time."""
        is_late = recipe.minutes is not None and self.seconds >= recipe.minutes * 60.0
        return is_late or (recipe.steps is not None and self.step >= recipe.steps)

    def lengthened(self, recipe: Recipe, steps: int | None, minutes: float | None) -> "TrainingState":
        """The same state, where the learning rate falls anew if `recipe` is longer than the run was to be.

        Args:
            recipe: of the run that goes on.
            steps: what the run was to take.
            minutes: what the run was to take.
        """
        more_steps = steps is not None and (recipe.steps is None or recipe.steps > steps)
        more_minutes = minutes is not None and (recipe.minutes is None or recipe.minutes > minutes)
        if more_steps or more_minutes:
            return replace(self, schedule_step=self.step, schedule_seconds=self.seconds)
        return self


def learning_rate(recipe: Recipe, at: TrainingState) -> float:
    """Linear warm-up over steps, then a cosine to zero.

    In a run that was made longer it starts at `restart` of the peak: at the foot of the old cosine nothing new is
    learnt.
    """
    settings = recipe.optimization
    is_restart = at.schedule_step > 0 or at.schedule_seconds > 0
    peak = settings.learning_rate * (settings.restart if is_restart else 1.0)
    warm = min(1.0, (at.step - at.optimizer_step + 1) / settings.warmup)
    return peak * warm * 0.5 * (1.0 + math.cos(math.pi * at.progress(recipe)))


def save_state(out: Path, masters: MasterWeights, at: TrainingState, recipe: Recipe) -> None:
    """Writes the state file; it replaces the old one only when it is complete."""
    meta = {"format": FORMAT, "state": asdict(at), "steps": recipe.steps, "minutes": recipe.minutes}
    tensors = {name: value.detach().cpu().contiguous() for name, value in masters.state().items()}
    with atomic_write(out / STATE) as unfinished:
        save_file(tensors, unfinished, {"training": json.dumps(meta)})


def load_state(out: Path, masters: MasterWeights, recipe: Recipe) -> TrainingState:
    """Goes on from the state file.

    Raises:
        BadFileError: it is damaged, of another version, or of another model or other optimisers.
    """
    path = out / STATE
    try:
        with safe_open(path, "pt") as file:
            meta = json.loads((file.metadata() or {}).get("training", "{}"))
        state = load_file(path)
    except (SafetensorError, *DAMAGED) as error:
        raise BadFileError(f"{path} is truncated or no safetensors file ({error}); start a new training") from error
    if meta.get("format") != FORMAT:
        raise BadFileError(
            f"{path}: format {meta.get('format')}, this version reads {FORMAT}; delete it and resume from the weights"
        )
    if not masters.fits(state):
        raise BadFileError(f"{path} is of another model or other optimisers; resume with what it was trained with")
    masters.load(state)
    return TrainingState(**meta["state"]).lengthened(recipe, meta["steps"], meta["minutes"])


def start_from(checkpoint: Path, out: Path) -> None:
    """Makes a folder in which a new run starts from the weights of a checkpoint; its length counts from zero.

    Raises:
        BadFileError: the checkpoint is missing or damaged.
        BadValueError: there is a checkpoint in `out`.
    """
    check_new(out)
    training = read_config(checkpoint)[1]
    earlier = {name: value for name, value in training.items() if name not in ("steps", "minutes")}
    save_pretrained(from_pretrained(checkpoint), out, earlier)


def load_weights(out: Path, masters: MasterWeights, recipe: Recipe) -> TrainingState:
    """Starts new optimisers at a checkpoint's weights; see `ModelConfig.same_weights`.

    Raises:
        BadFileError: the checkpoint is damaged.
        BadValueError: it holds another model, or was trained for longer than the recipe's length.
    """
    config, training = read_config(out)
    if not recipe.config.same_weights(config):
        raise BadValueError(f"{out} holds another model than the recipe's; give the recipe that it was trained with")
    step, minutes = int(training.get("steps", 0)), float(training.get("minutes", 0.0))
    if recipe.minutes is not None and recipe.minutes <= minutes:
        raise BadValueError(f"{out} was trained for {minutes:g} minutes already; give more, --minutes counts all")
    if recipe.steps is not None and recipe.steps <= step:
        raise BadValueError(f"{out} was trained for {step} steps already; give more, --steps counts all")
    masters.start_from(from_pretrained(out))
    return TrainingState(step, 60.0 * minutes, step, 60.0 * minutes, step)


def load_teacher(out: Path, model: GeneralistModel) -> GeneralistModel:
    """The checkpoint that the run began with, on the model's device and of its type.

    It stays in a subfolder of the run, which may be resumed.
    """
    folder = out / TEACHER
    if not folder.is_dir():
        with atomic_write(folder) as unfinished:
            save_pretrained(from_pretrained(out), unfinished, read_config(out)[1])
    return from_pretrained(folder).to(model.device, model.dtype).eval()


def earlier_tasks(out: Path) -> tuple[set[str], set[str]]:
    """What earlier parts of this run were trained on: all tasks, and those whose held-out goals were not left out."""
    if not (out / "config.json").is_file():
        return set(), set()
    training = read_config(out)[1]
    trained = set(training.get("tasks", ()))
    return trained, trained - set(training.get("goals_held_out", ()))
