"""`playground bench start`: how long a fresh process takes to answer, held against the imports it cannot avoid."""

import os
import subprocess
import sys
from collections.abc import Iterator
from time import perf_counter

import numpy as np

from playground.bench.measure import Case
from playground.errors import PlaygroundError

ROUNDS = 3

ALONE = 0.8
"""Share of the time that a starting process runs at least if nothing else wants its core."""

TASK = "metaworld/reach"
"""What is drawn first: the domain that takes longest to build."""

FIRST_FRAME = f"""
import sys
import playground.cli, playground.filming
from playground.facade import open_session

class Watcher:
    wants_frame = staticmethod(lambda t: True)
    def __call__(self, event):
        assert event.frame is not None

checkpoint = sys.argv[1] or None
with open_session({TASK!r}, prompt="{TASK}#0", checkpoint=checkpoint, consumers=[Watcher()]) as session:
    session.step()
    session.step()
"""

STARTS = {
    "import playground": (["-c", "import playground"], ["-c", "pass"], "Python alone"),
    "playground --help": (["-m", "playground", "--help"], ["-c", "import typer.rich_utils"], "importing typer alone"),
    "first frame of a recording": (
        ["-c", FIRST_FRAME],
        ["-c", "import torch, mujoco, metaworld"],
        "importing torch, mujoco and metaworld alone",
    ),
}
"""What is measured -> arguments of Python, those of its floor, and what that is."""


def measure_start(checkpoint: str | None, rounds: int = ROUNDS) -> Iterator[Case]:
    """Starts processes, in turns with their floors, after one of each that is not counted.

    Where other processes want the cores, processor time stands in for the time on the clock.
    """
    for name, (arguments, bare, floor_is) in STARTS.items():
        if arguments[1] == FIRST_FRAME:
            arguments = [*arguments, checkpoint or ""]
        clocked, ran = np.array(
            [[_seconds(command) for command in (arguments, bare)] for _ in range(rounds + 1)][1:]
        ).transpose(2, 1, 0)  # each [2, rounds]
        share = float(ran.sum() / clocked.sum())
        ours, floor = np.sort(clocked if share >= ALONE else ran)
        value, known = float(np.median(ours)), float(np.median(floor))
        ran_share = 1.0 if share >= ALONE else share
        yield Case(name, value, "s", known, value / known, float(ours[0]), float(ours[-1]), floor_is, ran_share)


def _seconds(arguments: list[str]) -> tuple[float, float]:
    """How long Python runs with these arguments, on the clock and on processors."""
    began, before = perf_counter(), os.times()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise PlaygroundError(f"python {' '.join(arguments)[:60]} failed: {done.stderr.strip()[-300:]}")
    after = os.times()
    ran = after.children_user - before.children_user + after.children_system - before.children_system
    return perf_counter() - began, ran
