"""`playground bench window`: the window as its user finds it, on a virtual screen (Xvfb) where there is no display."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from playground import domains
from playground.bench.measure import Measurement
from playground.errors import MissingLibraryError, PlaygroundError

TASKS = (
    "metaworld/faucet-open",
    "dm_control/walker-run",
    "dm_control/cheetah-speed_2",
    "babyai/GoToLocal-hidden",
    "atari/Breakout",
    "classic/CartPole",
    "classic/LunarLander",
)

SECONDS = 5.0
"""How long the window stays open after its first step."""

WATCHED = """
import json, sys, time
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


def measure_window(checkpoint: str | None) -> Iterator[Measurement]:
    """Measures seconds to the first picture and to the first step, pictures a second, and the speed of the world.

    Raises:
        MissingLibraryError: there is no display and no Xvfb.
        PlaygroundError: the window fails.
    """
    with _screen():
        for task in TASKS:
            yield from _watch(task, checkpoint)


@contextmanager
def _screen() -> Iterator[None]:
    """A display: the one that is there, or a virtual one."""
    if os.environ.get("DISPLAY"):
        yield
        return
    if shutil.which("Xvfb") is None:
        raise MissingLibraryError("there is no display, and no Xvfb to make one: apt install xvfb")
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


def _watch(task: str, checkpoint: str | None) -> Iterator[Measurement]:
    """Opens the window on a task."""
    options = [] if checkpoint is None else ["--checkpoint", checkpoint]
    began = time.time()
    command = [sys.executable, "-c", WATCHED, str(SECONDS), "window", "--task", task, *options]
    ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if ended.returncode:
        raise PlaygroundError(f"`playground window --task {task}` failed: {ended.stderr.strip()[-300:]}")
    shown = json.loads(ended.stdout.splitlines()[-1])
    moving = next(at for at, _, t, _ in shown if t >= 1)
    # Left out: the first moments, in which the demonstration is drawn too, and the rest after an episode.
    turns = [(a, b) for a, b in pairwise(shown) if a[0] >= moving + 1.0 and b[2] and not a[3]]
    length = sum(b[0] - a[0] for a, b in turns)
    yield _case(f"{task}: command to first picture", shown[0][0] - began, "s")
    yield _case(f"{task}: command to first step", moving - began, "s")
    yield _case(f"{task}: pictures", sum(a[1] != b[1] for a, b in turns) / length, "/s")
    yield _case(f"{task}: turns of the loop", len(turns) / length, "/s")
    speed = sum(b[2] - a[2] for a, b in turns) / length / domains.task(task).fps
    yield _case(f"{task}: speed", speed, "x real time")


def _case(name: str, value: float, unit: str) -> Measurement:
    return Measurement(name, value, unit, None, None, value, value)
