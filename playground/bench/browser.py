"""A headless Chromium on a server of its own: what the benchmarks of the page share."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playground.errors import MissingLibraryError, PlaygroundError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PATIENCE_MS = 300_000
"""How long a page may take for anything: machines are busy."""

COMMAND = ("-m", "playground")


@dataclass(frozen=True)
class Served:
    """A running `playground web`.

    Attributes:
        address: of the page.
        pid: process id.
        began: when the command was given, in seconds of `time.monotonic`.
        log: file of what it prints.
    """

    address: str
    pid: int
    began: float
    log: Path

    def raise_errors(self) -> None:
        """Raises PlaygroundError if the server's log holds an error."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if "Error" in line or "Traceback" in line]
        if found:
            raise PlaygroundError(f"the server's log {self.log} holds {len(found)} errors: {found[0]}")


@contextmanager
def server(checkpoint: str | None, command: Sequence[str] = COMMAND) -> Iterator[Served]:
    """Runs `playground web` on a free port until the block ends.

    Args:
        checkpoint: checkpoint folder; None takes the shipped one.
        command: arguments of Python that run the command line.

    Raises:
        PlaygroundError: the server ends before it serves.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = Path(tempfile.mkdtemp()) / "server.log"
    options = [] if checkpoint is None else ["--checkpoint", checkpoint]
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        arguments = [sys.executable, *command, "web", "--port", str(port), *options]
        process = subprocess.Popen(arguments, stdout=file, stderr=subprocess.STDOUT)
    try:
        while "is at" not in log.read_text(encoding="utf-8"):
            if process.poll() is not None:
                raise PlaygroundError(f"`playground web` ended at once: {log.read_text(encoding='utf-8')[-300:]}")
            time.sleep(0.05)
        yield Served(f"http://127.0.0.1:{port}", process.pid, began, log)
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Runs a headless Chromium until the block ends.

    Raises:
        MissingLibraryError: playwright or Chromium is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MissingLibraryError("playwright is missing, which drives the browser: pip install playwright") from error
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        raise MissingLibraryError("no Chromium on the PATH: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def opened(browser: "Browser | BrowserContext", address: str) -> "Page":
    """Opens the page and waits until its agent moves."""
    page = browser.new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    wait(page, "s.t >= 1")
    return page


def wait(page: "Page", expression: str) -> None:
    """Waits until a JavaScript expression of the page's state `s` is true."""
    page.wait_for_function(
        f"window.playground && (() => {{ const s = window.playground.state(); return {expression}; }})()"
    )


def show_task(page: "Page", task: str, speed: float | str = 1) -> None:
    """Opens a task and waits until its demonstrations are drawn, so that only the agent is measured, from a start."""
    wish = {"open": {"task": task, "prompts": [f"{task}#0"]}, "playing": True, "speed": speed}
    page.evaluate("wish => window.playground.send(wish)", wish)
    wait(page, f"s.task == '{task}' && s.t >= 1 && s.speed == {json.dumps(speed)}")
    page.wait_for_timeout(500)
    page.wait_for_function("window.playground.missing() == 0")
    page.evaluate("window.playground.send({ reset: true })")
    page.wait_for_timeout(300)
