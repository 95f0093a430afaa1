"""The commands that show an agent: the page, the window, films; and the list of tasks."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from playground.cli.options import AgentOption, CheckpointOption
from playground.cli.process import one_core_per_session

commands = typer.Typer()
PANEL = "Watch"


@commands.command(rich_help_panel=PANEL)
def web(
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for every machine of the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 7860,
    checkpoint: CheckpointOption = None,
    agent: AgentOption = "model",
    task: Annotated[str | None, typer.Option(help="Task to open with.")] = None,
    visitors: Annotated[int, typer.Option(min=1, help="Most people at a time; others wait in line.")] = 8,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Public name of the page behind a proxy, such as https://example.org; can be repeated."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Where a proxy serves the page: a path or, better, https://example.org/playground.")
    ] = "",
) -> None:
    """Open the page in the browser: watch, pause, step, and swap the prompt of a running agent."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    one_core_per_session()
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):  # a window needs the main thread; visitors draw in other threads
        os.environ.pop(display, None)
    from playground.web.access import Names
    from playground.web.server import serve

    serve(Names(host, allow_origin or (), root_path), port, checkpoint, agent, task, visitors)


@commands.command(rich_help_panel=PANEL)
def window(
    task: Annotated[str, typer.Option(help="Task to open with.")] = "metaworld/faucet-open",
    prompt: Annotated[
        str | None, typer.Option(help="Prompt to open with; the task's first demonstration if left out.")
    ] = None,
    agent: AgentOption = "model",
    checkpoint: CheckpointOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first episode.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Width of the drawn pictures in pixels.")] = 640,
) -> None:
    """Open a window with keys for everything: watch, swap prompts, take over, record."""
    _open_window(task, prompt, agent, checkpoint, seed, size)


@commands.command(rich_help_panel=PANEL)
def record(
    task: Annotated[list[str], typer.Option(help="Task id or glob, such as classic/CartPole; several make a grid.")],
    out: Annotated[
        Path, typer.Option(help="Video file to write: .mp4, .gif or .webp; results go to a .json beside it.")
    ],
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            help="Prompt, such as classic/CartPole#0 or classic/CartPole#0[10:60]~shuffled, a recording, or none; "
            "several are filmed side by side."
        ),
    ] = None,
    swap: Annotated[
        list[str] | None,
        typer.Option(help="Swap the prompt during the film, such as 4s=classic/CartPole#1; can be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first episode; the next episodes take the next seeds.")] = 0,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per prompt.")] = 1,
    agent: AgentOption = "model",
    checkpoint: CheckpointOption = None,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Width of one panel in pixels.")] = 320,
    seconds: Annotated[float, typer.Option(help="End every episode after this time.")] = float("inf"),
    overlay: Annotated[bool, typer.Option(help="Write task, prompt and return above the pictures.")] = True,
) -> None:
    """Film an agent; the same command gives the same film.

    Several prompts are filmed side by side, in the same world from the same start. Several tasks make a grid. Each task
    has its own first demonstration as the prompt, unless you give one.
    """
    one_core_per_session()
    from contextlib import ExitStack

    from playground import __version__, domains
    from playground.api import find_prompt, open_session
    from playground.recording.film import Swap, film, panels_for, shared_goal
    from playground.recording.video import check_target

    check_target(out)
    panels = [(domains.task(t), find_prompt(p)) for t, p in panels_for(task, prompt or [])]
    swaps = [Swap.parse(text, find_prompt) for text in swap or []]
    prompts = [found for _, found in panels]
    asked = {"task": task, "prompt": prompt, "swap": swap, "seed": seed, "episodes": episodes, "seconds": str(seconds)}
    asked |= {"agent": agent, "checkpoint": checkpoint, "size": size, "overlay": overlay}
    about = {"asked": asked, "versions": {"prompt-playground": __version__, **_versions()}}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM too leaves a playable file
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(
                open_session(t.id, agent, p, seed, shared_goal(t, prompts), checkpoint=checkpoint, size=size)
            )
            for t, p in panels
        ]
        results = film(sessions, out, episodes, about, stack.enter_context(_filming(episodes)), swaps, seconds, overlay)
    late = swaps[len(results["swaps"]) :]
    if late:
        print(f"{len(late)} swaps were due after the film's end, at {results['frames'] / results['fps']:.1f} s")
    _print_results(results, out)


