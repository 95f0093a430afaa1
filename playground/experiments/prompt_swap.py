"""Prompt swap: every world of a scene under every kind of prompt, and what was actually done.

The article asks whether the prompt matters at all. An agent that follows does the prompt's task whatever the world
rewards; one that recognises the world does the world's. The nearest-neighbour policy, the experts and the random policy
stand beside it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numpy as np

from playground import domains
from playground.demonstrations import find_prompt, shipped, shipped_counts
from playground.domains.scenes import ShadowedEnv, ShadowEnvironment, scenes
from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.evaluation.episodes import SEEDS_PER_RUN, batch_policy, wrong_prompts
from playground.events import BatchPolicy
from playground.experiments.running import FIGURE, Case, Options, choose_subjects, flat, run_cases, table, write_report
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

CONDITIONS = (
    "right",
    "wrong",
    "swapped_midway",
    "none",
    "shuffled",
    "actions_only",
    "observations_only",
    "other_domain",
)
LENGTHS = (8, 24)
"""Timesteps of the prompts of the length and position curves."""

CURVES = tuple(f"{end}_{length}" for end, length in product(("first", "last"), LENGTHS))

AGENTS = {
    "model": (*CONDITIONS, *CURVES),
    "nearest": ("right", "wrong", "swapped_midway"),
    "expert": ("wrong", "swapped_midway"),
    "random": ("none", "wrong"),
}
"""Who acts -> under which prompts. The expert is that of the prompt's task: what could be followed at best."""

POSSIBLE = 0.5
"""Share of episodes in which the prompt's expert does the prompt's task, below which a scene says nothing of following:
a ball that lies in the goal cannot be had back."""

COMPARED = ("wrong", "none", "shuffled")
"""Prompts whose action distributions are compared with the right one's, step by step in the same episodes."""

TWO_GOALS = ("wrong", "swapped_midway")
"""Conditions in which the prompt shows something else than the world asks for."""


def prompt_swap(options: Options) -> dict[str, Any]:
    """Runs the experiment; see `run` for what is written and raised.

    Raises:
        UnknownNameError: no scene matches.
    """
    chosen = choose_subjects("scene", options, _scenes())
    cases = [
        (scene, condition, agent)
        for scene in chosen
        for agent, conditions in AGENTS.items()
        for condition in conditions
    ]
    report = run_cases("prompt-swap", options, cases, _work, conclude)
    _draw(report, options)
    return report


def _scenes() -> dict[str, tuple[Task, ...]]:
    """The scenes whose tasks have demonstrations to prompt with."""
    return scenes(task for task in domains.tasks() if task.id in shipped_counts())


@lru_cache(maxsize=1)
def _pool(scene: str) -> dict[str, list[DomainEnv]]:
    """The worlds of one scene that this process has built, by task: building takes longer than an episode."""
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


