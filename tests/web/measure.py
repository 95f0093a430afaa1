"""Measures the page in headless Chromium as its visitors find it; and soaks the server with visitors who come and go.

python -m tests.web.measure                    frames, latency, seconds to the first moving picture
python -m tests.web.measure --soak-minutes 60  also leaks: sessions, threads, files, memory, errors in the log
"""

import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from playwright.sync_api import Browser, Page, sync_playwright
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


@contextmanager
def server(log: Path) -> Iterator[tuple[str, int, float]]:
    """A running `playground web`: its address, process id, and when the command was given."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    began = time.monotonic()
    with log.open("w") as file:
        command = [sys.executable, "-m", "playground", "web", "--port", str(port)]
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        while "is at" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process.pid, began
    finally:
        process.terminate()
        process.wait(timeout=30)


def opened(browser: Browser, address: str) -> Page:
    """A page whose agent moves."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    page.wait_for_function("window.playground && window.playground.state().t >= 1", timeout=120_000)
    return page


def wait(page: Page, expression: str) -> None:
    page.wait_for_function(
        f"(() => {{ const s = window.playground.state(); return {expression}; }})()", timeout=120_000
    )


def show_task(page: Page, task: str, speed: float | str = 1) -> None:
    """Opens a task and waits until its demonstrations are drawn, so that only the agent is measured, from a start."""
    wish = {"open": {"task": task, "prompts": [f"{task}#0"]}, "playing": True, "speed": speed}
    page.evaluate("wish => window.playground.send(wish)", wish)
    wait(page, f"s.task == '{task}' && s.t >= 1 && s.speed == {json.dumps(speed)}")
    page.wait_for_timeout(500)
    page.wait_for_function("window.playground.missing() == 0", timeout=120_000)
    page.evaluate("window.playground.send({ reset: true })")
    page.wait_for_timeout(300)


def measure(browser: Browser, address: str, began: float, seconds: float) -> dict[str, Any]:
    """Frames per second of one and of four visitors, latency, and the seconds that the first picture took."""
    found: dict[str, Any] = {}
    page = opened(browser, address)
    found["seconds from command to first moving picture"] = round(time.monotonic() - began, 1)
    for task in TASKS:
        # BabyAI's own rate is 10 a second: to see how many the page can show, it runs as fast as it can.
        show_task(page, task, "max" if task.startswith("babyai") else 1)
        found[f"distinct pictures a second, {task}"] = round(page.evaluate(FRAMES, seconds), 1)
        state = page.evaluate("window.playground.state()")
        found[f"real time and decision ms, {task}"] = [state["ratio"], state["latency_ms"]]
    page.evaluate("window.playground.send({ playing: false, reset: true })")
    wait(page, "!s.playing && s.t == 0")
    delays = [page.evaluate(LATENCY) for _ in range(25)]
    found["click to effect ms, median and worst of 25"] = [round(statistics.median(delays)), round(max(delays))]
    page.close()
    pages = [opened(browser, address) for _ in range(4)]
    for one in pages:
        show_task(one, TASKS[0])
    counts = [one.evaluate("window.playground.frames()") for one in pages]
    pages[0].wait_for_timeout(1000 * seconds)
    after = [one.evaluate("window.playground.frames()") for one in pages]
    rates = [round((b - a) / seconds, 1) for a, b in zip(counts, after, strict=True)]
    found["pictures a second, four visitors in cheetah-speed_2"] = rates
    for one in pages:
        one.close()
    return found


def vitals(pid: int, address: str) -> dict[str, Any]:
    """Memory in MB, threads, open files, visitors."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    house = json.loads(urllib.request.urlopen(f"{address}/pg/house", timeout=60).read())
    return {
        "memory": int(status["VmRSS"].split()[0]) // 1024,
        "threads": int(status["Threads"]),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
        "visitors": house["visitors"],
    }


def soak(browser: Browser, address: str, pid: int, minutes: float) -> list[dict[str, Any]]:
    """Visitors come, swap every second, and go in mid-run; returns the server's vitals over time, the last at rest."""
    rng, pages = random.Random(0), list[Page]()
    deadline, next_look, history = time.monotonic() + 60 * minutes, 0.0, list[dict[str, Any]]()
    prompts = [f"{task}#{n}" for task in TASKS for n in range(4)]
    while time.monotonic() < deadline:
        if time.monotonic() > next_look:
            history.append({"minute": round(minutes - (deadline - time.monotonic()) / 60, 1)} | vitals(pid, address))
            print(history[-1])
            next_look = time.monotonic() + 30
        if len(pages) < 3 and rng.random() < 0.4:
            pages.append(opened(browser, address))
        for page in pages:
            wish = rng.choice(
                [{"prompt": rng.choice(prompts)}] * 6
                + [{"reset": rng.randrange(1000)}, {"push": True}, {"agent": rng.choice(["model", "expert"])}]
                + [{"compare": rng.choice(prompts)}, {"drop": 1}, {"record": True}, {"record": False}]
                + [{"open": {"task": rng.choice(TASKS), "prompts": [rng.choice(prompts)]}}]
            )
            page.evaluate("wish => window.playground.send({ ...wish, playing: true })", wish)
        if pages and rng.random() < 0.12:
            page = pages.pop(rng.randrange(len(pages)))
            page.reload() if rng.random() < 0.3 else None
            page.close()
        time.sleep(1)
    for page in pages:
        page.close()
    time.sleep(80)  # those who have gone are waited for a minute
    history.append({"minute": "after"} | vitals(pid, address))
    print(history[-1])
    return history


def main(soak_minutes: float = 0.0, seconds: float = 10.0, json_file: Path | None = None) -> None:
    log = Path(tempfile.mkdtemp()) / "server.log"
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with server(log) as (address, pid, began), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        found: dict[str, Any] = {"load of the machine before": os.getloadavg()[0]}
        if seconds:
            found |= measure(browser, address, began, seconds)
        if soak_minutes:
            found["soak"] = soak(browser, address, pid, soak_minutes)
        found["load of the machine after"] = os.getloadavg()[0]
        browser.close()
    found["errors in the log"] = [
        line for line in log.read_text().splitlines() if "Error" in line or "Traceback" in line
    ]
    print(found)
    if json_file:
        json_file.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
