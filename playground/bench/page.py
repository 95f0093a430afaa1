"""`playground bench page`: the page in headless Chromium, as its visitors find it.

A page that shares its cores is measured too low, so what other processes take of the machine is measured too.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from playground.bench.browser import Served, chromium, opened, server, show_task, wait
from playground.bench.measure import Measurement

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FRAMES = """async (seconds) => {
  const canvas = document.querySelector('[data-view=live]'), pen = canvas.getContext('2d');
  const until = performance.now() + 1000 * seconds;
  let last = '', distinct = 0;
  while (performance.now() < until) {
    await new Promise(requestAnimationFrame);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    let hash = 0;
    for (let i = 0; i < data.length; i += 28) hash = (hash * 31 + data[i]) | 0;
    if (String(hash) !== last) distinct += 1;
    last = String(hash);
  }
  return distinct / seconds;
}"""
"""Pictures that differ from the one before, per second."""

LATENCY = """async () => {
  const shown = document.querySelector('[data-out=t]'), before = shown.textContent, began = performance.now();
  document.querySelector('[data-do=step]').click();
  while (shown.textContent === before && performance.now() - began < 20000) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
"""Milliseconds from a click on Step to the picture and numbers of that step."""

TASKS = ("dm_control/cheetah-speed_2", "babyai/GoToLocal-hidden", "metaworld/faucet-open")
ALONE = (*TASKS, "dm_control/walker-walk", "dm_control/cartpole-swingup")
"""What one visitor watches; four visitors watch the first."""

SECONDS = 5.0
CLICKS = 25
VISITORS = 4


def measure_page(checkpoint: str | None) -> Iterator[Measurement]:
    """Measures pictures a second of one and of four visitors, latency, and the time to the first moving picture.

    Raises:
        MissingLibraryError: playwright or Chromium is not installed.
        PlaygroundError: the server does not start, or its log holds an error.
    """
    with server(checkpoint) as served, chromium() as browser:
        yield from _one_visitor(browser, served)
        yield from _visitors(browser, served.address)
        served.raise_errors()


def _one_visitor(browser: "Browser", served: Served) -> Iterator[Measurement]:
    page = opened(browser, served.address)
    yield _case("command to first moving picture", "s", [time.monotonic() - served.began])
    for task in ALONE:
        # BabyAI's own rate is 10 a second: to see how many the page can show, it runs as fast as it can.
        show_task(page, task, "max" if task.startswith("babyai") else 1)
        others = _Others()
        yield _case(f"{task}: distinct pictures", "/s", [page.evaluate(FRAMES, SECONDS)])
        taken, state = others.cores, page.evaluate("window.playground.state()")
        yield _case(f"{task}: speed", "x real time", [state["ratio"] or 0])
        yield _case(f"{task}: decision", "ms", [state["latency_ms"] or 0])
        yield _case(f"{task}: taken by other processes", "cores", [taken])
    page.evaluate("window.playground.send({ playing: false, reset: true })")
    wait(page, "!s.playing && s.t == 0")
    yield _case(f"a click shows, median of {CLICKS}", "ms", [page.evaluate(LATENCY) for _ in range(CLICKS)])
    page.close()


def _visitors(browser: "Browser", address: str) -> Iterator[Measurement]:
    pages = [opened(browser, address) for _ in range(VISITORS)]
    for page in pages:
        show_task(page, TASKS[0])
    pages[0].wait_for_timeout(1000)
    for page in pages:
        page.evaluate("window.playground.send({ reset: true })")
    pages[0].wait_for_timeout(500)
    others, start = _Others(), time.monotonic()
    before = [page.evaluate("window.playground.frames()") for page in pages]
    pages[0].wait_for_timeout(1000 * SECONDS)
    after, lasted = [page.evaluate("window.playground.frames()") for page in pages], time.monotonic() - start
    yield _case(f"{VISITORS} visitors in {TASKS[0]}: pictures", "/s", (np.array(after) - before) / lasted)
    ratios = [page.evaluate("window.playground.state().ratio") or 0 for page in pages]
    yield _case(f"{VISITORS} visitors: speed", "x real time", ratios)
    yield _case(f"{VISITORS} visitors: taken by other processes", "cores", [others.cores])
    for page in pages:
        page.close()


def _case(name: str, unit: str, values: list[float] | np.ndarray) -> Measurement:
    """The median of some values, with the smallest and the greatest beside it."""
    return Measurement(name, float(np.median(values)), unit, None, None, float(np.min(values)), float(np.max(values)))


class _Others:
    """How many cores other processes have taken since this was made."""

    def __init__(self) -> None:
        self._began, (self._busy, self._own) = time.monotonic(), self._spent()

    @staticmethod
    def _spent() -> tuple[float, float]:
        """Processor seconds: of everybody, and of this process with all that it started."""
        ticks = os.sysconf("SC_CLK_TCK")
        every = [int(part) for part in Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]]
        parents, spent = dict[int, int](), dict[int, int]()
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parts = status.read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(status.parent.name)] = int(parts[1])
            spent[int(status.parent.name)] = int(parts[11]) + int(parts[12])
        family, size = {os.getpid()}, 0
        while len(family) > size:
            size = len(family)
            family |= {child for child, parent in parents.items() if parent in family}
        return (sum(every) - every[3] - every[4]) / ticks, sum(spent.get(pid, 0) for pid in family) / ticks

    @property
    def cores(self) -> float:
        busy, own = self._spent()
        return max(0.0, busy - self._busy - own + self._own) / (time.monotonic() - self._began)
