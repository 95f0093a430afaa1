"""`playground bench soak --minutes 60`: visitors who come and go, and whether the server is left as it was.

In rounds, up to three visitors swap, compare, record, change tasks, reload their tabs and close them in mid-run. Then
all go, and once the server has closed their sessions its vitals are taken at rest. The first round warms up. It is an
error if since then memory has grown by more than a tenth, if sessions, environments, OpenGL contexts, threads or files
have become more, or if the log holds an error.
"""

import json
import os
import random
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from playground.bench.browser import Served, chromium, opened, server
from playground.bench.census import counted_command
from playground.bench.measure import Measurement
from playground.bench.page import TASKS
from playground.errors import PlaygroundError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROUND_MINUTES = 4.0
MEMORY_GROWTH = 1.1
SPARE_THREADS = 3
"""Threads that may have been added since the first round: the server and its libraries start some when first needed."""

REST_SECONDS = 300.0
"""How long the server may take to close the sessions of those who have gone."""

UNITS = {"memory": "MB", "memory, all there": "MB"}


def measure_soak(checkpoint: str | None, minutes: float) -> Iterator[Measurement]:
    """Lets visitors come and go for so long, and gives the vitals at the rests: of the last, the least and the most.

    Raises:
        MissingLibraryError: playwright or Chromium is not installed.
        PlaygroundError: something has grown, the server does not start, or its log holds an error.
    """
    rng, rests, end = random.Random(0), list[dict[str, float]](), time.monotonic() + 60 * minutes
    census = Path(tempfile.mkdtemp()) / "census.json"
    with server(checkpoint, counted_command(census)) as served:
        while len(rests) < 2 or time.monotonic() < end:
            with chromium() as browser:
                come_and_go(browser, served.address, rng, min(ROUND_MINUTES, minutes / 3))
                peak = vitals(served, census)
            rests.append(at_rest(served, census) | {"memory, all there": peak["memory"]})
        for name, last in rests[-1].items():
            values = [rest[name] for rest in rests]
            unit = UNITS.get(name, "")
            yield Measurement(f"{name}, at {len(rests)} rests", last, unit, None, None, min(values), max(values))
        served.raise_errors()
    grown = growth(rests[0], rests[-1])
    if grown:
        raise PlaygroundError(f"{', '.join(grown)} grew from {rests[0]} to {rests[-1]}")


def come_and_go(browser: "Browser", address: str, rng: random.Random, minutes: float) -> None:
    """Plays the visitors of one round."""
    pages, prompts = list["Page"](), [f"{task}#{n}" for task in TASKS for n in range(4)]
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
            if rng.random() < 0.3:
                page.reload()
            page.close()
        time.sleep(1)
    for page in pages:
        page.close()


def vitals(served: Served, census: Path) -> dict[str, float]:
    """Memory in MB, threads, open files, visitors; sessions, environments and OpenGL contexts that are alive."""
    lines = Path(f"/proc/{served.pid}/status").read_text(encoding="utf-8").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    files = len(os.listdir(f"/proc/{served.pid}/fd"))  # before the request, which opens one
    house = json.loads(_answer(f"{served.address}/pg/house"))
    census.unlink(missing_ok=True)
    os.kill(served.pid, signal.SIGUSR1)
    while not census.exists():
        time.sleep(0.1)
    return {
        "memory": int(status["VmRSS"].split()[0]) // 1024,
        "threads": int(status["Threads"]),
        "files": files,
        "visitors": house["visitors"],
        **json.loads(census.read_text(encoding="utf-8")),
    }


def at_rest(served: Served, census: Path) -> dict[str, float]:
    """The vitals once nobody is there any more and idle threads have ended."""
    deadline = time.monotonic() + REST_SECONDS
    while vitals(served, census)["visitors"] and time.monotonic() < deadline:
        time.sleep(5)
    time.sleep(35)  # memory is given back after a sweep
    _answer(f"{served.address}/pg/experiment-run")  # ends the threads of requests long ago
    time.sleep(1)
    return vitals(served, census)


def growth(first: Mapping[str, float], last: Mapping[str, float]) -> list[str]:
    """What there is more of at the last rest than at the first, beyond what is allowed."""
    allowed = {name: first[name] for name in ("files", "sessions", "environments", "contexts")}
    allowed |= {"visitors": 0, "threads": first["threads"] + SPARE_THREADS, "memory": MEMORY_GROWTH * first["memory"]}
    return [name for name, most in allowed.items() if last[name] > most]


def _answer(address: str) -> bytes:
    answer: bytes = urllib.request.urlopen(address, timeout=600).read()
    return answer
