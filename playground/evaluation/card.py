"""The model card of a checkpoint: what it was trained on, how well it does and where it fails, from its own files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from playground import domains
from playground.demonstrations import shipped_counts
from playground.errors import DAMAGED, BadFileError
from playground.model import from_pretrained, read_config

FILE = "README.md"
EVALUATION = "evaluation.json"
_APART = ("recipe", "tasks", "goals_held_out")

WEAK = 0.5
"""Normalised score below which a task counts as a limit of the agent."""


def write_card(folder: Path) -> Path:
    """Writes `README.md` into a checkpoint folder, from its configuration, its weights and its evaluation.

    Args:
        folder: the checkpoint, with the `evaluation.json` that `playground evaluate --json` wrote.

    Returns:
        The card.

    Raises:
        BadFileError: something is missing or damaged.
    """
    config, training = read_config(folder)
    model = from_pretrained(folder)
    path = folder / EVALUATION
    try:
        evaluation = json.loads(path.read_text(encoding="utf-8"))
        tasks, summary, settings = evaluation["tasks"], evaluation["summary"], evaluation["settings"]
    except DAMAGED as error:
        raise BadFileError(f"{path} is no evaluation ({error}); write one with `playground evaluate --json`") from error
    learnt = training.get("tasks", [])
    parts = [
        "# Model card",
        f"A generalist agent of {model.parameter_count() / 1e6:.2f} million parameters that acts in {len(learnt)} "
        f"tasks of {len({id.partition('/')[0] for id in learnt})} domains; a demonstration shows it what to do. "
        f"Weights: {(folder / 'model.safetensors').stat().st_size / 1e6:.1f} MB, `safetensors`, MIT licence.",
        "## Model",
        _lines(config.to_json()),
        "## Data",
        "Behavioural cloning of each task's expert (a script, a planner, a controller, or a policy trained for one "
        "task), on seeds below 1,000,000. Demonstrations and evaluation use other seeds.",
        _families(training.get("goals_held_out", [])),
        "## Recipe of the last part of its training",
        _lines({**training.get("recipe", {}), **{k: v for k, v in training.items() if k not in _APART}}),
        "## Scores",
        f"{settings['episodes']} episodes a task, on seeds never trained on, with prompts `{settings['prompt']}`. "
        "Scores are success rates where a task defines success, else returns. *normalised*: 0 is the random policy, 1 "
        "the expert.",
        _summary(summary),
        _domains(tasks),
        _tasks(tasks),
        "## Limits",
        *_limits(tasks, learnt),
    ]
    card = folder / FILE
    card.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return card


def _table(header: tuple[str, ...], rows: list[list[Any]]) -> str:
    cells = [["–" if c is None else f"{c:.3g}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *cells])


def _lines(values: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    return "\n".join(f"* {name.replace('_', ' ')}: {text(value)}" for name, value in values.items())


def _families(held_out: list[str]) -> str:
    rows = []
    for id, family in domains.families().items():
        if id in held_out:
            spans = getattr(family, "intervals", None)
            told = (
                [" or ".join(f"{low:g} to {high:g}" for low, high in spans[part]) for part in spans]
                if spans
                else ["colours and kinds", "pairs of them never named together", "a colour never named"]
            )
            rows.append([f"`{id}`", f"{family.parameter} {family.unit}".strip(), *told])
    if not rows:
        return ""
    header = ("family", "goal", "trained", "held out between", "held out beyond")
    return "Goals that the observation hides, and which of them were not trained on:\n\n" + _table(header, rows)


def _summary(summary: Mapping[str, Any]) -> str:
    count = summary["tasks"]
    line = f"{summary['above_50']} of {count} tasks above 50 %, {summary['above_80']} above 80 % of the expert"
    if summary["iqm"] is None:
        return f"{line}."
    low, high = summary["interval"]
    return f"{line}; interquartile mean {summary['iqm']:.3f} [{low:.3f}, {high:.3f}]."


def _domains(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for domain in sorted({id.partition("/")[0] for id in tasks}):
        known = [t for id, t in tasks.items() if id.startswith(f"{domain}/") and t["normalised"] is not None]
        if known:
            values = np.array([t["normalised"] for t in known])
            rates = [t["success_rate"] for t in known if t["success_rate"] is not None]
            success = float(np.mean(rates)) if rates else None
            rows.append(
                [domain, len(known), float(values.mean()), int((values >= 0.5).sum()), int((values >= 0.8).sum())]
            )
            rows[-1].append(success)
    return _table(("domain", "tasks", "normalised", "above 50 %", "above 80 %", "mean success"), rows)


def _tasks(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for id, task in sorted(tasks.items()):
        score = task["mean_return"] if task["success_rate"] is None else task["success_rate"]
        low, high = task["interval"]
        scores = [task["random_score"], task["expert_score"], task["normalised"]]
        rows.append([f"`{id}`", float(score), f"{low:.3g} to {high:.3g}", *scores])
    return _table(("task", "score", "95 % interval", "random", "expert", "normalised"), rows)


def _limits(tasks: Mapping[str, Mapping[str, Any]], learnt: list[str]) -> list[str]:
    known = {id: task["normalised"] for id, task in tasks.items() if task["normalised"] is not None}
    weak = sorted((id for id in known if known[id] < WEAK), key=known.__getitem__)
    unseen = sorted(set(shipped_counts()) - set(learnt))
    found = [
        "It acts in simulations only, from the state or small pictures that they give; nothing was tested on a machine."
    ]
    if weak:
        found.append(
            f"Below half of the expert in {len(weak)} tasks, worst first: "
            + ", ".join(f"`{id}` ({known[id]:.2f})" for id in weak)
            + "."
        )
    if unseen:
        found.append(f"Never trained on, though the demo offers them: {', '.join(f'`{id}`' for id in unseen)}.")
    if missing := sorted(set(learnt) - set(tasks)):
        found.append(f"Learnt but not evaluated: {', '.join(f'`{id}`' for id in missing)}.")
    return found
