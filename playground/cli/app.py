"""The commands that watch and question an agent. Each imports what it needs when it runs: help comes at once."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from playground.cli.making import AgentOption, CheckpointOption, WorkersOption, commands
from playground.errors import PlaygroundError

app = typer.Typer(
    name="playground",
    help="Watch what a generalist agent does when its goal prompt changes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def tasks(
    pattern: Annotated[str, typer.Argument(help="Glob of task ids, several separated by commas.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the tasks, what chance and the expert score in them, and their shipped demonstrations."""
    from playground import domains
    from playground.demonstrations import shipped_counts
    from playground.scores import reference_scores

    scores, counts = reference_scores(), shipped_counts()
    rows = [
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
    for column in ("task", "scene", "random", "expert", "prompts"):
        if column in ("task", "scene"):
            table.add_column(column, no_wrap=True)
        else:
            table.add_column(column, justify="right", min_width=7)
    for row in rows:
        cells = [
            "–" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row.values()
        ]
        table.add_row(cells[0], *cells[2:])
    Console().print(table)


@app.command()
def record(
    task: Annotated[
        list[str], typer.Option(help="Task id or glob, such as classic/CartPole; several are filmed as a grid.")
    ],
    out: Annotated[Path, typer.Option(help="Video to write: .mp4, .gif or .webp; a .json of results lies beside it.")],
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Demonstration, such as classic/CartPole#0, none, or own; several are filmed side by side."),
    ] = None,
    swap: Annotated[
        list[str] | None, typer.Option(help="Another prompt in mid-film, as in 4s=classic/CartPole#1; several.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Start of the first episode; the next ones take the next seeds.")] = 0,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per prompt.")] = 1,
    agent: AgentOption = "model",
    checkpoint: CheckpointOption = None,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Width of one panel in pixels.")] = 320,
    seconds: Annotated[float, typer.Option(help="End every episode after that long.")] = float("inf"),
    overlay: Annotated[bool, typer.Option(help="Write task, prompt and return above the pictures.")] = True,
) -> None:
    """Film an agent, once per prompt and task and side by side; the same command gives the same events.

    Several prompts are tried in the same world from the same start. Several tasks stand in a grid, each under its own
    first demonstration, or under the prompt that is given.
    """
    _one_core_per_session()
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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill leaves a playable file too
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
        print(f"{len(late)} swaps were later than the film's end, at {results['frames'] / results['fps']:.1f} s")
    _tell_film(results, out)


@app.command()
def replay(
    recording: Annotated[str, typer.Argument(help="A recording's name or folder, or a shipped demonstration.")],
    out: Annotated[Path | None, typer.Option(help="Video to write; a window opens if left out.")] = None,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Width of the drawn pictures in pixels.")] = 480,
) -> None:
    """Play an episode again, in the window or to a video."""
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
    _tell_film(results, out)


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="prompt-swap, ood-goals, zero-shot or ablations.")],
    out: Annotated[Path, typer.Option(help="Folder for result.json, figure.png and report.md; finished parts stay.")],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per condition.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives other worlds.")] = 0,
    scenes: Annotated[str, typer.Option(help="Globs of scenes or tasks that take part, separated by commas.")] = "*",
    checkpoint: CheckpointOption = None,
    workers: WorkersOption = None,
) -> None:
    """Run one of the article's experiments on an agent; an interrupted run goes on where it stopped."""
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


