"""Ablations: what the recipe's choices are worth. Each arm changes one, and trains as long on the same few tasks.

Judged by closed-loop scores under the right prompt, another of the scene, and none; a lower loss alone proves nothing.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playground import domains
from playground.demonstrations.packed import default_root, packed_tasks, shard_folders
from playground.errors import UnknownNameError
from playground.experiments.running import FIGURE, Options, flat, run, table, write_report
from playground.model import read_config
from playground.scores import normalise, reference_scores
from playground.training.recipe import Recipe, recipe

MINUTES = 3.0
"""Training of an arm, on one core."""

ROWS = (("vector", 3.0), ("grid", 1.0))
"""Of a step, fewer than the recipe's: so there are some hundreds of steps in these minutes."""

TASKS = (
    "metaworld/reach",
    "metaworld/drawer-open",
    "metaworld/drawer-close",
    "metaworld/faucet-open",
    "metaworld/faucet-close",
    "babyai/GoToLocalS5N2-hidden",
)
"""Few enough to be learnt in minutes. The last turned out to be done under any prompt; in the others it has a say."""

PROMPTS = ("right", "wrong", "none")


def _model(**changes: Any) -> Callable[[Recipe], Recipe]:
    return lambda base: replace(base, model=tuple(changes.items()))


ARMS: dict[str, Callable[[Recipe], Recipe]] = {
    "as it is": lambda base: base,
    "16 and 16 steps": _model(max_prompt=16, max_live=16, max_live_grid=16),
    "half the width": _model(width=128, hidden=512),
    "twice the layers": _model(layers=8),
    "prompts of 16": _model(max_prompt=16),
    "prompts of 128": _model(max_prompt=128),
    "context of 24": _model(max_live=24, max_live_grid=24),
    "never prompted": lambda base: replace(base, prompted=0.0),
    "a quarter prompted": lambda base: replace(base, prompted=0.25),
    "always prompted": lambda base: replace(base, prompted=1.0),
    "prompts from the end": lambda base: replace(base, from_end=1.0),
    "prompts from anywhere": lambda base: replace(base, from_end=0.0),
    "telling nothing": lambda base: replace(base, asked=0.0, told=()),
    "demonstrations alone": lambda base: replace(base, corrected=0.0),
    "a shard of data": lambda base: replace(base, corrected=0.0),
    "flat, 16 and 16 steps": lambda base: replace(
        base, batch_rows=1, model=(("layout", "flat"), ("max_prompt", 16), ("max_live", 16), ("max_live_grid", 16))
    ),
}
"""Name -> what is changed. "A shard of data" takes only each task's first shard of demonstrations. The flat layout gets
short contexts: with the recipe's, the mask of its attention alone takes 26 GB."""

FEWER = "a shard of data"


@dataclass(frozen=True)
class Job:
    """One arm: trained in a folder of its own beside the result, then evaluated."""

    arm: str
    tasks: tuple[str, ...]
    episodes: int
    seed: int
    out: Path
    root: Path
    minutes: float

    @property
    def key(self) -> str:
        return self.arm


def ablations(options: Options) -> dict[str, Any]:
    """Runs the experiment with one process for each arm; see `run` for what is written and raised.

    Raises:
        UnknownNameError: no task of `TASKS` with collected demonstrations matches.
    """
    root = default_root()
    possible = [id for id in packed_tasks(root) if id in TASKS]
    chosen = domains.matching(possible, options.scenes)
    if not chosen:
        raise UnknownNameError("task of the ablations with collected demonstrations", options.scenes, possible)
    jobs = [
        Job(arm, tuple(chosen), options.episodes, options.seed, options.out.absolute(), root, MINUTES) for arm in ARMS
    ]
    report = run("ablations", options, f"{MINUTES:g} minutes on {', '.join(chosen)}", jobs, _work, conclude)
    _draw(report, options)
    return report


