"""Trials: a task's evaluation episodes, some twenty worlds at a time with one forward pass of the agent for all.

A world whose episode has ended starts the next one. Episode i of a task is the same world for every agent and every
kind of prompt, so that their results can be compared in pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from playground import domains
from playground.agent import BatchAgent
from playground.api import AGENTS, make_policy
from playground.demonstrations import find_prompt, shipped_counts
from playground.environment import DomainEnv
from playground.errors import BadValueError, UnknownNameError
from playground.evaluation.scoring import score_task
from playground.events import Policy
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.scores import reference_scores
from playground.task import EVALUATION_SEEDS, Action, Goal, Observation, Task

WORLDS = 20
"""Worlds of one task that are stepped together."""

SEEDS_PER_RUN = 1000
"""Evaluation seeds between one `seed` and the next."""


@dataclass(frozen=True)
class Settings:
    """What is measured, apart from the tasks.

    Attributes:
        agent: one of `playground.api.AGENTS`.
        prompt: `right`, a demonstration of the task (and goal); `wrong`, one of another task or goal of the same
            scene; `none`; or the name of a prompt.
        episodes: per task.
        seed: picks other worlds.
    """

    agent: str = "model"
    prompt: str = "right"
    episodes: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.agent not in AGENTS:
            raise UnknownNameError("agent", self.agent, AGENTS)
        if not 1 <= self.episodes <= SEEDS_PER_RUN:
            raise BadValueError(f"{self.episodes} episodes per task; give 1 to {SEEDS_PER_RUN}")
        most = len(EVALUATION_SEEDS) // SEEDS_PER_RUN - 1
        if not 0 <= self.seed <= most:
            raise BadValueError(f"evaluation seed is {self.seed}; give 0 to {most}")


@dataclass(frozen=True)
class Start:
    """What one episode begins with: the world's seed and goal, and what the agent is shown."""

    seed: int
    goal: Goal
    prompt: Prompt | None


@dataclass(frozen=True)
class Outcome:
    """What became of one episode; `success` is None where the task defines none."""

    total_reward: float
    success: bool | None
    steps: int


class Actors(Protocol):
    """Who acts in the worlds of one task."""

    def begin(self, rows: Sequence[int], starts: Sequence[Start]) -> None:
        """Episodes begin in these worlds."""

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Action]:
        """One action for each of these worlds."""


class ModelActors:
    """One network for all worlds."""

    def __init__(self, model: GeneralistModel, envs: Sequence[DomainEnv]):
        self._agent = BatchAgent.for_worlds(model, envs)

    def begin(self, rows: Sequence[int], starts: Sequence[Start]) -> None:
        self._agent.condition([start.prompt for start in starts], rows)
        self._agent.reset(rows)

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Action]:
        return [decision.action for decision in self._agent.act(observations, rows)]


class PolicyActors:
    """A policy per world."""

    def __init__(self, policies: Sequence[Policy]):
        self._policies = policies

    def begin(self, rows: Sequence[int], starts: Sequence[Start]) -> None:
        for row, start in zip(rows, starts, strict=True):
            self._policies[row].condition(start.prompt)
            self._policies[row].reset()

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Action]:
        return [self._policies[row].act(o).action for o, row in zip(observations, rows, strict=True)]


