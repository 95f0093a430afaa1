"""Ablations: what the recipe's choices are worth. Each arm changes one, and trains as long on the same few tasks.

Judged by closed-loop scores under the right prompt, another of the scene, and none; a lower loss alone proves nothing.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playground import domains
from playground.demonstrations.packed import default_root, packed_tasks, shard_folders
from playground.errors import UnknownNameError
from playground.experiments.running import FIGURE, Options, flat, run, table, write_report
from playground.model import read_config
from playground.scores import normalise, reference_scores
from playground.settings import assign
from playground.training.recipe import Recipe, recipe

PROMPTS = ("right", "wrong", "none")

SHORT = ("model.max_prompt=16", "model.max_live=16", "model.max_live_grid=16")

ARMS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "16 and 16 steps": SHORT,
    "half the width": ("model.width=128", "model.hidden=512"),
    "twice the layers": ("model.layers=8",),
    "prompts of 16": ("model.max_prompt=16",),
    "prompts of 128": ("model.max_prompt=128",),
    "context of 24": ("model.max_live=24", "model.max_live_grid=24"),
    "never prompted": ("sampling.prompted=0",),
    "a quarter prompted": ("sampling.prompted=0.25",),
    "always prompted": ("sampling.prompted=1",),
    "prompts from the end": ("sampling.from_end=1",),
    "prompts from anywhere": ("sampling.from_end=0",),
    "no goal loss": ("loss.goal=0", "sampling.goal_only={}"),
    "demonstrations alone": ("sampling.corrections=0",),
    "a shard of data": ("sampling.corrections=0",),
    "flat, 16 and 16 steps": ("model.layout=flat", "sampling.batch_rows=1", *SHORT),
}
"""Name -> what is changed. "A shard of data" takes only each task's first shard of demonstrations. The flat layout gets
short contexts: with the recipe's, the mask of its attention alone takes 26 GB."""

FEWER = "a shard of data"


@dataclass(frozen=True)
class Study:
    """What is trained.

    Attributes:
        minutes: of training an arm, on one core.
        tasks: few enough to be learnt in minutes. BabyAI's turned out to be done under any prompt; in the others the
            prompt has a say.
        arms: which of `ARMS` are trained.
        settings: changes of the recipe `cpu` in all arms. Fewer rows make some hundreds of steps of these minutes.
    """

    minutes: float = 3.0
    tasks: tuple[str, ...] = (
        "metaworld/reach",
        "metaworld/drawer-open",
        "metaworld/drawer-close",
        "metaworld/faucet-open",
        "metaworld/faucet-close",
        "babyai/GoToLocalS5N2-hidden",
    )
    arms: tuple[str, ...] = tuple(ARMS)
    settings: tuple[str, ...] = ('sampling.rows={"vector": 3, "grid": 1}', "sampling.task_weights={}")


@dataclass(frozen=True)
class Job:
    """One arm: trained in a folder of its own beside the result, then evaluated."""

    arm: str
    recipe: Recipe
    episodes: int
    seed: int
    out: Path
    root: Path

    @property
    def key(self) -> str:
        """Name of the arm, under which its records are kept."""
        return self.arm


def ablations(options: Options, study: Study | None = None, data: Path | None = None) -> dict[str, Any]:
    """Runs the experiment with one process for each arm; see `run` for what is written and raised.

    Args:
        options: of every experiment; its seed is the evaluation's.
        study: what is trained, by default what was published.
        data: packed episodes, by default where `playground collect` puts them.

    Raises:
        UnknownNameError: no task of the study with collected demonstrations matches.
    """
    study, root = study or Study(), data or default_root()
    possible = [id for id in packed_tasks(root) if id in study.tasks]
    chosen = domains.matching(possible, options.scenes)
    if not chosen:
        raise UnknownNameError("task of the ablations with collected demonstrations", options.scenes, possible)
    base = replace(recipe("cpu", study.settings), tasks=tuple(chosen), minutes=study.minutes)
    jobs = [
        Job(arm, assign(base, ARMS[arm]), options.episodes, options.seed, options.out.absolute(), root)
        for arm in study.arms
    ]
    report = run("ablations", options, f"{study.minutes:g} minutes on {', '.join(chosen)}", jobs, _work, conclude)
    _draw(report, options, study.minutes)
    return report


def _work(job: Job) -> list[dict[str, Any]]:
    """Trains and evaluates one arm: a record for each episode."""
    from playground.evaluation.episodes import EvaluationSettings, evaluate_task
    from playground.model import load_model
    from playground.training.train import train

    folder = job.out / "arms" / job.arm.replace(" ", "-")
    data = _first_shards(job.root, folder / "data", job.recipe.tasks) if job.arm == FEWER else job.root
    if not (folder / "config.json").exists():
        train(job.recipe, folder, data)
    model = load_model(folder)
    steps = read_config(folder)[1]["steps"]
    records = []
    for id in job.recipe.tasks:
        for prompt in PROMPTS:
            found = evaluate_task(domains.task(id), EvaluationSettings("model", prompt, job.episodes, job.seed), model)
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
    """Normalised score (0 random, 1 expert) by arm and prompt, mean over tasks."""
    summary: dict[str, Any] = {}
    for arm, rows in records.items():
        for prompt in PROMPTS:
            tasks = dict.fromkeys(row["task"] for row in rows)
            groups = [[r["normalised"] for r in rows if (r["task"], r["prompt"]) == (id, prompt)] for id in tasks]
            summary |= flat(f"{arm} {prompt}", groups)
        summary[f"{arm} steps"] = rows[0]["steps"]
    return {"summary": summary}


def _draw(report: dict[str, Any], options: Options, minutes: float) -> None:
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
    axis.set(xlabel="score, 0 random and 1 expert", title=f"{minutes:g} minutes of training on one core")
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
