"""Out-of-distribution goals: demonstrations of goals inside, between and beyond those that were trained.

The article doubts that a prompt works unless it is very like those of training. Each family's goals are split before
any training (`playground.domains.goals`). What was achieved is measured, and the prompt's out-of-distribution score.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from playground import assets, domains
from playground.agent import load_detector, read_prompt
from playground.collecting.experts import expert_episode
from playground.domains.goals import INTERPOLATED, PARTS, TRAINED, GoalFamily, NumericFamily
from playground.environment import DomainEnv
from playground.evaluation.episodes import SEEDS_PER_RUN, batch_policy
from playground.events import BatchPolicy
from playground.experiments.running import (
    FIGURE,
    Case,
    Options,
    auroc,
    choose_subjects,
    flat,
    run_cases,
    table,
    write_report,
)
from playground.model import load_model, read_config
from playground.prompt import Prompt
from playground.rollout import EpisodeSpec, Rollout
from playground.task import EVALUATION_SEEDS, PROMPT_SEEDS, Task

WORLDS = 8
"""Worlds of one family that are stepped together."""

AGENTS = ("model", "nearest", "expert", "random")
COLUMNS = (("error", ""), ("error_shown", ""), ("error", "_expert"))
"""Of the report: which error, and whose."""

COLOURS = {"model": "#2c7fb8", "nearest": "#d95f0e", "expert": "#333333", "random": "#999999"}


def ood_goals(options: Options) -> dict[str, Any]:
    """Runs the experiment; see `run` for what is written and raised.

    Raises:
        UnknownNameError: no family matches.
    """
    chosen = choose_subjects("goal family", options, domains.families())
    cases = [(id, part, agent) for id in chosen for part in PARTS for agent in AGENTS]
    report = run_cases("ood-goals", options, cases, _work, conclude)
    held_out = read_config(options.checkpoint or assets.ASSETS / "checkpoint")[1].get("goals_held_out", [])
    report["trained_on_held_out_goals"] = [id for id in chosen if id not in held_out]
    _draw(report, options)
    return report


def _work(case: Case) -> list[dict[str, Any]]:
    """The job of one worker process: a record for each episode."""
    task, family = domains.task(case.subject), domains.families()[case.subject]
    rng = np.random.default_rng([case.seed, PARTS.index(case.condition)])  # the same goals for every agent
    goals = [family.draw(case.condition, rng) for _ in range(case.episodes)]
    first = case.seed * SEEDS_PER_RUN
    envs = [task.make(64) for _ in range(min(WORLDS, case.episodes))]
    try:
        expert = task.make_expert(envs[0])
        prompts: list[Prompt | None] = [None] * case.episodes
        shown: list[Any] = [None] * case.episodes
        if case.agent in ("model", "nearest"):
            for i, goal in enumerate(goals):
                episode = expert_episode(task, envs[0], expert, PROMPT_SEEDS[first + i], goal)
                prompts[i], shown[i] = Prompt.from_episode(episode, f"{task.id} {case.condition}"), envs[0].achieved
        model = load_model(case.checkpoint) if case.agent == "model" else None
        policy = batch_policy(case.agent, task, envs, model)
        records = []
        for begin in range(0, case.episodes, len(envs)):
            numbers = range(begin, min(begin + len(envs), case.episodes))
            specs = [EpisodeSpec(EVALUATION_SEEDS[first + i], goals[i], prompts[i]) for i in numbers]
            _play(task, specs, envs[: len(specs)], policy)
            for row, i in enumerate(numbers):
                prompt, ood = prompts[i], None
                if model is not None and prompt is not None:
                    ood = read_prompt(model, prompt, load_detector(case.checkpoint)).ood
                score = None if ood is None else ood.score
                records.append(_record(family, goals[i], shown[i], envs[row].achieved, score))
        return records
    finally:
        for env in envs:
            env.close()


def _play(task: Task, specs: Sequence[EpisodeSpec], envs: Sequence[DomainEnv], policy: BatchPolicy) -> None:
    """Plays an episode in each environment, as long as a demonstration: what was achieved is read at the end."""
    solved_steps = [0] * len(envs)
    run = Rollout(envs, specs, policy, task)
    for row, event in run:
        solved_steps[row] += bool(event.t and event.success)
        if solved_steps[row] > task.hold_steps or event.t == task.horizons.goal:
            run.end(row)


def _record(family: GoalFamily, goal: Any, shown: Any, achieved: Any, ood_score: float | None) -> dict[str, Any]:
    """One episode; where nothing was achieved, the error is that of a no-op in the middle.

    The demonstration's expert misses a goal too: `error_shown` is the distance from what it achieved.
    """
    nothing = tuple(0.0 for _ in goal) if achieved is None and not isinstance(goal, str) else achieved
    error = family.error(goal, nothing)
    return {
        "goal": goal,
        "shown": shown,
        "achieved": achieved,
        "error": round(error, 5),
        "error_shown": None if shown is None else round(family.error(shown, nothing), 5),
        "met": error <= family.tolerance,
        "ood_score": None if ood_score is None else round(ood_score, 4),
    }


def conclude(records: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Errors by family and part, over all families in tolerances, and how well a prompt's score predicts failure."""
    families = domains.families()
    summary: dict[str, Any] = {}
    lines: dict[str, Any] = {}
    for part in PARTS:
        for agent in AGENTS:
            name = f"error_{part}" if agent == "model" else f"error_{part}_{agent}"
            found = {id: records.get(f"{id} {part} {agent}", []) for id in families}
            relative = [[r["error"] / families[id].tolerance for r in rows] for id, rows in found.items()]
            summary |= flat(name, relative)
            for id, rows in found.items():
                if rows:
                    lines.setdefault(id, {}).update(flat(name, [[r["error"] for r in rows]]))
                    lines[id] |= flat(name.replace("error", "met"), [[float(r["met"]) for r in rows]])
                    if agent == "model":
                        from_shown = [r["error_shown"] for r in rows if r["error_shown"] is not None]
                        lines[id] |= flat(f"error_shown_{part}", [from_shown])
                        summary |= flat(f"{id} {name}", [[r["error"] for r in rows]])
                        summary |= flat(f"{id} error_shown_{part}", [from_shown])
    judged = [
        (r["ood_score"], not r["met"], part != TRAINED, id)
        for id in families
        for part in PARTS
        for r in records.get(f"{id} {part} model", [])
        if r["ood_score"] is not None
    ]
    summary["ood_auroc"] = auroc([s for s, *_ in judged], [failed for _, failed, *_ in judged])
    summary["held_out_auroc"] = auroc([s for s, *_ in judged], [held_out for _, _, held_out, _ in judged])
    for id in lines:
        own = [(s, failed) for s, failed, _, family in judged if family == id]
        lines[id]["ood_auroc"] = summary[f"{id} ood_auroc"] = auroc([s for s, _ in own], [f for _, f in own])
    return {"summary": summary, "families": lines}


