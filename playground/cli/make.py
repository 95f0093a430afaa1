"""The commands that make an agent: its demonstrations, its training, what is shipped with it."""

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from playground.cli.options import (
    CheckpointOption,
    DataOption,
    DataSeedOption,
    NewCheckpointOption,
    SettingsOption,
    TasksOption,
    WorkersOption,
)

commands = typer.Typer()
PANEL = "Make"


@commands.command(rich_help_panel=PANEL)
def collect(
    tasks: TasksOption = "*",
    data: DataOption = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes per task, if not the recipe's.")] = None,
    seed: DataSeedOption = 0,
    workers: WorkersOption = None,
) -> None:
    """Let the experts play, and keep their episodes for training."""
    from playground.collecting.collect import collect as run
    from playground.parallel import parse_workers

    run(tasks, data, episodes, seed, parse_workers(workers))


@commands.command(rich_help_panel=PANEL)
def takeovers(
    tasks: TasksOption = "*",
    data: DataOption = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 200,
    seed: DataSeedOption = 0,
    workers: WorkersOption = None,
    settings: SettingsOption = None,
) -> None:
    """Let experts take over in the middle of episodes of other tasks of their scene; adds to the collected data."""
    from playground.collecting.takeover import TakeoverSettings, collect_takeovers
    from playground.parallel import parse_workers
    from playground.settings import assign

    chosen = assign(TakeoverSettings(), settings or [])
    collect_takeovers(tasks, episodes, seed, data, parse_workers(workers), chosen)


