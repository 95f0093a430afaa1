"""What prompt swap found: summary, figure and one-page report."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from playground import domains
from playground.experiments.running import FIGURE, Options, flat, table, write_report

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

POSSIBLE = 0.5
"""Share of episodes in which the prompt's expert does the prompt's task, below which a scene says nothing of following:
a ball that lies in the goal cannot be had back."""

COMPARED = ("wrong", "none", "shuffled")
"""Prompts whose action distributions are compared with the right one's, step by step in the same episodes."""

TWO_GOALS = ("wrong", "swapped_midway")
"""Conditions in which the prompt shows something else than the world asks for."""


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


def draw(report: dict[str, Any], options: Options) -> None:
    """Figure and one-page report."""
    from matplotlib.figure import Figure

    summary, by_scene = report["summary"], report["following"]
    names = sorted({key.rsplit(" ", 2)[0] for key in by_scene})
    figure = Figure(figsize=(14, 5 + 0.25 * len(names)), layout="constrained")
    panels = figure.subplot_mosaic([["bars", "heat"], ["curve", "heat"]], width_ratios=[1, 1.2], height_ratios=[1.6, 1])
    _draw_conditions(panels["bars"], summary)
    figure.colorbar(_draw_scenes(panels["heat"], by_scene, names), ax=panels["heat"], shrink=0.6)
    _draw_lengths(panels["curve"], summary)
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


def _draw_conditions(axis: Any, summary: dict[str, Any]) -> None:
    """Bars: following under each condition, with the controls."""
    shown = [c for c in CONDITIONS if summary.get(f"following_{c}") is not None]
    values = np.array([summary[f"following_{c}"] for c in shown])
    reach = np.array([[summary[f"following_{c}_low"], summary[f"following_{c}_high"]] for c in shown]).reshape(-1, 2)
    axis.barh(shown, values, xerr=np.abs(reach.T - values), color="#2c7fb8", capsize=2)
    for agent, mark in (("expert", "kD"), ("nearest", "rx"), ("random", "g.")):
        at = [
            (summary[f"following_{c}_{agent}"], c) for c in shown if summary.get(f"following_{c}_{agent}") is not None
        ]
        axis.plot([x for x, _ in at], [c for _, c in at], mark, label=agent, markersize=5)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1), xlabel="prompt's task done", title="Following, mean over scenes")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncol=3, fontsize=8)


def _draw_scenes(axis: Any, by_scene: dict[str, float], names: Sequence[str]) -> Any:
    """A map of following by scene and condition; returns the image."""
    grid = np.array([[by_scene.get(f"{name} {c} model", np.nan) for c in CONDITIONS] for name in names])
    image = axis.imshow(grid, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axis.set_xticks(range(len(CONDITIONS)), [c.replace("_", " ") for c in CONDITIONS], rotation=40, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set_title("by scene (white: nothing to be done there)")
    for y, x in zip(*np.nonzero(~np.isnan(grid)), strict=True):
        axis.text(
            x, y, f"{grid[y, x]:.2f}", ha="center", va="center", fontsize=7, color="w" if grid[y, x] < 0.6 else "k"
        )
    return image


def _draw_lengths(axis: Any, summary: dict[str, Any]) -> None:
    """Curves: following under the first and last steps of the right demonstration."""
    for end in ("first", "last"):
        y = [summary.get(f"following_{name}") for name in ("none", *(f"{end}_{n}" for n in LENGTHS), "right")]
        axis.plot(range(len(y)), [np.nan if v is None else v for v in y], "o-", label=f"{end} steps of it")
    axis.set_xticks(range(len(LENGTHS) + 2), ["none", *map(str, LENGTHS), "whole"])
    axis.set(ylim=(0, 1), xlabel="timesteps of the right demonstration", title="Prompt length and position")
    axis.legend(fontsize=8)
