"""Measures the page in headless Chromium as its visitors find it: python -m tests.web.measure

Pictures per second, latency, seconds to the first moving picture. What other processes take of the machine meanwhile is
told with each figure, for a page that shares its cores is measured too low.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from rich import print

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
FURTHER = ("dm_control/walker-walk", "dm_control/cartpole-swingup")
"""More bodies of DM Control, measured for one visitor."""


@contextmanager
def server(log: Path, module: tuple[str, ...] = ("playground",)) -> Iterator[tuple[str, int, float]]:
    """A running `playground web`: its address, process id, and when the command was given.

    Args:
        log: file for what it prints.
        module: what is run in place of `playground`, with its arguments.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    began = time.monotonic()
    with log.open("w") as file:
        command = [sys.executable, "-m", *module, "web", "--port", str(port)]
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        while "is at" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process.pid, began
    finally:
        process.terminate()
        process.wait(timeout=30)


def opened(browser: Browser | BrowserContext, address: str) -> Page:
    """A page whose agent moves."""
    page = browser.new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.set_default_timeout(300_000)
    page.goto(address)
    page.wait_for_function("window.playground && window.playground.state().t >= 1")
    return page


def wait(page: Page, expression: str) -> None:
    page.wait_for_function(f"(() => {{ const s = window.playground.state(); return {expression}; }})()")


def show_task(page: Page, task: str, speed: float | str = 1) -> None:
    """Opens a task and waits until its demonstrations are drawn, so that only the agent is measured, from a start."""
    wish = {"open": {"task": task, "prompts": [f"{task}#0"]}, "playing": True, "speed": speed}
    page.evaluate("wish => window.playground.send(wish)", wish)
    wait(page, f"s.task == '{task}' && s.t >= 1 && s.speed == {json.dumps(speed)}")
    page.wait_for_timeout(500)
    page.wait_for_function("window.playground.missing() == 0")
    page.evaluate("window.playground.send({ reset: true })")
    page.wait_for_timeout(300)


class Others:
    """How many cores other processes take, since it was made."""

    def __init__(self) -> None:
        self._began, (self._busy, self._own) = time.monotonic(), self._spent()

    @staticmethod
    def _spent() -> tuple[float, float]:
        """Processor seconds: of everybody, and of this process with all that it started."""
        ticks = os.sysconf("SC_CLK_TCK")
        every = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        parents, spent = dict[int, int](), dict[int, int]()
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parts = status.read_text().rpartition(")")[2].split()
            except OSError:
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
        return round(max(0.0, busy - self._busy - own + self._own) / (time.monotonic() - self._began), 2)


def measure(browser: Browser, address: str, began: float, seconds: float) -> dict[str, Any]:
    """Pictures per second of one and of four visitors, latency, and the seconds that the first picture took."""
    found: dict[str, Any] = {}
    page = opened(browser, address)
    found["seconds from command to first moving picture"] = round(time.monotonic() - began, 1)
    for task in (*TASKS, *FURTHER):
        # BabyAI's own rate is 10 a second: to see how many the page can show, it runs as fast as it can.
        show_task(page, task, "max" if task.startswith("babyai") else 1)
        others = Others()
        found[f"distinct pictures a second, {task}"] = round(page.evaluate(FRAMES, seconds), 1)
        state = page.evaluate("window.playground.state()")
        found[f"real time, decision ms, cores of others, {task}"] = [
            round(state["ratio"] or 0, 2),
            round(state["latency_ms"] or 0, 1),
            others.cores,
        ]
    page.evaluate("window.playground.send({ playing: false, reset: true })")
    wait(page, "!s.playing && s.t == 0")
    delays = [page.evaluate(LATENCY) for _ in range(25)]
    found["click to effect ms, median and worst of 25"] = [round(statistics.median(delays)), round(max(delays))]
    page.close()
    pages = [opened(browser, address) for _ in range(4)]
    for one in pages:
        show_task(one, TASKS[0])
    pages[0].wait_for_timeout(1000)
    for one in pages:
        one.evaluate("window.playground.send({ reset: true })")
    pages[0].wait_for_timeout(500)
    others, counts, start = Others(), [one.evaluate("window.playground.frames()") for one in pages], time.monotonic()
    pages[0].wait_for_timeout(1000 * seconds)
    after, lasted = [one.evaluate("window.playground.frames()") for one in pages], time.monotonic() - start
    rates = [round((b - a) / lasted, 1) for a, b in zip(counts, after, strict=True)]
    ratios = [round(one.evaluate("window.playground.state().ratio") or 0, 2) for one in pages]
    found[f"pictures a second, four visitors in {TASKS[0]}"] = rates
    found["real time of the four, cores of others"] = [ratios, others.cores]
    for one in pages:
        one.close()
    return found


def errors_of(log: Path) -> list[str]:
    """What a server's log complains of."""
    return [line for line in log.read_text().splitlines() if "Error" in line or "Traceback" in line]


def main(seconds: float = 5.0, json_file: Path | None = None) -> None:
    log = Path(tempfile.mkdtemp()) / "server.log"
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with server(log) as (address, _, began), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        found = measure(browser, address, began, seconds)
        browser.close()
    found["errors in the log"] = errors_of(log)
    print(found)
    if json_file:
        json_file.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
