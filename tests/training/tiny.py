"""A recipe that trains in seconds on two toy tasks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from playground.collecting.experts import expert_episode
from playground.demonstrations.packed import write_shard
from playground.model import preset
from playground.settings import assign
from playground.training.dataset import TaskData
from playground.training.optimizer import Optimization
from playground.training.recipe import Recipe, recipe
from playground.training.sampler import Sampler, Sampling
from tests.toy import ToyEnv, ToyExpert, toy_task

GOALS = ((0.5, 0.5), (-0.5, 0.5), (0.5, -0.5), (-0.5, -0.5))
TINY = recipe("debug", ("tasks=toy/*", "steps=6", "sampling.rows.grid=4", "hardware.precision=bfloat16"))
NO_DECAY = Optimization(weight_decay=0.0, ema=0.9)
EVEN = Sampling(rows={"grid": 6}, batch_rows=4, prompted=1.0, corrections=0.6, goal_only={})


def tiny(*assignments: str) -> Recipe:
    """`TINY` with some of its settings changed."""
    return assign(TINY, assignments)


def sampler(data: list[TaskData], layout: str = "step", **changes: Any) -> Sampler:
    """Draws from both toy tasks as `EVEN` says, but for some changes."""
    return Sampler(data, replace(preset("tiny"), layout=layout), replace(EVEN, **changes))


def write_toys(root: Path) -> None:
    """Two toy tasks, 4 goals with 3 episodes each."""
    for name, discrete in (("point", False), ("walk", True)):
        env = ToyEnv(discrete=discrete)
        episodes = []
        for goal in GOALS:
            for seed in range(3):
                episode = expert_episode(toy_task(discrete), env, ToyExpert(env), seed=seed, goal=goal)
                episodes.append(replace(episode, task=f"toy/{name}"))
        write_shard(root / "toy" / name / "000000", episodes, grouped=True, planned=12)
