"""The commands that make an agent: its demonstrations, its training, its scores."""

import signal
from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer()

AgentOption = Annotated[str, typer.Option(help="Who acts: model, expert, random or nearest.")]
WorkersOption = Annotated[
    str | None, typer.Option(help="Processes (all cores if left out), or a Dask scheduler's address, tcp://host:8786.")
]
CheckpointOption = Annotated[str | None, typer.Option(help="Checkpoint folder; the shipped one if left out.")]


@commands.command()
def collect(
    tasks: Annotated[str, typer.Option(help="Glob of task ids, several separated by commas.")] = "*",
    out: Annotated[Path | None, typer.Option(help="Folder to write to; a cache folder if left out.")] = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes per task, if not the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="First seed; another one adds to what is there.")] = 0,
    workers: WorkersOption = None,
) -> None:
    """Let the experts play, and keep their episodes for training."""
    from playground.collecting.collect import collect as run
    from playground.parallel import parse_workers

    run(tasks, out, episodes, seed, parse_workers(workers))


@commands.command()
def continuations(
    tasks: Annotated[str, typer.Option(help="Globs of task ids that were collected, separated by commas.")] = "*",
    out: Annotated[Path | None, typer.Option(help="Folder that `playground collect` wrote; its default.")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="First seed; another one adds to what is there.")] = 0,
    workers: WorkersOption = None,
) -> None:
    """Let experts take over in the middle of other episodes of their scene; adds to the episodes for training."""
    from playground.collecting.takeover import collect_continuations
    from playground.parallel import parse_workers

    collect_continuations(tasks, episodes, seed, out, parse_workers(workers))


@commands.command()
def dagger(
    tasks: Annotated[str, typer.Option(help="Globs of task ids that were collected, separated by commas.")] = "*",
    checkpoint: Annotated[
        str | None, typer.Option(help="Checkpoint folder of who plays, or `random`; the shipped one by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder that `playground collect` wrote; its default.")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 48,
    seed: Annotated[int, typer.Option(min=0, help="First seed; another one adds to what is there.")] = 0,
    workers: WorkersOption = None,
    swaps: Annotated[bool, typer.Option(help="Swap each prompt for another of its scene on the way.")] = False,
) -> None:
    """Let the agent play and the experts say what they would have done; adds to the episodes for training."""
    from playground.collecting.dagger import dagger as run
    from playground.parallel import parse_workers

    run(tasks, checkpoint, episodes, seed, out, parse_workers(workers), swaps)


@commands.command(hidden=True)
def ship(
    tasks: Annotated[str, typer.Option(help="Glob of task ids, several separated by commas.")] = "*",
    episodes: Annotated[int, typer.Option(min=1, help="Demonstrations per task.")] = 6,
) -> None:
    """Write the demonstrations that are shipped."""
    from playground.collecting.ship import ship as run

    run(tasks, episodes)


@commands.command(hidden=True)
def scores(
    tasks: Annotated[str, typer.Option(help="Glob of task ids, several separated by commas.")] = "*",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 50,
) -> None:
    """Measure what chance and the experts score."""
    from playground.evaluation.reference_scores import measure_scores as run

    run(tasks, episodes)


@commands.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint.")],
    recipe: Annotated[
        str, typer.Option(help="cpu, gpu, cells (worlds of cells alone), or mend (the faucets).")
    ] = "cpu",
    data: Annotated[Path | None, typer.Option(help="Folder that `playground collect` wrote; its default.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Globs of task ids, if not the recipe's.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Length of the run, if not the recipe's.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the folder's run, or from its weights.")] = False,
    devices: Annotated[str, typer.Option(help="How many devices of this machine, as for Lightning Fabric.")] = "1",
    nodes: Annotated[int, typer.Option(min=1, help="How many machines, started as for Lightning Fabric.")] = 1,
    seed: Annotated[int, typer.Option(help="Of weights and sequences.")] = 0,
) -> None:
    """Train an agent on collected episodes; an interrupted run keeps its state."""
    from playground.training.recipe import recipe as named
    from playground.training.train import train as run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    accelerator = "cuda" if recipe == "gpu" else "cpu"
    run(named(recipe), out, data, tasks, minutes, resume, devices, accelerator, nodes, seed)
    print(f"wrote {out}; watch it: playground web --checkpoint {out}")


@commands.command()
def average(
    before: Annotated[Path, typer.Option(help="Checkpoint folder.")],
    after: Annotated[Path, typer.Option(help="What that checkpoint became when it was trained further.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint between the two.")],
    share: Annotated[float, typer.Option(help="Of the later one in each weight.")] = 0.6,
) -> None:
    """Average a checkpoint with its later self: what training on has spoilt comes back."""
    from playground.training.averaging import average as run

    print(f"wrote {run(before, after, share, out)}; measure it: playground evaluate --checkpoint {out}")


@commands.command()
def evaluate(
    tasks: Annotated[
        str | None, typer.Option(help="Globs of task ids, separated by commas; what the checkpoint learnt if left out.")
    ] = None,
    checkpoint: CheckpointOption = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives other worlds.")] = 0,
    prompt: Annotated[str, typer.Option(help="right, wrong, none, or a demonstration's name.")] = "right",
    agent: AgentOption = "model",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write results there; finished tasks stay.")] = None,
    workers: WorkersOption = None,
) -> None:
    """Measure an agent on seeds that nothing was trained on."""
    from playground.assets import ASSETS
    from playground.evaluation.evaluate import evaluate as run
    from playground.model import read_config
    from playground.parallel import parse_workers

    if tasks is None:
        tasks = ",".join(read_config(checkpoint or ASSETS / "checkpoint")[1].get("tasks", ["*"]))
    run(tasks, checkpoint, episodes, seed, json_file, prompt, agent, parse_workers(workers))


@commands.command()
def learn_done(
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint folder; it is changed in place.")],
    out: Annotated[Path | None, typer.Option(help="Folder that `playground collect` wrote; its default.")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes that the agent plays.")] = 1600,
    workers: WorkersOption = None,
) -> None:
    """Learn to tell when a part of a mission is done, so that the agent goes on to the next; adds to the checkpoint."""
    from playground.parallel import parse_workers
    from playground.training.done_head import learn_done as run

    recall, precision = run(checkpoint, episodes, out, parse_workers(workers))
    print(f"of what was done {recall:.3f} is told; of what is told {precision:.3f} was done")


@commands.command()
def fit_ood_detector(
    checkpoint: CheckpointOption = None,
    data: Annotated[
        Path | None, typer.Option(help="Demonstrations it was trained on; the shipped ones if left out.")
    ] = None,
) -> None:
    """Learn which prompts an agent is used to, so that strange ones can be told from them; adds to the checkpoint."""
    from playground.agent.ood import FILE
    from playground.agent.ood import fit_ood_detector as run
    from playground.assets import ASSETS
    from playground.model import load_model, read_config

    folder = Path(checkpoint or ASSETS / "checkpoint")
    familiar = run(load_model(folder), folder, read_config(folder)[1].get("tasks", []), data)
    print(f"wrote {folder / FILE}: {len(familiar.tasks)} tasks, {len(familiar.scores)} prompts to compare with")


@commands.command()
def card(checkpoint: CheckpointOption = None) -> None:
    """Write the model card of a checkpoint from its configuration and its evaluation.json."""
    from playground.assets import ASSETS
    from playground.evaluation.card import write_card

    print(f"wrote {write_card(Path(checkpoint or ASSETS / 'checkpoint'))}")
