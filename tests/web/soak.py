"""Soaks the server with visitors who come and go: python -m tests.web.soak --minutes 60

In rounds: for some minutes up to three visitors swap, compare, record, change worlds, reload their tabs and close them
in mid-run; then all go, and once the server has closed their sessions its vitals are taken at rest. The first round
warms up. Ends with 1 if since then memory has grown by more than a tenth, sessions, worlds, OpenGL contexts, threads
or files have become more, or the log holds an error.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import typer
from playwright.sync_api import Browser, Page, sync_playwright
from rich import print

from tests.web.measure import TASKS, errors_of, opened, server

ROUND_MINUTES = 4.0
MEMORY_GROWTH = 1.1
SPARE_THREADS = 3
"""Threads that may have been added since the first round: the server and its libraries start some when first needed."""

REST_SECONDS = 300.0
"""How long the server may take to close the sessions of those who have gone."""


def vitals(pid: int, address: str, census: Path) -> dict[str, Any]:
    """Memory in MB, threads, open files, visitors; sessions, worlds and OpenGL contexts that are alive."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    files = len(os.listdir(f"/proc/{pid}/fd"))  # before the request, which opens one
    house = json.loads(urllib.request.urlopen(f"{address}/pg/house", timeout=600).read())
    census.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    while not census.exists():
        time.sleep(0.1)
    return {
        "memory": int(status["VmRSS"].split()[0]) // 1024,
        "threads": int(status["Threads"]),
        "files": files,
        "visitors": house["visitors"],
        **json.loads(census.read_text()),
    }


def come_and_go(browser: Browser, address: str, rng: random.Random, minutes: float) -> None:
    """Visitors of one round."""
    pages, prompts = list[Page](), [f"{task}#{n}" for task in TASKS for n in range(4)]
    people = [browser.new_context() for _ in range(2)]  # of three tabs, two are one visitor's
    deadline = time.monotonic() + 60 * minutes
    while time.monotonic() < deadline:
        if len(pages) < 3 and rng.random() < 0.4:
            pages.append(opened(rng.choice(people), address))
        for page in pages:
            wish = rng.choice(
                [{"prompt": rng.choice(prompts)}] * 6
                + [{"reset": rng.randrange(1000)}, {"push": True}, {"agent": rng.choice(["model", "expert"])}]
                + [{"compare": rng.choice(prompts)}, {"drop": 1}, {"record": True}, {"record": False}]
                + [{"blind": True}, {"blind": False}, {"take": True}]
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


def at_rest(pid: int, address: str, census: Path) -> dict[str, Any]:
    """The vitals once nobody is there any more and idle threads have ended."""
    deadline = time.monotonic() + REST_SECONDS
    while vitals(pid, address, census)["visitors"] and time.monotonic() < deadline:
        time.sleep(5)
    time.sleep(35)  # memory is given back after a sweep
    urllib.request.urlopen(f"{address}/pg/laboratory", timeout=600).read()  # ends the threads of requests long ago
    time.sleep(1)
    return vitals(pid, address, census)


def growth(first: dict[str, Any], last: dict[str, Any]) -> list[str]:
    """What there is more of at the last rest than at the first, beyond what is allowed."""
    allowed = {name: first[name] for name in ("files", "sessions", "worlds", "contexts")}
    allowed |= {"visitors": 0, "threads": first["threads"] + SPARE_THREADS, "memory": MEMORY_GROWTH * first["memory"]}
    return [name for name, most in allowed.items() if last[name] > most]


def main(minutes: float = 60.0, json_file: Path | None = None) -> None:
    folder = Path(tempfile.mkdtemp())
    log, census = folder / "server.log", folder / "census.json"
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    rng, rests, end = random.Random(0), list[dict[str, Any]](), time.monotonic() + 60 * minutes
    with server(log, ("tests.web.census", str(census))) as (address, pid, _), sync_playwright() as playwright:
        while len(rests) < 2 or time.monotonic() < end:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            come_and_go(browser, address, rng, min(ROUND_MINUTES, minutes / 3))
            peak = vitals(pid, address, census)
            browser.close()
            rests.append(
                at_rest(pid, address, census)
                | {"memory, all there": peak["memory"], "visitors, all there": peak["visitors"]}
            )
            print(round((time.monotonic() - end) / 60 + minutes, 1), rests[-1])
    grown, errors = growth(rests[0], rests[-1]), errors_of(log)
    print({"grown": grown, "errors": errors})
    if json_file:
        json_file.write_text(json.dumps({"rests": rests, "grown": grown, "errors": errors}, indent=1) + "\n")
    sys.exit(bool(grown or errors))


if __name__ == "__main__":
    typer.run(main)
