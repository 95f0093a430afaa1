"""Zero-shot: tasks that the agent was never trained on, with nothing but a demonstration.

Three controls stand beside it: the nearest-neighbour policy, the random policy, and the agent without a prompt. Only
what exceeds them is a skill that the prompt has called up.
"""

from typing import Any

import numpy as np

from playground import assets, domains
from playground.demonstrations import shipped_counts
from playground.domains.hold_outs import rung
from playground.evaluation.episodes import EvaluationSettings, evaluate_task
from playground.experiments.running import FIGURE, Case, Options, choose_subjects, flat, run_cases, table, write_report
from playground.model import load_model, read_config
from playground.scores import normalise, reference_scores

WHO = {
    "agent": ("model", "right"),
    "no_prompt": ("model", "none"),
    "nearest": ("nearest", "right"),
    "random": ("random", "none"),
}
"""Name -> agent and prompt."""

COLOURS = {"agent": "#2c7fb8", "no_prompt": "#7fcdbb", "nearest": "#d95f0e", "random": "#999999"}


def zero_shot(options: Options) -> dict[str, Any]:
    """Runs the experiment on every task that the checkpoint was not trained on; see `run`.

    Raises:
        UnknownNameError: no task that was held out matches.
    """
    folder = options.checkpoint or assets.ASSETS / "checkpoint"
    trained = set(read_config(folder)[1].get("tasks", []))
    held_out = [id for id in shipped_counts() if id not in trained and id in {task.id for task in domains.tasks()}]
    chosen = choose_subjects("held-out task", options, held_out)
    report = run_cases("zero-shot", options, [(id, who, "") for id in chosen for who in WHO], _work, conclude)
    _draw(report, options)
    return report


def _work(case: Case) -> list[dict[str, Any]]:
    """The job of one worker process: a record for each episode."""
    agent, prompt = WHO[case.condition]
    model = load_model(case.checkpoint) if agent == "model" else None
    found = evaluate_task(
        domains.task(case.subject), EvaluationSettings(agent, prompt, case.episodes, case.seed), model
    )
    known = reference_scores().get(case.subject)
    return [{"score": score, "normalised": normalise(score, known)} for score in found["scores"]]


def conclude(records: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Normalised return over all held-out tasks and for each; 0 is the random policy, 1 the expert."""
    summary: dict[str, Any] = {}
    lines: dict[str, Any] = {}
    for who in WHO:
        groups = {key.rsplit(" ", 1)[0]: rows for key, rows in records.items() if key.rsplit(" ", 1)[1] == who}
        known = {id: [r["normalised"] for r in rows if r["normalised"] is not None] for id, rows in groups.items()}
        summary |= flat(f"return_{who}", list(known.values()))
        for id, values in known.items():
            lines.setdefault(id, {"rung": rung(id)}).update(flat(f"return_{who}", [values]))
    return {"summary": {"tasks": len(lines), **summary}, "tasks": lines}


def _draw(report: dict[str, Any], options: Options) -> None:
    """Figure and one-page report."""
    from matplotlib.figure import Figure

    lines = report["tasks"]
    names = sorted(lines, key=lambda id: lines[id].get("return_agent") or 0.0)
    figure = Figure(figsize=(9, 2 + 0.32 * len(names)), layout="constrained")
    axis = figure.subplots()
    for shift, (who, colour) in enumerate(COLOURS.items()):
        for y, id in enumerate(names):
            value, low, high = (lines[id].get(f"return_{who}{end}") for end in ("", "_low", "_high"))
            if value is not None:
                axis.plot([low, high], [y + 0.15 * (1.5 - shift)] * 2, color=colour, lw=1)
                label = who.replace("_", " ") if y == 0 else None
                axis.plot(value, y + 0.15 * (1.5 - shift), "o", color=colour, ms=4, label=label)
    axis.axvline(0, color="k", lw=0.6)
    axis.axvline(1, color="k", lw=0.6, ls="--")
    axis.set_yticks(np.arange(len(names)), names, fontsize=8)
    axis.set(xlabel="return; 0: random policy, 1: expert", title="Tasks never trained on")
    axis.legend(fontsize=8)
    figure.savefig(options.out / FIGURE, dpi=110)
    everything = [("all", report["summary"]), *sorted(lines.items())]
    rows = [[id, line.get("rung"), *(_cell(line, who) for who in WHO)] for id, line in everything]
    write_report(
        options.out,
        "Zero-shot",
        options.command("zero-shot"),
        [
            "Normalised return (0: random policy, 1: expert) with its 95 % interval, "
            f"on {len(lines)} tasks that the agent was never trained on.",
            table(("task", "rung", "agent", "agent, no prompt", "nearest neighbour", "random policy"), rows),
        ],
    )


def _cell(line: dict[str, Any], who: str) -> str | None:
    value, low, high = (line.get(f"return_{who}{end}") for end in ("", "_low", "_high"))
    return None if value is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"
