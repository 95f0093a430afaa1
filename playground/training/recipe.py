"""How a checkpoint is trained: named blocks of settings, and the recipes, which are JSON files beside this module."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from playground.domains.hold_outs import HELD_OUT
from playground.errors import BadValueError, UnknownNameError
from playground.model import ModelConfig, preset
from playground.settings import POSITIVE, assign, check_range, merge, read_settings
from playground.training.loss import LossWeights
from playground.training.optimizer import Optimization
from playground.training.players import PlayerSettings
from playground.training.sampler import Sampling
from playground.training.scheduler import SchedulerSettings
from playground.training.store import StoreSettings

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Hardware:
    """What a run computes on, by Lightning Fabric.

    Attributes:
        accelerator: kind of the devices.
        devices: how many of this machine, or `auto`.
        nodes: number of machines.
        precision: of the network. The optimiser keeps float32 master weights. `auto` is bfloat16 but on CPUs on which
            that is slower; without bfloat16 Muon is not used.
        compile: whether the trunk is compiled, which takes a minute and is worth it on a GPU.
    """

    accelerator: Literal["auto", "cpu", "cuda"] = "cpu"
    devices: int | Literal["auto"] = 1
    nodes: int = 1
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        check_range(self, ("nodes",) if self.devices == "auto" else ("devices", "nodes"), 1)


@dataclass(frozen=True)
class Logging:
    """What a running training writes.

    Attributes:
        report_seconds: time between two lines of log.jsonl.
        save_seconds: time between two checkpoints.
        probe_rows: rows of prompts alone in each modality, of goals that are trained on and as many that are held out,
            on which the goal head is measured at every report.
    """

    report_seconds: float = 30.0
    save_seconds: float = 120.0
    probe_rows: int = 4

    def __post_init__(self) -> None:
        check_range(self, ("report_seconds", "save_seconds", "probe_rows"), 0)


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        tasks: globs of the tasks that take part.
        held_out: those of them that do not, so that there is something to measure zero-shot on.
        train_tasks: globs of the tasks in which the experts are cloned. In all others the model learns from its
            teacher, the checkpoint that the run began with, which holds it there in states like those that are shown.
        goal_holdout: about one goal in so many is held out of training in tasks that show twice as many or more.
        steps: length of the run in optimiser steps; None: only `minutes` count.
        minutes: length of the run; None: only `steps` count. Where both are given, whichever ends first counts.
        seed: of weights and sequences. Two runs with the same seed and `steps` give the same weights.
        preset: size of the model, see `playground.model.PRESETS`.
        model: fields of `ModelConfig` that differ from the preset's.
        sampling, loss, optimization, hardware, logging: see there.
        players, store, scheduler: see there; of runs whose episodes are played meanwhile.
    """

    tasks: tuple[str, ...] = ("*",)
    held_out: tuple[str, ...] = HELD_OUT
    train_tasks: tuple[str, ...] = ("*",)
    goal_holdout: int = 25
    steps: int | None = None
    minutes: float | None = 90.0
    seed: int = 0
    preset: str = "small"
    model: Mapping[str, int | str] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    loss: LossWeights = field(default_factory=LossWeights)
    optimization: Optimization = field(default_factory=Optimization)
    hardware: Hardware = field(default_factory=Hardware)
    logging: Logging = field(default_factory=Logging)
    players: PlayerSettings = field(default_factory=PlayerSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise BadValueError("a run of neither steps nor minutes has no end; give one of them")
        check_range(self, ("steps", "minutes"), POSITIVE)
        check_range(self, ("goal_holdout",), 2)
        self.config  # noqa: B018 (refuses what is no model)

    @property
    def config(self) -> ModelConfig:
        """What the model looks like."""
        size = preset(self.preset)
        for name in self.model:
            if name not in ModelConfig.__dataclass_fields__:
                raise UnknownNameError(
                    "setting", f"model.{name}", [f"model.{n}" for n in ModelConfig.__dataclass_fields__]
                )
        changes: dict[str, Any] = dict(self.model)
        return replace(size, **changes)

    def takes(self, task: str) -> bool:
        """Whether a task takes part."""
        return task not in self.held_out and any(fnmatchcase(task, pattern) for pattern in self.tasks)

    def clones(self, task: str) -> bool:
        """Whether a task's expert is cloned; else the model is distilled from its teacher there."""
        return any(fnmatchcase(task, pattern) for pattern in self.train_tasks)


def recipe_names() -> list[str]:
    """The recipes that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def recipe(name: str, assignments: Sequence[str] = ()) -> Recipe:
    """A named recipe, with some of its settings changed.

    Args:
        name: of a file in `recipes`.
        assignments: such as `sampling.prompted=0.5`, see `playground.settings.assign`.

    Raises:
        UnknownNameError: there is no recipe or setting of that name.
        BadValueError: a value does not fit its setting.
    """
    return assign(read_settings(Recipe, _tree(name)), assignments)


def _tree(name: str) -> dict[str, Any]:
    """A recipe's settings, with those of the recipe that it is based on."""
    if name not in recipe_names():
        raise UnknownNameError("recipe", name, recipe_names())
    tree = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    base = tree.pop("based_on", None)
    return tree if base is None else merge(_tree(base), tree)


def as_record(recipe: Recipe) -> dict[str, Any]:
    """What `config.json` keeps of a recipe."""
    return asdict(recipe)