def make_starts(task: Task, settings: Settings) -> list[Start]:
    """The episodes of a task: demonstration i mod K gives the goal where it is hidden, the prompt depends on the mode.

    Raises:
        UnknownNameError: the task has no demonstrations, or the prompt has no such name.
        BadValueError: no other task or goal shares the task's scene.
    """
    count = shipped_counts().get(task.id, 0)
    if not count and settings.agent in ("model", "nearest") and settings.prompt in ("right", "wrong"):
        raise UnknownNameError("task with shipped demonstrations", task.id, shipped_counts())
    load = lru_cache(maxsize=None)(find_prompt)  # equal names give one object, which agents read once
    starts = []
    for i in range(settings.episodes):
        right = load(f"{task.id}#{i % count}") if count else None
        match settings.prompt:
            case "right":
                prompt = right
            case "none":
                prompt = None
            case "wrong":
                names = wrong_prompts(task, right)
                prompt = load(names[np.random.default_rng([settings.seed, i]).integers(len(names))])
            case name:
                prompt = load(name)
        own = prompt is not None and prompt.task == task.id and settings.prompt != "wrong"
        source = prompt if own else right
        goal = source.goal if source is not None and task.hidden_goal else None
        starts.append(Start(EVALUATION_SEEDS[settings.seed * SEEDS_PER_RUN + i], goal, prompt))
    return starts


def wrong_prompts(task: Task, right: Prompt | None) -> list[str]:
    """Names of the demonstrations of other tasks, or other goals of this one, in the same scene.

    Raises:
        BadValueError: there are none.
    """
    counts = shipped_counts()
    mates = [t.id for t in domains.tasks() if t.scene == task.scene and t.id != task.id and t.id in counts]
    names = [f"{id}#{k}" for id in mates for k in range(counts[id])]
    if task.hidden_goal and right is not None:
        for k in range(counts[task.id]):
            other = find_prompt(f"{task.id}#{k}")
            if other is not None and other.goal != right.goal:
                names.append(f"{task.id}#{k}")
    if not names:
        raise BadValueError(f"nothing shares the scene {task.scene} with {task.id}; leave it out of wrong prompts")
    return names


def play(task: Task, starts: Sequence[Start], envs: Sequence[DomainEnv], actors: Actors) -> list[Outcome]:
    """Plays every episode, as many at a time as there are worlds; solved ones stop."""
    outcomes: dict[int, Outcome] = {}
    waiting = iter(range(len(starts)))
    running: dict[int, int] = {}  # row -> episode
    observations: dict[int, Observation] = {}
    totals: dict[int, float] = {}
    steps: dict[int, int] = {}
    while True:
        fresh = [(row, i) for row, i in zip((r for r in range(len(envs)) if r not in running), waiting, strict=False)]
        for row, i in fresh:
            goal = starts[i].goal
            observations[row], _ = envs[row].reset(
                seed=starts[i].seed, options=None if goal is None else {"goal": goal}
            )
            running[row], totals[row], steps[row] = i, 0.0, 0
        if fresh:
            actors.begin([row for row, _ in fresh], [starts[i] for _, i in fresh])
        if not running:
            return [outcomes[i] for i in range(len(starts))]
        rows = sorted(running)
        for row, action in zip(rows, actors.act([observations[row] for row in rows], rows), strict=True):
            env = envs[row]
            observations[row], reward, terminated, truncated, _ = env.step(action)
            totals[row] += float(reward)
            steps[row] += 1
            solved = task.has_success and env.success
            if terminated or truncated or solved:
                success = bool(env.success) if task.has_success else None
                outcomes[running.pop(row)] = Outcome(totals[row], success, steps[row])


def evaluate_task(task: Task, settings: Settings, model: GeneralistModel | None = None) -> dict[str, Any]:
    """Measures one task, in this process; see `score_task` for the result.

    Args:
        task: the task.
        settings: who acts, and under which prompts.
        model: the network, if the agent is `model`.
    """
    starts = make_starts(task, settings)
    envs = [task.make(64) for _ in range(min(WORLDS, len(starts)))]
    try:
        actors: Actors
        if settings.agent == "model":
            assert model is not None
            actors = ModelActors(model, envs)
        else:
            actors = PolicyActors([make_policy(settings.agent, task, env, row) for row, env in enumerate(envs)])
        outcomes = play(task, starts, envs, actors)
    finally:
        for env in envs:
            env.close()
    successes = [bool(o.success) for o in outcomes] if task.has_success else None
    return score_task([o.total_reward for o in outcomes], successes, reference_scores().get(task.id))