@app.command()
def web(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for everybody.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 7860,
    checkpoint: CheckpointOption = None,
    agent: AgentOption = "model",
    task: Annotated[str | None, typer.Option(help="Task to open with.")] = None,
    visitors: Annotated[int, typer.Option(min=1, help="People at a time; further ones wait in line.")] = 8,
) -> None:
    """Open the playground in the browser: watch, pause, step, and swap the prompt under a running agent."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    _one_core_per_session()
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):  # windows belong to the main thread, visitors draw in others
        os.environ.pop(display, None)
    from playground.web.server import serve

    serve(host, port, checkpoint, agent, task, visitors)


@app.command()
def window(
    task: Annotated[str, typer.Option(help="Task to open with.")] = "metaworld/faucet-open",
    prompt: Annotated[str | None, typer.Option(help="Prompt to open with; the task's first one if left out.")] = None,
    agent: AgentOption = "model",
    checkpoint: CheckpointOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Start of the first episode.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Width of the drawn pictures in pixels.")] = 640,
) -> None:
    """Open the playground in a window of its own, under keys: watch, swap prompts, take over, record."""
    _open_window(task, prompt, agent, checkpoint, seed, size)


@app.command()
def bench(
    what: Annotated[
        list[str] | None, typer.Argument(help="act, batch, train, render, peers, web, start; all if left out.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures there.")] = None,
    checkpoint: CheckpointOption = None,
) -> None:
    """Measure speed on this machine, each figure beside the floor that the machine sets."""
    _one_core_per_session()
    from playground.bench.run import run

    run(what or [], json_file, checkpoint)


@app.command()
def doctor() -> None:
    """Check Python, libraries, OpenGL, ffmpeg and shipped files; exits with 1 if something needed is missing."""
    from playground.doctor import checks

    marks = {"ok": "✓", "warn": "!", "bad": "✗"}
    worst = 0
    for check in checks():
        print(f"{marks[check.state]} {check.name}: {check.found}" + (f"\n    {check.cure}" if check.cure else ""))
        worst = max(worst, int(check.state == "bad"))
    raise typer.Exit(worst)


app.add_typer(commands)


def main() -> NoReturn:
    """Runs the command line: errors of the package are one line on stderr and exit code 2."""
    result: Any = 0
    try:
        result = app(standalone_mode=False)
    except PlaygroundError as error:
        _complain(str(error), 2)
    except KeyboardInterrupt:
        _complain("interrupted", 130)
    except typer.Abort:
        _complain("aborted", 1)
    except Exception as error:  # usage errors carry their own exit code and a hint; the rest is a bug and shows itself
        if not hasattr(error, "exit_code"):
            raise
        error.show() if hasattr(error, "show") else None
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)


def _one_core_per_session() -> None:
    """Keeps a decision's small products on one core: quicker beside others, and the same sums on every machine.

    Pictures that are drawn without a graphics card too: one of 320 pixels is no sooner ready with two threads.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("LP_NUM_THREADS", "1")  # of llvmpipe, Mesa's drawing without a graphics card


def _open_window(
    task: str, prompt: str | None, agent: str, checkpoint: str | None, seed: int, size: int, replayed: Any = None
) -> None:
    _one_core_per_session()
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    from playground import domains
    from playground.window.app import run
    from playground.window.viewer import Viewer

    domains.task(task)
    run(Viewer(task, prompt, agent, checkpoint, seed, size, replayed=replayed))


@contextmanager
def _filming(episodes: int) -> Iterator[Callable[[Any], None]]:
    """Progress on the terminal while a film is made: a function that is told every event."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        row = bar.add_task("")
        yield lambda event: bar.update(row, description=f"episode {event.episode + 1}/{episodes}  t {event.t}")


def _tell_film(results: dict[str, Any], out: Path) -> None:
    rows = zip(results["tasks"], results["prompts"], results["returns"], results["success"], strict=True)
    for task, prompt, returns, success in rows:
        solved = "" if success[0] is None else f"   solved {sum(map(bool, success))} of {len(success)}"
        where = f"{task} under " if len(set(results["tasks"])) > 1 else ""
        print(f"{where}{prompt or 'no prompt'}: return {sum(returns) / len(returns):.2f}{solved}")
    print(f"wrote {out} and {out.with_suffix('.json').name}")


def _versions() -> dict[str, str]:
    """Of what decides how a rollout goes."""
    from importlib.metadata import version

    names = ("numpy", "torch", "gymnasium", "mujoco", "dm_control", "metaworld", "minigrid", "ale-py")
    return {name: version(name) for name in names}


def _complain(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
