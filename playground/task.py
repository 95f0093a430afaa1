"""Tasks: an environment with a reward, an expert, and the scores that random and expert behaviour get."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

Goal = str | tuple[float, ...] | None
"""What an episode is to achieve, where this varies within a task: a mission, target coordinates; else None."""

Observation = dict[str, Any]
"""One canonical observation: float32 / integer / uint8 arrays, and Python strings for text."""

Action = np.ndarray
"""float32 [A] in [-1, 1], or an int64 scalar array [] for a discrete action."""

# Seeds are split once and for all: nothing that is trained on is ever evaluated on or shipped as a prompt.
TRAIN_SEEDS = range(0, 1_000_000)
EVALUATION_SEEDS = range(1_000_000, 2_000_000)
PROMPT_SEEDS = range(2_000_000, 3_000_000)


class Expert(Protocol):
    """A policy that may look into the simulator; it can take over in any state of a running episode."""

    def reset(self) -> None:
        """Forgets its plan; called after the environment's reset and at a take-over."""

    def act(self, observation: Observation) -> Action:
        """Returns the action for the environment's present state."""


@dataclass(frozen=True)
class Horizons:
    """How many steps things take in a task's environments.

    Attributes:
        shipped: timesteps of a shipped demonstration, at most; None ships whole episodes.
        agent: steps after which the agent acts no more where an expert corrects it. A body that goes wrong has gone
            wrong by then; in a maze one is lost for much longer.
        recovery: further steps in which the expert may still solve the task.
        takeover: the latest step at which one expert takes over from another.
        prompt: steps that the agent gets to follow one prompt of a scene. In a room of a few things, who wanders meets
            them all.
        goal: steps that the agent gets to reach a goal of a family.
    """

    shipped: int | None = None
    agent: int = 300
    recovery: int = 150
    takeover: int = 200
    prompt: int = 300
    goal: int = 500


@dataclass(frozen=True)
class Amount:
    """How much is collected of a task, and how.

    Attributes:
        goals: number of different goals; for tasks without hidden goal only the product with the next counts.
        episodes_per_goal: episodes with different starts for each goal.
        noise: mixed evenly over the episodes (see `playground.collecting.experts.NoisyExpert`).
        max_steps: cut of the episodes; the task's own limit by default.
        shard_episodes: about how many episodes make one shard.
        filtered: whether episodes with poor returns are left out. That is wrong where the start decides the return, as
            in short episodes on the way to a target: the hard starts would be missing.
    """

    goals: int
    episodes_per_goal: int = 1
    noise: tuple[float, ...] = (0.0, 0.05, 0.1)
    max_steps: int | None = None
    shard_episodes: int = 100
    filtered: bool = True


@dataclass(frozen=True)
class Task:
    """One environment that the agent can be asked to act in.

    Attributes:
        id: `domain/name`, unique.
        scene: tasks with equal scene share body, observation and action form: only the prompt tells them apart.
        fps: the environment's own rate, actions per second.
        max_steps: actions until an episode is truncated.
        make: builds the canonical environment (see `playground.environment.DomainEnv`) with pictures of `size` pixels.
        make_expert: builds the expert that acts in that environment.
        has_success: whether the domain defines success; else the return is what counts.
        hidden_goal: whether the episode's goal is absent from the observation, so that only a prompt can tell it.
        observed_goal: whether the observation says what to do, so that a prompt has nothing to settle.
        hold_steps: steps that a demonstration goes on for when the task is solved.
        takeover_tries: environments drawn for an episode with an expert takeover before it is given up.
        horizons: how many steps things take.
        amount: how many demonstrations are collected by default.
    """

    id: str
    scene: str
    fps: float
    max_steps: int
    make: Callable[[int], Any] = field(repr=False, compare=False)
    make_expert: Callable[[Any], Expert] = field(repr=False, compare=False)
    has_success: bool = False
    hidden_goal: bool = False
    observed_goal: bool = False
    hold_steps: int = 10
    takeover_tries: int = 5
    horizons: Horizons = Horizons()
    amount: Amount = Amount(goals=200, episodes_per_goal=2)

    @property
    def domain(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """The part of the id behind the slash."""
        return self.id.partition("/")[2]