def conclude(records: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Summary, a line per scene, and the matrix of world and prompt."""
    groups: dict[tuple[str, str], list[list[dict[str, Any]]]] = {}
    possible: dict[tuple[str, str], list[list[dict[str, Any]]]] = {}
    for key, episodes in records.items():
        scene, condition, agent = key.rsplit(" ", 2)
        groups.setdefault((condition, agent), []).append(episodes)
        by_expert = _followed(records.get(f"{scene} {condition} expert", []), condition)
        if not by_expert or np.mean(by_expert) >= POSSIBLE:
            possible.setdefault((condition, agent), []).append(episodes)
    summary: dict[str, Any] = {}
    for (condition, agent), scenes_of in groups.items():
        name = condition if agent == "model" else f"{condition}_{agent}"
        following = [_followed(episodes, condition) for episodes in possible.get((condition, agent), [])]
        summary |= flat(f"following_{name}", following)
        if condition in TWO_GOALS:
            everywhere = [_followed(episodes, condition) for episodes in scenes_of]
            summary |= flat(f"following_{name}_all_scenes", everywhere)
        known = [[r["normalised"] for r in scene if r["normalised"] is not None] for scene in scenes_of]
        summary |= flat(f"return_{name}", known)
        if condition in TWO_GOALS:
            summary |= flat(f"world_done_{name}", [[float(r["did_world"]) for r in scene] for scene in scenes_of])
    for other in COMPARED:
        key = f"divergence_{other}"
        right = groups.get(("right", "model"), [])
        summary |= flat(key, [[r[key] for r in scene if key in r] for scene in right])
    matrix: dict[str, dict[str, dict[str, Any]]] = {}
    for key, episodes in records.items():
        _, condition, agent = key.rsplit(" ", 2)
        if agent != "model" or condition not in ("right", "wrong"):
            continue
        for record in episodes:
            cell = matrix.setdefault(record["world"], {}).setdefault(
                record["prompt"] if condition == "wrong" or record["world"] != record["prompt"] else "right", {}
            )
            cell.setdefault("episodes", []).append(1.0)
            cell.setdefault("following", []).extend(_followed([record], condition))
            cell.setdefault("world done", []).append(float(record["did_world"]))
            if record["normalised"] is not None:
                cell.setdefault("return", []).append(record["normalised"])
    means = {
        world: {
            prompt: {n: len(v) if n == "episodes" else round(float(np.mean(v)), 4) for n, v in cell.items() if v}
            for prompt, cell in row.items()
        }
        for world, row in matrix.items()
    }
    by_scene = {
        key: round(float(np.mean(followed)), 4)
        for key, episodes in records.items()
        if (followed := _followed(episodes, key.rsplit(" ", 2)[1]))
    }
    return {"summary": summary, "following": by_scene, "matrix": means}


def _followed(records: Sequence[dict[str, Any]], condition: str) -> list[float]:
    """For each episode, whether the prompt's task was done; the world's, where the prompt shows no other.

    Those in which the prompt's task was done from the start, or was being done at the swap, are left out.
    """
    key = "did_prompt" if condition in TWO_GOALS else "did_world"
    return [float(record[key]) for record in records if record[key] is not None]


def _draw(report: dict[str, Any], options: Options) -> None:
    """Figure and one-page report."""
    from matplotlib.figure import Figure

    summary, by_scene = report["summary"], report["following"]
    names = sorted({key.rsplit(" ", 2)[0] for key in by_scene})
    figure = Figure(figsize=(14, 5 + 0.25 * len(names)), layout="constrained")
    panels = figure.subplot_mosaic([["bars", "heat"], ["curve", "heat"]], width_ratios=[1, 1.2], height_ratios=[1.6, 1])
    bars, heat, curve = panels["bars"], panels["heat"], panels["curve"]
    shown = [c for c in CONDITIONS if summary.get(f"following_{c}") is not None]
    values = np.array([summary[f"following_{c}"] for c in shown])
    reach = np.array([[summary[f"following_{c}_low"], summary[f"following_{c}_high"]] for c in shown]).reshape(-1, 2)
    bars.barh(shown, values, xerr=np.abs(reach.T - values), color="#2c7fb8", capsize=2)
    for agent, mark in (("expert", "kD"), ("nearest", "rx"), ("random", "g.")):
        at = [
            (summary[f"following_{c}_{agent}"], c) for c in shown if summary.get(f"following_{c}_{agent}") is not None
        ]
        bars.plot([x for x, _ in at], [c for _, c in at], mark, label=agent, markersize=5)
    bars.invert_yaxis()
    bars.set(xlim=(0, 1), xlabel="prompt's task done", title="Following, mean over scenes")
    bars.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncol=3, fontsize=8)
    grid = np.array([[by_scene.get(f"{name} {c} model", np.nan) for c in CONDITIONS] for name in names])
    image = heat.imshow(grid, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    heat.set_xticks(range(len(CONDITIONS)), [c.replace("_", " ") for c in CONDITIONS], rotation=40, ha="right")
    heat.set_yticks(range(len(names)), names)
    heat.set_title("by scene (white: nothing to be done there)")
    for y, x in zip(*np.nonzero(~np.isnan(grid)), strict=True):
        heat.text(
            x, y, f"{grid[y, x]:.2f}", ha="center", va="center", fontsize=7, color="w" if grid[y, x] < 0.6 else "k"
        )
    figure.colorbar(image, ax=heat, shrink=0.6)
    for end in ("first", "last"):
        y = [summary.get(f"following_{name}") for name in ("none", *(f"{end}_{n}" for n in LENGTHS), "right")]
        curve.plot(range(len(y)), [np.nan if v is None else v for v in y], "o-", label=f"{end} steps of it")
    curve.set_xticks(range(len(LENGTHS) + 2), ["none", *map(str, LENGTHS), "whole"])
    curve.set(ylim=(0, 1), xlabel="timesteps of the right demonstration", title="Prompt length and position")
    curve.legend(fontsize=8)
    figure.savefig(options.out / FIGURE, dpi=110)
    rows = [
        [c, *(summary.get(f"following_{c}{end}") for end in ("", "_low", "_high"))]
        + [summary.get(f"world_done_{c}"), summary.get(f"return_{c}")]
        + [summary.get(f"following_{c}_{agent}") for agent in ("expert", "nearest", "random")]
        for c in (*CONDITIONS, *CURVES)
    ]
    header = (
        "prompt",
        "following",
        "low",
        "high",
        "world done",
        "return",
        "expert",
        "nearest neighbour",
        "random policy",
    )
    cells = [
        [world, prompt, *(cell.get(name) for name in ("following", "world done", "return", "episodes"))]
        for world, row in report["matrix"].items()
        for prompt, cell in row.items()
    ]
    limits = {task.domain: task.horizons.prompt for task in map(domains.task, report["matrix"])}
    write_report(
        options.out,
        "Prompt swap",
        options.command("prompt-swap"),
        [
            "*following*: how often the prompt's task was done, by that task's own test; with no prompt, the world's. "
            "Mean over scenes with its 95 % interval. Scenes in which the expert follows in less than "
            f"{POSSIBLE:.0%} of the episodes do not count here; `result.json` has the figures over all scenes too.",
            "*world done*: how often the world's task was done though the prompt showed another. This counts episodes "
            "too in which the prompt's task was done from the start, or was being done at the swap, so that it cannot "
            "be followed.",
            "*return*: of the world's task; 0 is the random policy, 1 the expert. *expert*: the prompt's expert in the "
            "same worlds.",
            "The agent gets "
            + ", ".join(f"{steps} steps in {domain}" for domain, steps in sorted(limits.items()))
            + " for each prompt.",
            table(header, rows),
            "How far the distribution of actions under other prompts lies from that under the right one, at the same "
            "states (Kullback-Leibler divergence, bits per action token):",
            table(
                ("prompt", "divergence", "low", "high"),
                [[o, *(summary.get(f"divergence_{o}{end}") for end in ("", "_low", "_high"))] for o in COMPARED],
            ),
            "World's task, prompt's task:",
            table(("world", "prompt", "following", "world done", "return", "episodes"), cells),
        ],
    )