def _draw(report: dict[str, Any], options: Options) -> None:
    """Figure and one-page report."""
    from matplotlib.figure import Figure

    families = {id: domains.families()[id] for id in report["families"]}
    columns = min(4, len(families) + 1)
    rows = -(-(len(families) + 1) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (id, family) in zip(axes, families.items(), strict=False):
        axis.set_title(id, fontsize=9)
        if isinstance(family, NumericFamily):
            _draw_numbers(axis, family, report["records"])
        else:
            for shift, agent in enumerate(AGENTS):
                met = [
                    np.mean([r["met"] for r in report["records"].get(f"{id} {p} {agent}", [])] or [np.nan])
                    for p in PARTS
                ]
                axis.bar(np.arange(3) + 0.2 * shift - 0.3, met, 0.2, color=COLOURS[agent], label=agent)
            axis.set_xticks(range(3), PARTS)
            axis.set(ylim=(0, 1), ylabel="goal met")
    last = axes[len(families)]
    for part, colour in zip(PARTS, ("#2c7fb8", "#7fcdbb", "#d95f0e"), strict=True):
        points = [
            (r["ood_score"], r["error"] / families[id].tolerance)
            for id in families
            for r in report["records"].get(f"{id} {part} model", [])
            if r["ood_score"] is not None
        ]
        last.scatter(*zip(*points, strict=True), s=6, color=colour, label=part) if points else None
    value = report["summary"]["ood_auroc"]
    last.set(xlabel="out-of-distribution score of the prompt", ylabel="error / tolerance", yscale="symlog")
    last.set_title("AUROC for failure: " + ("–" if value is None else f"{value:.2f}"), fontsize=9)
    last.legend(fontsize=7)
    for axis in axes[len(families) + 1 :]:
        axis.set_axis_off()
    axes[0].legend(fontsize=7)
    figure.savefig(options.out / FIGURE, dpi=110)
    cells = [
        [id, families[id].unit or "0 or 1"]
        + [line.get(f"{what}_{part}{agent}") for what, agent in COLUMNS for part in PARTS]
        + [line.get(f"met_{part}") for part in PARTS]
        + [line["ood_auroc"]]
        for id, line in report["families"].items()
    ]
    header = (
        "family",
        "unit",
        *PARTS,
        *(f"from shown, {p}" for p in PARTS),
        *(f"expert {p}" for p in PARTS),
        *(f"met {p}" for p in PARTS),
        "AUROC",
    )
    every = [
        [agent or "agent"] + [report["summary"].get(f"error_{part}{'_' if agent else ''}{agent}") for part in PARTS]
        for agent in ("", "nearest", "expert", "random")
    ]
    write_report(
        options.out,
        "Out-of-distribution goals",
        options.command("ood-goals"),
        [
            "Mean errors at the end of the episode: of the agent from the goal, of the agent from what its "
            "demonstration achieved (*from shown*), of the expert from the goal. "
            f"*{INTERPOLATED}* goals lie in a gap of the trained ones. *met*: share of episodes within the family's "
            "tolerance. *AUROC*: how well the prompt's out-of-distribution score predicts that the goal is not met "
            "(0.5: not at all).",
            _warning(report["trained_on_held_out_goals"]),
            table(header, cells),
            "Errors in tolerances, mean over families:",
            table(("who", *PARTS), every),
        ],
    )


def _warning(spoilt: list[str]) -> str:
    if not spoilt:
        return "No held-out goal was in the training data of these families."
    return (
        f"The training data of this checkpoint were not split by goal, or not noted to be, for {', '.join(spoilt)}: "
        "there the held-out parts are held out in name only."
    )


def _draw_numbers(axis: Any, family: NumericFamily, records: dict[str, list[dict[str, Any]]]) -> None:
    """Achieved against prompted parameter; trained intervals are shaded."""
    for low, high in family.intervals[TRAINED]:
        axis.axvspan(low, high, color="#2c7fb8", alpha=0.12, lw=0)
    ends = [end for spans in family.intervals.values() for span in spans for end in span]
    axis.plot([min(ends), max(ends)], [min(ends), max(ends)], color="k", lw=0.7)
    for agent in AGENTS[::-1]:
        points = [
            (family.value(_goal(r["goal"])), family.value(_goal(r["achieved"])))
            for part in PARTS
            for r in records.get(f"{family.task} {part} {agent}", [])
            if r["achieved"] is not None
        ]
        if points:
            axis.scatter(*zip(*points, strict=True), s=7, color=COLOURS[agent], label=agent)
    axis.set(xlabel=f"prompted {family.parameter}, {family.unit}", ylabel=f"achieved, {family.unit}")


def _goal(numbers: list[float]) -> tuple[float, ...]:
    return tuple(numbers)
