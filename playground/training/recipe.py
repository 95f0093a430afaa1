"""How a checkpoint is trained: one frozen dataclass, and the recipes."""

from dataclasses import dataclass, replace
from typing import Any

from playground.errors import BadValueError, UnknownNameError
from playground.model import ModelConfig, preset

HELD_OUT = ("atari/Boxing", "babyai/PickupDist-hidden")
"""Never trained on, so that there is something to ask `playground experiment zero-shot` about."""

HARD = (
    ("dm_control/cartpole-balance*", 0.4),
    ("dm_control/cartpole-swingup", 6.0),
    ("dm_control/cartpole-swingup_sparse", 11.0),
    ("dm_control/pendulum-swingup", 10.0),
    ("dm_control/pendulum-spin*", 2.0),
    ("dm_control/walker-*", 3.0),
    ("dm_control/walker-run", 6.0),
    ("dm_control/walker-stand", 1.0),
    ("dm_control/cheetah-*", 3.0),
    ("dm_control/cheetah-run", 9.0),
    ("dm_control/point_mass-*", 5.0),
    ("dm_control/reacher-*", 5.0),
    ("dm_control/reacher-hidden", 8.0),
    ("dm_control/stack_2_bricks", 12.0),
    ("classic/CartPole-hidden", 12.0),
    ("classic/CartPole", 1.0),
    ("classic/Pendulum", 2.0),
    ("metaworld/*close", 0.7),
    ("metaworld/button-*", 0.6),
    ("metaworld/handle-pull", 2.0),
    ("metaworld/faucet-*", 3.0),
    ("metaworld/plate-*", 2.0),
    ("metaworld/pick-*", 3.0),
    ("metaworld/pick-place-wall", 11.0),
    ("metaworld/push*", 2.5),
    ("metaworld/push-wall", 10.0),
    ("metaworld/reach*", 4.0),
    ("metaworld/s*-p*", 2.0),
    ("metaworld/stick-pull", 10.0),
    ("metaworld/basketball", 2.0),
    ("metaworld/box-close", 5.0),
    ("metaworld/assembly", 8.0),
    ("metaworld/bin-picking", 2.0),
    ("metaworld/peg-insert-side", 9.0),
    ("metaworld/soccer", 9.0),
    ("metaworld/shelf-place", 7.0),
    ("babyai/*TwoDoors", 1.5),
    ("babyai/OpenRedBlueDoors", 1.5),
    ("babyai/PutNext*", 1.5),
    ("babyai/OpenDoorsOrder*", 1.5),
    ("babyai/*-hidden", 9.0),
    ("babyai/ActionObjDoor-hidden", 14.0),
    ("babyai/GoToLocal-hidden", 10.0),
    ("babyai/PutNextLocal*", 2.5),
    ("babyai/PutNextLocal*-hidden", 16.0),
    ("babyai/MoveTwoAcross*", 6.0),
    ("babyai/Unlock*", 3.0),
    ("babyai/Unlock", 8.0),
    ("babyai/UnlockPickupDist", 6.0),
    ("babyai/GoToLocalS8N7", 1.5),
    ("babyai/GoToObjDoor", 3.0),
    ("babyai/GoToSeqS5R2", 2.0),
    ("babyai/GoToSeq", 3.0),
    ("babyai/UnblockPickup", 2.0),
    ("babyai/GoToImpUnlock", 8.0),
    ("babyai/Synth*", 3.0),
    ("babyai/SynthSeq", 10.0),
    ("babyai/MiniBossLevel", 8.0),
    ("babyai/BossLevel*", 12.0),
    ("atari/Bowling", 0.25),
    ("atari/Freeway", 0.25),
    ("atari/Breakout", 0.5),
)
"""What earlier checkpoints failed at is drawn more often, what they had learnt early on less; the last fit counts."""

COMPOUND = (
    ("babyai/BossLevel", 36.0),
    ("babyai/BossLevelNoUnlock", 10.0),
    ("babyai/MiniBossLevel", 36.0),
    ("babyai/SynthSeq", 24.0),
    ("babyai/MoveTwoAcross*", 22.0),
    ("babyai/Unlock", 12.0),
)
"""What BabyAI's worst levels share: missions of several clauses, one of which is to put something somewhere."""


