"""The commands that measure: the agent, the speed of this machine, the installation."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from playground.cli.options import AgentOption, CheckpointOption, WorkersOption, WorldSeedOption
from playground.cli.process import can_show, one_core_per_session

commands = typer.Typer()
PANEL = "Measure"


@commands.command(rich_help_panel=PANEL)
def evaluate(
    tasks: Annotated[
        str | None,
        typer.Option(help="Globs of task ids, separated by commas; the checkpoint's training tasks if left out."),
    ] = None,
    checkpoint: CheckpointOption = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 20,
    seed: WorldSeedOption = 0,
    prompt: Annotated[str, typer.Option(help="right, wrong, none, or a prompt such as classic/CartPole#0.")] = "right",
    agent: AgentOption = "model",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the results; the same command continues it.")
    ] = None,
    workers: WorkersOption = None,
) -> None:
    """Measure an agent's scores in worlds that it was never trained on."""
    from playground.assets import ASSETS
    from playground.evaluation.evaluate import evaluate as run
    from playground.model import read_config
    from playground.parallel import parse_workers

    if tasks is None:
        tasks = ",".join(read_config(checkpoint or ASSETS / "checkpoint")[1].get("tasks", ["*"]))
    run(tasks, checkpoint, episodes, seed, json_file, prompt, agent, parse_workers(workers))


@commands.command(rich_help_panel=PANEL)
def experiment(
    name: Annotated[str, typer.Argument(help="prompt-swap, ood-goals, zero-shot, ablations or compute.")],
    out: Annotated[
        Path, typer.Option(help="Folder for result.json, figure.png and report.md; the same command continues it.")
    ],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per condition.")] = 50,
    seed: WorldSeedOption = 0,
    scenes: Annotated[str, typer.Option(help="Globs of scenes or tasks, separated by commas.")] = "*",
    checkpoint: CheckpointOption = None,
    workers: WorkersOption = None,
) -> None:
    """Run one of the article's experiments; an interrupted run continues where it stopped."""
    from playground.experiments import experiment as run
    from playground.experiments.running import Options
    from playground.parallel import parse_workers

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    summary = run(name, Options(out, episodes, seed, scenes, checkpoint, parse_workers(workers)))["summary"]
    for key, value in summary.items():
        if not key.endswith(("_low", "_high")):
            low, high = (summary.get(f"{key}_{end}") for end in ("low", "high"))
            interval = "" if low is None else f"  [{low:.3g}, {high:.3g}]"
            print(f"{key}: {'–' if value is None else f'{value:.3g}'}{interval}")
    print(f"wrote {out / 'report.md'}")


@commands.command(rich_help_panel=PANEL)
def bench(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="act, batch, train, render, peers, web, start; all of these if left out. "
            "page and soak (a browser on the page) and window run only by name."
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
    checkpoint: CheckpointOption = None,
    minutes: Annotated[float, typer.Option(help="Length of `soak`.")] = 60.0,
) -> None:
    """Measure speed on this machine, each figure beside the lower bound that the machine sets."""
    one_core_per_session()
    from playground.bench.run import Settings, run

    run(what or [], json_file, Settings(checkpoint, minutes))


@commands.command(rich_help_panel=PANEL)
def doctor() -> None:
    """Check Python, libraries, OpenGL, ffmpeg and shipped files; exits with 1 if something needed is missing."""
    from playground.doctor import checks

    marks = {"ok": "✓", "warn": "!", "bad": "✗"} if can_show("✓✗") else {"ok": "+", "warn": "!", "bad": "x"}
    worst = 0
    for check in checks():
        print(f"{marks[check.state]} {check.name}: {check.found}" + (f"\n    {check.cure}" if check.cure else ""))
        worst = max(worst, int(check.state == "bad"))
    raise typer.Exit(worst)
