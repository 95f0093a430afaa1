"""`playground bench start` and `web`: how long a fresh process takes, beside the imports that it cannot avoid."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter, sleep
from urllib.request import urlopen

import numpy as np

from playground.bench.measure import Measurement
from playground.errors import PlaygroundError

ROUNDS = 3

ALONE = 0.8
"""Share of the time for which a starting process runs at least, if nothing else wants its core."""

PATIENCE_SECONDS = 120.0

TASK = "metaworld/reach"
"""The task that is drawn: its domain takes longest to build."""

FIRST_FRAME = f"""
import sys
import playground.cli, playground.recording.film
from playground.api import open_session

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
"""Name -> arguments of Python, arguments of its floor, and what the floor is."""


def measure_start(checkpoint: str | None) -> Iterator[Measurement]:
    """Times fresh processes, in turns with their floors."""
    for name, (arguments, bare, floor_is) in STARTS.items():
        if arguments[1] == FIRST_FRAME:
            arguments = [*arguments, checkpoint or ""]
        yield _case(name, partial(_run, arguments), partial(_run, bare), floor_is)


def measure_web(checkpoint: str | None) -> Iterator[Measurement]:
    """Times a fresh server until it answers with the page."""
    options = [] if checkpoint is None else ["--checkpoint", checkpoint]
    bare = partial(_run, ["-c", "import torch, gradio"])
    yield _case("page answers", partial(_serve, options), bare, "importing torch and gradio alone")


def _case(name: str, ours: Callable[[], None], bare: Callable[[], None], floor_is: str) -> Measurement:
    """Times `ROUNDS` of both in turns, after one that is not counted.

    Where other processes want the cores, processor time replaces the time on the clock.
    """
    rounds = [[_seconds(call) for call in (ours, bare)] for _ in range(ROUNDS + 1)][1:]
    clocked, ran = np.array(rounds).transpose(2, 1, 0)  # each [2, ROUNDS]
    share = float(ran.sum() / clocked.sum())
    times, floors = clocked if share >= ALONE else ran
    value, floor = float(np.median(times)), float(np.median(floors))
    return Measurement(
        name=name,
        value=value,
        unit="s",
        floor=floor,
        ratio=value / floor,
        low=float(times.min()),
        high=float(times.max()),
        floor_is=floor_is,
        ran=1.0 if share >= ALONE else share,
    )


def _seconds(call: Callable[[], None]) -> tuple[float, float]:
    """Seconds of a call: on the clock, and on the processors of the processes that it waits for."""
    began, before = perf_counter(), _processor_seconds()
    call()
    clocked = perf_counter() - began
    return clocked, clocked if before is None else (_processor_seconds() or 0.0) - before


def _processor_seconds() -> float | None:
    """Processor seconds of all ended child processes; None on systems that do not count them."""
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise PlaygroundError(f"python {' '.join(arguments)[:60]} failed: {done.stderr.strip()[-300:]}")


def _serve(options: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "playground", "web", "--port", str(port), *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = perf_counter() + PATIENCE_SECONDS
        while perf_counter() < deadline and server.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_SECONDS) as page:
                    page.read()
                return
            except OSError:
                sleep(0.02)
        raise PlaygroundError(f"`{' '.join(command[1:])}` does not answer; start it by hand to see why")
    finally:
        server.kill()
        server.wait()
