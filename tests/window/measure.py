"""Measures the window as its user finds it: seconds to the first moving picture, pictures a second, the world's rate.

python -m tests.window.measure             opens its own virtual screen (Xvfb) where there is no display
python -m tests.window.measure --size 480  another width of the drawn pictures
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer
from rich import print

TASKS = (
    "metaworld/faucet-open",
    "dm_control/walker-run",
    "dm_control/cheetah-speed_2",
    "babyai/GoToLocal-hidden",
    "atari/Breakout",
    "classic/CartPole",
    "classic/LunarLander",
)

WATCHED = """
import json, sys, time
import numpy as np
from playground.window.app import App

draw, shown, seconds = App._draw, [], float(sys.argv.pop(1))

def watched(app):
    draw(app)
    if app.viewer.views and app.viewer.view.event is not None:
        view = app.viewer.view
        shown.append((time.time(), id(view.picture), view.event.t, view.event.done))
        if view.event.t >= 1 and shown[-1][0] - next(row[0] for row in shown if row[2]) > seconds:
            print(json.dumps(shown), flush=True)
            app.running = False

App._draw = watched
from playground.cli import main
sys.argv[0] = "playground"
main()
"""
"""The command `playground window`, which notes when it has drawn what, and ends by itself."""


@contextmanager
def screen() -> Iterator[None]:
    """A display: the one that is there, or a virtual one."""
    if os.environ.get("DISPLAY"):
        yield
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    try:
        os.environ["DISPLAY"] = f":{os.read(read, 16).decode().strip()}"
        yield
    finally:
        os.environ.pop("DISPLAY", None)
        server.terminate()
        server.wait()


def watch(task: str, size: int, seconds: float) -> dict[str, Any]:
    """Opens the window on a task for so long."""
    began = time.time()
    command = [sys.executable, "-c", WATCHED, str(seconds), "window", "--task", task]
    command += ["--size", str(size)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    shown = json.loads(ended.stdout.splitlines()[-1])
    moving = next(at for at, _, t, _ in shown if t >= 1)
    # Left out: the first moments, in which the demonstration is drawn too, and the rest after an episode.
    turns = [(a, b) for a, b in pairwise(shown) if a[0] >= moving + 1.0 and b[2] and not a[3]]
    length = sum(b[0] - a[0] for a, b in turns)
    from playground import domains

    return {
        "first picture s": round(shown[0][0] - began, 2),
        "moving s": round(moving - began, 2),
        "pictures/s": round(sum(a[1] != b[1] for a, b in turns) / length, 1),
        "turns/s": round(len(turns) / length, 1),
        "real time": round(sum(b[2] - a[2] for a, b in turns) / length / domains.task(task).fps, 2),
    }


def main(size: int = 640, seconds: float = 5.0, tasks: str = ",".join(TASKS), json_file: Path | None = None):
    found: dict[str, Any] = {"load of the machine before": os.getloadavg()[0]}
    with screen():
        for task in tasks.split(","):
            found[task] = watch(task, size, seconds)
            print(task, json.dumps(found[task]))
    found["load of the machine after"] = os.getloadavg()[0]
    if json_file:
        json_file.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