@dataclass(frozen=True)
class Recipe:
    """A training run. The network computes in bfloat16 where that is faster; the optimiser keeps float32 masters.

    Attributes:
        tasks: globs of the tasks that are learnt.
        held_out: those of them that are not.
        preset: size of the model, see `playground.model.PRESETS`.
        minutes: length of the run; the learning rate falls to zero over it.
        rows: modality -> rows of context length per optimiser step (on average), each full of sequences; vector:
            scalars, grid: cells, image: pictures.
        batch_rows: most rows that go through the model at once.
        shares: modality -> share of the loss.
        domain_weights: domain -> how often its tasks are drawn, relative to others of the same modality.
        task_weights: glob of task ids -> how often they are drawn, relative to the others of their domain.
        learning_rate: peak, of both optimisers.
        restart: share of that peak from which it falls again when a run is given more minutes.
        warmup: optimiser steps of linear warm-up.
        weight_decay: on matrices only.
        ema: decay of the moving average of the weights, which is what is saved.
        clip: largest gradient norm.
        prompted: share of sequences that start with a prompt (Gato: 0.25).
        from_end: share of prompts that are cut from the episode's end (Gato: 0.5).
        asked: weight of the loss that teaches to tell what a prompt asks for, see `playground.model.GoalHead`.
        corrected: share of sequences that are drawn from corrections (DAgger's, continuations) where a task has many.
        told: modality -> share of the sequences of tasks with hidden goals that are a prompt alone, of which only what
            it asks for is to be told: many fit into a row. Words that were told are a mission in worlds of cells, which
            all its other levels teach to carry out; numbers are only told.
        parts: globs of the model's parameters that are trained; all others stay as they are.
        learn: globs of the tasks in which the experts are cloned. In all others the model learns from what it was
            before the run, which holds it there in states like those that are shown (Li and Hoiem 2016, Learning
            without Forgetting, arXiv 1606.09282).
        model: fields of the preset's configuration that are other.
        compile: whether the trunk is compiled (worth it on a GPU).
    """

    tasks: tuple[str, ...] = ("*",)
    held_out: tuple[str, ...] = HELD_OUT
    preset: str = "small"
    minutes: float = 90.0
    rows: tuple[tuple[str, float], ...] = (("vector", 8.0), ("grid", 2.5), ("image", 0.6))
    batch_rows: int = 8
    shares: tuple[tuple[str, float], ...] = (("vector", 0.58), ("grid", 0.31), ("image", 0.11))
    domain_weights: tuple[tuple[str, float], ...] = (("metaworld", 0.45), ("dm_control", 0.45), ("classic", 0.14))
    task_weights: tuple[tuple[str, float], ...] = HARD
    learning_rate: float = 1e-3
    restart: float = 0.5
    warmup: int = 100
    weight_decay: float = 0.1
    ema: float = 0.999
    clip: float = 1.0
    prompted: float = 0.85
    from_end: float = 0.5
    asked: float = 0.5
    corrected: float = 0.65
    told: tuple[tuple[str, float], ...] = (("vector", 0.5), ("grid", 0.85))
    parts: tuple[str, ...] = ("*",)
    learn: tuple[str, ...] = ("*",)
    model: tuple[tuple[str, Any], ...] = ()
    compile: bool = False

    def __post_init__(self) -> None:
        if self.minutes <= 0:
            raise BadValueError(f"training minutes are {self.minutes}; give more than 0")
        shares = {name: getattr(self, name) for name in ("prompted", "from_end", "corrected", "restart")}
        for name, share in (*shares.items(), *((f"told of {modality}", share) for modality, share in self.told)):
            if not 0 <= share <= 1:
                raise BadValueError(f"{name} is {share}, a share; give 0 to 1")

    @property
    def config(self) -> ModelConfig:
        """What the model looks like."""
        return replace(preset(self.preset), **dict(self.model))


RECIPES = {
    "cpu": Recipe(),
    "cells": replace(
        Recipe(),
        tasks=("babyai/*",),
        rows=(("grid", 4.0),),
        shares=(("grid", 1.0),),
        task_weights=(*HARD, *COMPOUND),
        restart=1.0,
        parts=("encoder.text.*", "encoder.grid.*"),
    ),
    "mend": replace(
        Recipe(),
        rows=(("vector", 5.0), ("grid", 0.3), ("image", 0.1)),
        shares=(("vector", 0.7), ("grid", 0.2), ("image", 0.1)),
        domain_weights=(("metaworld", 0.6), ("dm_control", 0.3), ("classic", 0.1)),
        restart=0.3,
        parts=("trunk.*", "decoder.*", "head.*", "prompt_reader.*", "encoder.values.*", "encoder.actions.*"),
        learn=("metaworld/faucet-*",),
    ),
    "gpu": replace(
        Recipe(),
        preset="base",
        minutes=9.0,
        rows=(("vector", 256), ("grid", 48), ("image", 16)),
        batch_rows=128,
        compile=True,
    ),
}


def recipe(name: str) -> Recipe:
    """A named recipe.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