def _work(job: Job) -> list[dict[str, Any]]:
    """Trains and evaluates one arm: a record for each episode."""
    from playground.evaluation.trials import Settings, evaluate_task
    from playground.model import load_model
    from playground.training.train import train

    folder = job.out / "arms" / job.arm.replace(" ", "-")
    data = _first_shards(job.root, folder / "data", job.tasks) if job.arm == FEWER else job.root
    if not (folder / "config.json").exists():
        base = replace(recipe("cpu"), tasks=job.tasks, minutes=job.minutes, rows=ROWS, task_weights=())
        train(ARMS[job.arm](base), folder, data, accelerator="cpu")
    model = load_model(folder)
    steps = read_config(folder)[1]["steps"]
    records = []
    for id in job.tasks:
        for prompt in PROMPTS:
            found = evaluate_task(domains.task(id), Settings("model", prompt, job.episodes, job.seed), model)
            known = reference_scores().get(id)
            records += [
                {"task": id, "prompt": prompt, "normalised": normalise(score, known), "steps": steps}
                for score in found["scores"]
            ]
    return records


def _first_shards(root: Path, folder: Path, tasks: tuple[str, ...]) -> Path:
    """A folder of demonstrations that shows only the first shard of each task."""
    for id in tasks:
        first = min(shard_folders(root, id))
        (folder / id).mkdir(parents=True, exist_ok=True)
        if not (folder / id / first.name).exists():
            os.symlink(first, folder / id / first.name)
    return folder


def conclude(records: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Normalised score (0 chance, 1 expert) by arm and prompt, mean over tasks."""
    summary: dict[str, Any] = {}
    for arm, rows in records.items():
        for prompt in PROMPTS:
            tasks = dict.fromkeys(row["task"] for row in rows)
            groups = [[r["normalised"] for r in rows if (r["task"], r["prompt"]) == (id, prompt)] for id in tasks]
            summary |= flat(f"{arm} {prompt}", groups)
        summary[f"{arm} steps"] = rows[0]["steps"]
    return {"summary": summary}


def _draw(report: dict[str, Any], options: Options) -> None:
    """Figure and one-page report."""
    from matplotlib.figure import Figure

    summary, arms = report["summary"], [arm for arm in ARMS if arm in report["records"]]
    figure = Figure(figsize=(9, 2 + 0.35 * len(arms)), layout="constrained")
    axis = figure.subplots()
    for shift, (prompt, colour) in enumerate(zip(PROMPTS, ("#2c7fb8", "#d95f0e", "#999999"), strict=True)):
        for y, arm in enumerate(arms):
            value, low, high = (summary[f"{arm} {prompt}{end}"] for end in ("", "_low", "_high"))
            axis.plot([low, high], [y + 0.2 * (1 - shift)] * 2, color=colour, lw=1)
            axis.plot(value, y + 0.2 * (1 - shift), "o", color=colour, ms=4, label=prompt if y == 0 else None)
    axis.set_yticks(range(len(arms)), arms)
    axis.invert_yaxis()
    axis.set(xlabel="score, 0 chance and 1 expert", title=f"{MINUTES:g} minutes of training on one core")
    axis.legend(title="prompt")
    figure.savefig(options.out / FIGURE, dpi=110)
    rows = []
    for arm in arms:
        rows.append([arm, *(_cell(summary, f"{arm} {prompt}") for prompt in PROMPTS), summary[f"{arm} steps"]])
    write_report(
        options.out,
        "Ablations",
        options.command("ablations"),
        [
            f"Every arm trains for {report['settings']['weights']}, on one core, whatever a step costs; then "
            f"{options.episodes} episodes a task and prompt. Mean over tasks and 95 % interval.",
            table(("arm", *PROMPTS, "steps"), rows),
        ],
    )


def _cell(summary: dict[str, Any], name: str) -> str:
    return "{:.2f} [{:.2f}, {:.2f}]".format(*(summary[f"{name}{end}"] for end in ("", "_low", "_high")))
