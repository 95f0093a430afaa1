"""Prompt swap: every world of a scene under every kind of prompt, and what was actually done.

The article asks whether the prompt matters at all. An agent that follows does the prompt's task whatever the world
rewards; one that recognises the world does the world's. The nearest-neighbour policy, the experts and the random policy
stand beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any

import numpy as np

from playground import domains
from playground.demonstrations import find_prompt, shipped, shipped_counts
from playground.domains.scenes import ShadowedEnv, ShadowEnvironment, scenes
from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.evaluation.episodes import SEEDS_PER_RUN, batch_policy, wrong_prompts
from playground.events import BatchPolicy
from playground.experiments.running import Case, Options, choose_subjects, run_cases
from playground.experiments.swap_report import CONDITIONS, CURVES, TWO_GOALS, conclude, draw
from playground.experiments.swaps import ComparedAgent, PromptExperts, SwapSpec, play
from playground.model import load_model
from playground.prompt import Prompt
from playground.rollout import EpisodeSpec
from playground.scores import normalise, reference_scores
from playground.task import EVALUATION_SEEDS, Goal, Task

WORLDS = 12
"""Worlds of one task that are stepped together."""

TRIES = 30
"""Starts and prompts drawn for an episode until the prompt's goal can be set there."""

APART = 0.1
"""Metres, or metres per second, between the world's goal and the prompt's, at least: many tests allow for 0.05."""

AGENTS: dict[str, tuple[str, ...]] = {
    "model": (*CONDITIONS, *CURVES),
    "nearest": ("right", "wrong", "swapped_midway"),
    "expert": ("wrong", "swapped_midway"),
    "random": ("none", "wrong"),
}
"""Who acts -> under which prompts. The expert is that of the prompt's task: what could be followed at best."""


def prompt_swap(options: Options, agents: Mapping[str, Sequence[str]] = AGENTS) -> dict[str, Any]:
    """Runs the experiment; see `run` for what is written and raised.

    Args:
        options: of every experiment.
        agents: who acts -> under which conditions.

    Raises:
        UnknownNameError: no scene matches.
    """
    chosen = choose_subjects("scene", options, _scenes())
    cases = [
        (scene, condition, agent)
        for scene in chosen
        for agent, conditions in agents.items()
        for condition in conditions
    ]
    report = run_cases("prompt-swap", options, cases, _work, conclude)
    draw(report, options)
    return report


def _scenes() -> dict[str, tuple[Task, ...]]:
    """The scenes whose tasks have demonstrations to prompt with."""
    return scenes(task for task in domains.tasks() if task.id in shipped_counts())


@lru_cache(maxsize=1)
def _pool(scene: str) -> dict[str, list[DomainEnv]]:
    """The environments of one scene that this process has built, by task: building takes longer than an episode."""
    return {}


def _environments(task: Task, count: int, use: str) -> list[DomainEnv]:
    built = _pool(task.scene).setdefault(f"{use} {task.id}", [])
    built += [task.make(64) for _ in range(count - len(built))]
    return built[:count]


def _shadowed(world: Task, other: Task | None, count: int) -> list[ShadowedEnv]:
    """Environments of `world`, with shadows of `other` if there is one."""
    envs = _environments(world, count, "world")
    if other is None:
        return [ShadowedEnv(env, None, world) for env in envs]
    shadows = [ShadowEnvironment(other, env) for env in _environments(other, count, "shadow")]
    return [ShadowedEnv(env, shadow, world) for env, shadow in zip(envs, shadows, strict=True)]


def _work(case: Case) -> list[dict[str, Any]]:
    """The job of one worker process: a record for each episode."""
    tasks = _scenes()[case.subject]
    rng = np.random.default_rng([case.seed, len(case.subject)])  # the same pairs for every agent
    two = case.condition in TWO_GOALS
    pairs = [(a, b) for a in tasks for b in tasks if a != b or a.hidden_goal] if two else [(a, a) for a in tasks]
    shares = _dealt(case.episodes, [pairs[i] for i in rng.permutation(len(pairs))])
    records = []
    for number, ((world, other), count) in enumerate(shares):
        if not count:
            continue
        first = EVALUATION_SEEDS[case.seed * SEEDS_PER_RUN] + number * case.episodes * TRIES
        specs = _specs(case, world, other, count, first)
        if not specs:
            continue
        envs = _shadowed(world, other if two else None, min(WORLDS, len(specs)))
        policy = _policy(case, world, other, envs)
        for spec, record in zip(specs, play(world, specs, envs, policy), strict=True):
            known = reference_scores().get(world.id)
            if known is not None and not world.has_success:  # of as many steps as were taken
                known = {name: value * record.steps / world.max_steps for name, value in known.items()}
            found = {"world": world.id, "prompt": other.id, **asdict(record)}
            found["normalised"] = normalise(record.score, known)
            if isinstance(policy, ComparedAgent):
                bits = policy.divergences[spec.seed]
                found |= {f"divergence_{name}": round(float(np.mean(values)), 4) for name, values in bits.items()}
            records.append(found)
    return records


