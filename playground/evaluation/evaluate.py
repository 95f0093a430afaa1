"""Evaluation: how well an agent does on tasks, on seeds that nothing was trained on. Finished tasks are never lost."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from playground import assets, domains
from playground.demonstrations import find_prompt, shipped_counts
from playground.errors import DAMAGED, BadFileError, UnknownNameError
from playground.evaluation.episodes import EvaluationSettings, evaluate_task
from playground.evaluation.scoring import summarise
from playground.files import check_file_target, write_json
from playground.model import load_model
from playground.parallel import Workers, raise_failures, run_with_progress
from playground.task import Task


@dataclass(frozen=True)
class _Job:
    task: str
    settings: EvaluationSettings
    checkpoint: str | None


def _work(job: _Job) -> dict[str, Any]:
    """The job of one worker process."""
    model = load_model(job.checkpoint) if job.settings.agent == "model" else None
    return evaluate_task(domains.task(job.task), job.settings, model)


def evaluate(
    tasks: str = "*",
    checkpoint: str | Path | None = None,
    episodes: int = 20,
    seed: int = 0,
    json_file: Path | None = None,
    prompt: str = "right",
    agent: str = "model",
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Measures an agent on tasks, shows progress and saves after each task. What the file has already is not repeated.

    Args:
        tasks: glob of task ids, several separated by commas. Tasks without such prompts are left out.
        checkpoint: checkpoint folder; None takes the shipped one.
        episodes: per task.
        seed: another one gives other starts.
        json_file: where the results go.
        prompt: `right`, `wrong`, `none`, or a prompt's name (see `EvaluationSettings`).
        agent: one of `playground.api.AGENTS`.
        workers: processes, or a cluster's address (see `run_jobs`); all cores by default.

    Returns:
        {"settings", "tasks": task id -> what `score_task` gives, "summary": what `summarise` gives}.

    Raises:
        UnknownNameError: no such task, agent or prompt, or no task has demonstrations.
        BadFileError: the checkpoint is damaged, or `json_file` holds something else.
        BadValueError: `json_file` cannot be written.
        PlaygroundError: some tasks failed; all others were measured and saved before this is raised.
    """
    if json_file is not None:
        check_file_target(json_file)
    settings = EvaluationSettings(agent, prompt, episodes, seed)
    if prompt not in ("right", "wrong", "none"):
        find_prompt(prompt)
    chosen = _possible(domains.tasks(tasks), settings)
    described = {**asdict(settings), "weights": fingerprint(checkpoint) if agent == "model" else None}
    results = _finished(json_file, described)
    folder = None if checkpoint is None else str(checkpoint)
    longest_first = sorted(chosen, key=lambda task: -task.max_steps)
    jobs = [_Job(task.id, settings, folder) for task in longest_first if task.id not in results]

    def save(job: _Job, result: dict[str, Any]) -> str:
        results[job.task] = result
        if json_file is not None:
            write_json(json_file, _report(described, results))
        return _line(job, result)

    failures = run_with_progress(_work, jobs, workers, save)
    if json_file is not None and results:
        write_json(json_file, _report(described, results))
    raise_failures(failures, len(jobs))
    report = _report(described, {task.id: results[task.id] for task in chosen})
    print(summary_line(report["summary"]))
    return report


def summary_line(summary: dict[str, Any]) -> str:
    """One line of text for what `summarise` gives."""
    line = (
        f"{summary['tasks']} tasks, {summary['above_50']} above 50 % and {summary['above_80']} above 80 % of the expert"
    )
    if summary["iqm"] is None:
        return line
    low, high = summary["interval"]
    return f"{line}, interquartile mean {summary['iqm']:.3f} [{low:.3f}, {high:.3f}]"


def _line(job: _Job, result: dict[str, Any]) -> str:
    kind = "return" if result["success_rate"] is None else "success"
    low, high = result["interval"]
    return f"{job.task}: {kind} {np.mean(result['scores']):.3g} [{low:.3g}, {high:.3g}]"


def _possible(tasks: list[Task], settings: EvaluationSettings) -> list[Task]:
    """The tasks that have such prompts.

    Raises:
        UnknownNameError: there are none.
    """
    if settings.agent not in ("model", "nearest") or settings.prompt not in ("right", "wrong"):
        return tasks
    counts = shipped_counts()
    possible = [task for task in tasks if task.id in counts]
    if settings.prompt == "wrong":
        scenes = [task.scene for task in domains.tasks() if task.id in counts]
        possible = [task for task in possible if task.hidden_goal or scenes.count(task.scene) > 1]
    if not possible:
        raise UnknownNameError(f"task with {settings.prompt} prompts", tasks[0].id, counts)
    if len(possible) < len(tasks):
        print(f"{len(tasks) - len(possible)} of {len(tasks)} tasks have no {settings.prompt} prompts and are left out")
    return possible


def fingerprint(checkpoint: str | Path | None) -> str:
    """A short digest of the weights, to tell them from others.

    Raises:
        BadFileError: there are none.
    """
    path = Path(assets.ASSETS / "checkpoint" if checkpoint is None else checkpoint) / "model.safetensors"
    if not path.is_file():
        raise BadFileError(f"no checkpoint at {path.parent}: {path.name} is missing; give a checkpoint folder")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _report(described: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    return {"settings": described, "tasks": dict(sorted(results.items())), "summary": summarise(results)}


def _finished(file: Path | None, described: dict[str, Any]) -> dict[str, Any]:
    """The results in the file, if they are of the same settings and weights.

    Raises:
        BadFileError: the file holds something else.
    """
    if file is None or not file.exists():
        return {}
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        found, results = report["settings"], dict(report["tasks"])
    except DAMAGED as error:
        raise BadFileError(f"{file} is no evaluation ({error}); give another file") from error
    return results if found == described else {}