@commands.command(rich_help_panel=PANEL)
def replay(
    recording: Annotated[str, typer.Argument(help="Name or folder of a recording, or a shipped demonstration.")],
    out: Annotated[Path | None, typer.Option(help="Video file to write; a window opens if left out.")] = None,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Width of the drawn pictures in pixels.")] = 480,
) -> None:
    """Replay a recorded episode, in the window or to a video."""
    from playground.demonstrations import find_demonstration

    found = find_demonstration(recording)
    if out is None:
        _open_window(found.episode.task, found.name, "model", None, 0, size, found)
        return
    from playground.recording.film import film
    from playground.recording.video import check_target
    from playground.viewing.replaying import replay_session

    check_target(out)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with replay_session(found.episode, size) as session, _filming(1) as show:
        assert session.task is not None
        about = {"recording": found.name, "size": size}
        results = film([session], out, 1, about, show, seconds=len(found.episode) / session.task.fps)
    _print_results(results, out)


@commands.command(rich_help_panel=PANEL)
def tasks(
    pattern: Annotated[str, typer.Argument(help="Globs of task ids, separated by commas.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the tasks with the scores of random policy and expert, and the number of shipped demonstrations."""
    from playground import domains
    from playground.demonstrations import shipped_counts
    from playground.scores import reference_scores

    scores, counts = reference_scores(), shipped_counts()
    rows: list[dict[str, Any]] = [
        {
            "id": task.id,
            "domain": task.domain,
            "scene": task.scene,
            "random_score": scores.get(task.id, {}).get("random"),
            "expert_score": scores.get(task.id, {}).get("expert"),
            "prompts": counts.get(task.id, 0),
        }
        for task in domains.tasks(pattern)
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("scene", no_wrap=True)
    for column in ("random", "expert", "prompts"):
        table.add_column(column, justify="right", min_width=7)
    for row in rows:
        scores_of = ("–" if row[key] is None else f"{row[key]:.4g}" for key in ("random_score", "expert_score"))
        table.add_row(row["id"], row["scene"], *scores_of, str(row["prompts"]))
    Console().print(table)


def _open_window(
    task: str, prompt: str | None, agent: str, checkpoint: str | None, seed: int, size: int, replayed: Any = None
) -> None:
    one_core_per_session()
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    from playground import domains
    from playground.window.app import run
    from playground.window.viewer import Viewer

    domains.task(task)
    run(Viewer(task, prompt, agent, checkpoint, seed, size, replayed=replayed))


@contextmanager
def _filming(episodes: int) -> Iterator[Callable[[Any], None]]:
    """Shows progress on the terminal: yields a consumer that counts episodes and timesteps."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        row = bar.add_task("")
        yield lambda event: bar.update(row, description=f"episode {event.episode + 1}/{episodes}  t {event.t}")


def _print_results(results: dict[str, Any], out: Path) -> None:
    rows = zip(results["tasks"], results["prompts"], results["returns"], results["success"], strict=True)
    for task, prompt, returns, success in rows:
        solved = "" if success[0] is None else f"   solved {sum(map(bool, success))} of {len(success)}"
        where = f"{task} under " if len(set(results["tasks"])) > 1 else ""
        print(f"{where}{prompt or 'no prompt'}: return {sum(returns) / len(returns):.2f}{solved}")
    print(f"wrote {out} and {out.with_suffix('.json').name}")


def _versions() -> dict[str, str]:
    """Versions of the libraries on which a rollout depends."""
    from importlib.metadata import version

    names = ("numpy", "torch", "gymnasium", "mujoco", "dm_control", "metaworld", "minigrid", "ale-py")
    return {name: version(name) for name in names}


@commands.command("import", rich_help_panel=PANEL)
def import_(
    dataset: Annotated[str, typer.Argument(help="A Minari dataset: its folder, or its id in Minari's folder.")],
    task: Annotated[str, typer.Option(help="The task that has the dataset's spaces.")],
    episodes: Annotated[int | None, typer.Option(min=1, help="How many to take; all if left out.")] = None,
) -> None:
    """Turn a Minari dataset into recordings, which can then be prompts for the agent."""
    from playground.demonstrations.importing import import_dataset

    for folder in import_dataset(dataset, task, episodes):
        print(f"wrote {folder}")