@commands.command(rich_help_panel=PANEL)
def dagger(
    tasks: TasksOption = "*",
    checkpoint: Annotated[
        str | None,
        typer.Option(help="Checkpoint folder of the agent that acts, or `random`; the shipped one if left out."),
    ] = None,
    data: DataOption = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 48,
    seed: DataSeedOption = 0,
    workers: WorkersOption = None,
    swaps: Annotated[bool, typer.Option(help="Swap each prompt for another of its scene during the episode.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Let the agent act and label its states with the experts' actions; adds to the collected data."""
    from playground.collecting.corrections import DaggerSettings
    from playground.collecting.dagger import dagger as run
    from playground.parallel import parse_workers
    from playground.settings import assign

    chosen = assign(DaggerSettings(), settings or [])
    run(tasks, checkpoint, episodes, seed, data, parse_workers(workers), swaps, chosen)


@commands.command(rich_help_panel=PANEL)
def train(
    out: NewCheckpointOption,
    recipe: Annotated[
        str, typer.Option(help="cpu, finetune-grid, finetune-faucets, or debug, which takes seconds.")
    ] = "cpu",
    data: DataOption = None,
    tasks: Annotated[str | None, typer.Option(help="Globs of task ids, if not the recipe's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the whole run in optimiser steps.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Length of the whole run, if not the recipe's. With --steps, whichever ends first."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint folder whose weights a new run starts from; random if left out.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue the run in the folder.")] = False,
    workers: WorkersOption = None,
    devices: Annotated[
        str | None, typer.Option(help="Number of devices of this machine, as for Lightning Fabric.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Number of machines, started as for Lightning Fabric.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the weights and of the sampling.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Train an agent on the collected data; an interrupted run can be resumed."""
    from playground.parallel import parse_workers
    from playground.training.recipe import recipe as named
    from playground.training.state import start_from
    from playground.training.train import train as run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = {"hardware.devices": devices, "hardware.nodes": nodes, "seed": seed}
    chosen = [f"{name}={value}" for name, value in options.items() if value is not None]
    if tasks is not None:  # whoever names tasks wants all of them
        chosen += [f"tasks={tasks}", "held_out=[]"]
    if steps is not None or minutes is not None:
        chosen += [f"steps={'null' if steps is None else steps}", f"minutes={'null' if minutes is None else minutes}"]
    found = named(recipe, [*chosen, *(settings or [])])
    if checkpoint is not None:
        start_from(checkpoint, out)
    run(found, out, data, resume or checkpoint is not None, None if workers is None else parse_workers(workers))
    print(f"wrote {out}; watch it: playground web --checkpoint {out}")


@commands.command(rich_help_panel=PANEL)
def train_expert(
    task: Annotated[str, typer.Argument(help="Task of a trained body, such as cheetah-run or Hopper.")],
    out: Annotated[Path | None, typer.Option(help="Expert file; the shipped one if left out.")] = None,
    minutes: Annotated[float, typer.Option(help="Length of this run; one that is resumed gets as many again.")] = 6.0,
    start: Annotated[str | None, typer.Option(help="Task whose run a new one starts from.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the networks and of the simulation.")] = 0,
    settings: SettingsOption = None,
) -> None:
    """Train the expert of a simulated body by PPO on one core; the same command continues it."""
    from playground.rl.ppo import train_expert as run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"wrote {run(task, out, start, [f'minutes={minutes}', f'seed={seed}', *(settings or [])])}")


@commands.command(rich_help_panel=PANEL)
def train_dqn(
    game: Annotated[str, typer.Argument(help="Atari game, such as Breakout or SpaceInvaders.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there is continued.")],
    network: Annotated[str, typer.Option(help="nips (2013, 0.68 million weights) or nature (2015, 1.69).")] = "nips",
    algorithm: Annotated[
        str, typer.Option(help="pqn (learns fastest), dqn-2013, dqn-2015 (as published) or dqn (Adam, double, n-step).")
    ] = "pqn",
    hours: Annotated[float, typer.Option(min=0, help="Processor time of the whole run, on one core.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights, the games and the exploration.")] = 0,
) -> None:
    """Train one of DQN's two networks on a game, without demonstrations; the same command continues it."""
    from playground.rl.train_dqn import train_dqn as run

    def tell(row: dict[str, Any]) -> None:
        score = "–" if row["score"] is None else f"{row['score']:.2f}"
        steps, spent = row["agent_steps"] / 1e6, row["core_hours"]
        print(f"{steps:7.3f} M steps  {spent:6.2f} core hours  epsilon {row['epsilon']:.2f}  score {score}", flush=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run(game, out, network, algorithm, hours, seed, tell)
    print(f"wrote {out / 'policy'}; watch it: playground window --agent dqn --checkpoint {out / 'policy'}")


@commands.command(rich_help_panel=PANEL)
def ship_dqn(
    run: Annotated[Path, typer.Argument(help="Folder that train-dqn wrote.")],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to measure the policy by.")] = 50,
) -> None:
    """Write the curve of a train-dqn run to the shipped files, and its policy if it plays well enough."""
    from playground.rl.ship_dqn import ship_dqn as ship

    config = ship(run, episodes)
    score = f"score {config['score']:.2f} over {episodes} episodes" if "score" in config else "no task of this game"
    print(f"{config['game']}: {score}; {'policy and curve' if config['passed'] else 'curve only'}")


@commands.command(rich_help_panel=PANEL)
def average(
    before: Annotated[Path, typer.Option(help="Checkpoint folder.")],
    after: Annotated[Path, typer.Option(help="Checkpoint folder that was trained further from that one.")],
    out: NewCheckpointOption,
    share: Annotated[float, typer.Option(help="Weight of the later checkpoint, 0 to 1.")] = 0.6,
) -> None:
    """Average the weights of a checkpoint and of its later self, which restores what further training has spoilt."""
    from playground.training.averaging import average as run

    print(f"wrote {run(before, after, share, out)}; measure it: playground evaluate --checkpoint {out}")


@commands.command(rich_help_panel=PANEL)
def train_done_head(
    out: NewCheckpointOption,
    checkpoint: CheckpointOption = None,
    data: DataOption = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes that the agent plays.")] = 1600,
    workers: WorkersOption = None,
    settings: SettingsOption = None,
) -> None:
    """Train the head that detects when a subtask of an instruction is done; writes a new checkpoint."""
    from playground.assets import ASSETS
    from playground.parallel import parse_workers
    from playground.settings import assign
    from playground.training.done_head import DoneHeadSettings
    from playground.training.done_head import train_done_head as run

    folder, chosen = Path(checkpoint or ASSETS / "checkpoint"), assign(DoneHeadSettings(), settings or [])
    recall, precision = run(folder, out, episodes, data, parse_workers(workers), chosen)
    print(f"wrote {out}; on episodes held out from training: recall {recall:.3f}, precision {precision:.3f}")


@commands.command(rich_help_panel=PANEL)
def fit_ood_detector(
    out: NewCheckpointOption,
    checkpoint: CheckpointOption = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the collected episodes; the shipped demonstrations if left out.")
    ] = None,
) -> None:
    """Fit the detector of out-of-distribution prompts to the prompts of training; writes a new checkpoint."""
    from playground.agent.fit_ood import fit_ood_detector as run
    from playground.agent.ood import FILE
    from playground.assets import ASSETS
    from playground.model import load_model, read_config
    from playground.model.checkpoint import check_new, copy_checkpoint

    folder = Path(checkpoint or ASSETS / "checkpoint")
    check_new(out)
    detector = run(load_model(folder), read_config(folder)[1].get("tasks", []), data)
    copy_checkpoint(folder, out)
    detector.save(out / FILE)
    print(f"wrote {out}; {len(detector.tasks)} tasks, {len(detector.scores)} prompts to compare with")


@commands.command(rich_help_panel=PANEL)
def card(checkpoint: CheckpointOption = None) -> None:
    """Write a checkpoint's model card, README.md, from its config.json and its evaluation.json."""
    from playground.assets import ASSETS
    from playground.evaluation.card import write_card

    print(f"wrote {write_card(Path(checkpoint or ASSETS / 'checkpoint'))}")


@commands.command(rich_help_panel=PANEL)
def ship(
    tasks: TasksOption = "*",
    episodes: Annotated[int, typer.Option(min=1, help="Demonstrations per task.")] = 6,
) -> None:
    """Write the demonstrations that are shipped with the package."""
    from playground.collecting.ship import ship as run

    run(tasks, episodes)


@commands.command(rich_help_panel=PANEL)
def scores(
    tasks: TasksOption = "*",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 50,
) -> None:
    """Measure the reference scores: those of the random policy and of the experts."""
    from playground.evaluation.reference_scores import measure_scores as run

    run(tasks, episodes)
