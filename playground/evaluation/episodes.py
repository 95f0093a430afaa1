"""A task's evaluation episodes, twenty environments at a time with one forward pass of the agent for all of them.

Episode i of a task starts the same for every agent and every kind of prompt, so that results can be compared in pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from playground import domains
from playground.agent import BatchAgent
from playground.api import AGENTS, make_policy
from playground.demonstrations import find_prompt, shipped_counts
from playground.environment import DomainEnv
from playground.errors import BadValueError, UnknownNameError
from playground.evaluation.scoring import score_task
from playground.events import BatchPolicy
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.rollout import EpisodeSpec, IndependentPolicies, Rollout
from playground.scores import reference_scores
from playground.task import EVALUATION_SEEDS, Task

WORLDS = 20
"""Environments of one task that are stepped together."""

SEEDS_PER_RUN = 1000
"""Evaluation seeds between one `seed` and the next."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What is measured, apart from the tasks.

    Attributes:
        agent: one of `playground.api.AGENTS`.
        prompt: `right`, a demonstration of the task (and goal); `wrong`, one of another task or goal of the same
            scene; `none`; or the name of a prompt.
        episodes: per task.
        seed: another one gives other starts.
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
class EpisodeResult:
    """What became of one episode.

    Attributes:
        total_reward: its return.
        success: whether it was solved; None where the task defines no success.
        steps: actions executed.
    """

    total_reward: float
    success: bool | None
    steps: int


def batch_policy(agent: str, task: Task, envs: Sequence[DomainEnv], model: GeneralistModel | None) -> BatchPolicy:
    """Who acts in the environments of one task.

    Args:
        agent: one of `playground.api.AGENTS`.
        task: what `envs` are of.
        envs: the environments.
        model: the network, if the agent is `model`.
    """
    if agent == "model":
        assert model is not None
        return BatchAgent.for_worlds(model, envs)
    return IndependentPolicies([make_policy(agent, task, env, row) for row, env in enumerate(envs)])


def episode_specs(task: Task, settings: EvaluationSettings) -> list[EpisodeSpec]:
    """The episodes of a task. In episode i, demonstration i mod K gives the goal where it is hidden.

    Raises:
        UnknownNameError: the task has no demonstrations, or the prompt has no such name.
        BadValueError: no other task or goal shares the task's scene.
    """
    count = shipped_counts().get(task.id, 0)
    if not count and settings.agent in ("model", "nearest") and settings.prompt in ("right", "wrong"):
        raise UnknownNameError("task with shipped demonstrations", task.id, shipped_counts())
    load = lru_cache(maxsize=None)(find_prompt)  # equal names give one object, which agents read once
    specs = []
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
        specs.append(EpisodeSpec(EVALUATION_SEEDS[settings.seed * SEEDS_PER_RUN + i], goal, prompt))
    return specs


def wrong_prompts(task: Task, right: Prompt | None) -> list[str]:
    """Names of the scene's demonstrations of other tasks, or of other goals of this one.

    Raises:
        BadValueError: there are none.
    """
    counts = shipped_counts()
    siblings = [t.id for t in domains.tasks() if t.scene == task.scene and t.id != task.id and t.id in counts]
    names = [f"{id}#{k}" for id in siblings for k in range(counts[id])]
    if task.hidden_goal and right is not None:
        for k in range(counts[task.id]):
            other = find_prompt(f"{task.id}#{k}")
            if other is not None and other.goal != right.goal:
                names.append(f"{task.id}#{k}")
    if not names:
        raise BadValueError(f"nothing shares the scene {task.scene} with {task.id}; leave it out of wrong prompts")
    return names


def play(
    task: Task, specs: Sequence[EpisodeSpec], envs: Sequence[DomainEnv], policy: BatchPolicy
) -> list[EpisodeResult]:
    """Plays every episode, as many at a time as there are environments; solved ones stop."""
    results: dict[int, EpisodeResult] = {}
    run = Rollout(envs, specs, policy, task)
    for row, event in run:
        results[event.episode] = EpisodeResult(event.total_reward, event.success, event.t)
        if event.t and event.success:
            run.end(row)
    return [results[number] for number in range(len(specs))]


def evaluate_task(task: Task, settings: EvaluationSettings, model: GeneralistModel | None = None) -> dict[str, Any]:
    """Measures one task, in this process; see `score_task` for the result.

    Args:
        task: the task.
        settings: who acts, and under which prompts.
        model: the network, if the agent is `model`.
    """
    specs = episode_specs(task, settings)
    envs = [task.make(64) for _ in range(min(WORLDS, len(specs)))]
    try:
        results = play(task, specs, envs, batch_policy(settings.agent, task, envs, model))
    finally:
        for env in envs:
            env.close()
    successes = [bool(result.success) for result in results] if task.has_success else None
    return score_task([result.total_reward for result in results], successes, reference_scores().get(task.id))