def _dealt(count: int, pairs: Sequence[tuple[Task, Task]]) -> list[tuple[tuple[Task, Task], int]]:
    """Deals episodes to pairs of tasks as evenly as can be."""
    each, more = divmod(count, len(pairs))
    return [(pair, each + (i < more)) for i, pair in enumerate(pairs)]


def _specs(case: Case, world: Task, other: Task, count: int, first: int) -> list[SwapSpec]:
    """Episodes in whose environments the prompt's goal can be set; fewer than asked for where that is hard to find."""
    rng = np.random.default_rng([first, 5])
    right, wrong = shipped(world.id), shipped(other.id)
    if case.condition not in TWO_GOALS:
        specs = []
        for i in range(count):
            episode = right[i % len(right)]
            prompt = _corrupted(Prompt.from_episode(episode, f"{world.id}#{i % len(right)}"), case.condition, rng)
            specs.append(SwapSpec(first + i, episode.goal if world.hidden_goal else None, prompt))
        return specs
    (env,), specs = _shadowed(world, other, 1), []
    assert env.shadow is not None
    for i in range(count):
        for seed in range(first + i * TRIES, first + (i + 1) * TRIES):
            a, b = right[rng.integers(len(right))], wrong[rng.integers(len(wrong))]
            goal, shadow_goal = (a.goal if world.hidden_goal else None), (b.goal if other.hidden_goal else None)
            if world == other and not _apart(goal, shadow_goal):
                continue
            env.shadow_goal = shadow_goal
            try:
                env.start(seed, goal)
            except BadValueError:
                continue
            is_done = case.condition == "wrong" and env.shadow.has_nothing_to_do(env.env, shadow_goal)
            shown, swapped = Prompt.from_episode(b), case.condition == "swapped_midway"
            prompt = Prompt.from_episode(a) if swapped else shown
            specs.append(
                SwapSpec(seed, goal, prompt, shadow_goal, shown if swapped else None, swapped, judged=not is_done)
            )
            break
    return specs


def _apart(goal: Goal, other: Goal) -> bool:
    """Whether meeting one of two goals of a task does not nearly meet the other."""
    if isinstance(goal, tuple) and isinstance(other, tuple):
        return float(np.linalg.norm(np.subtract(goal, other))) >= APART
    return goal != other


def _corrupted(prompt: Prompt, condition: str, rng: np.random.Generator) -> Prompt | None:
    match condition:
        case "right":
            return prompt
        case "none":
            return None
        case "shuffled":
            return prompt.shuffled(int(rng.integers(2**31)))
        case "actions_only":
            return prompt.actions_only()
        case "observations_only":
            return prompt.observations_only()
        case "other_domain":
            domain = prompt.task.partition("/")[0]
            others = [id for id in shipped_counts() if not id.startswith(f"{domain}/")]
            episodes = shipped(others[rng.integers(len(others))])
            return Prompt.from_episode(episodes[rng.integers(len(episodes))])
    end, _, length = condition.partition("_")
    segment = prompt.segments[0]
    kept = min(int(length), len(segment))
    part = segment.take(slice(0, kept) if end == "first" else slice(len(segment) - kept, None))
    return Prompt(f"{prompt.name} {condition}", (part,), prompt.goal, prompt.seed)


def _others(task: Task, spec: EpisodeSpec) -> dict[str, Prompt | None]:
    """The prompts that an episode under the right one is compared with; no wrong one where there is none."""
    assert spec.prompt is not None
    rng = np.random.default_rng(spec.seed)
    others: dict[str, Prompt | None] = {"none": None, "shuffled": spec.prompt.shuffled(int(rng.integers(2**31)))}
    names = wrong_prompts(task, spec.prompt)
    return {**others, "wrong": find_prompt(names[rng.integers(len(names))])}


def _policy(case: Case, world: Task, other: Task, envs: Sequence[ShadowedEnv]) -> BatchPolicy:
    """Who acts."""
    if case.agent == "model" and case.condition == "right":
        return ComparedAgent(load_model(case.checkpoint), envs, partial(_others, world))
    if case.agent == "expert":
        shadows = [(env.shadow, other.make_expert(env.shadow.env)) for env in envs if env.shadow is not None]
        experts = [world.make_expert(env.env) for env in envs]
        return PromptExperts(experts, shadows, at_once=case.condition == "wrong")
    model = load_model(case.checkpoint) if case.agent == "model" else None
    return batch_policy(case.agent, world, [env.env for env in envs], model)
