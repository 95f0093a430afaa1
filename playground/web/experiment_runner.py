"""Runs small experiments that visitors start: one at a time for the whole server, in a process of its own.

It is `playground experiment` with few episodes in one scene. The shipped reports are the ones to believe.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

from playground.errors import DAMAGED, BadValueError, UnknownNameError
from playground.web.reports import FIGURE, RESULT, report

SMALL = {
    "prompt-swap": "metaworld/faucet",
    "ood-goals": "classic/CartPole-hidden",
    "zero-shot": "babyai/PickupDist-hidden",
}
"""Experiment -> the scene or task of it that is small enough to wait for."""

EPISODES = 4
MAX_SECONDS = 1200.0


class ExperimentRunner:
    """The server's one experiment. Any thread may call any method.

    Args:
        checkpoint: checkpoint folder; None takes the shipped one.
    """

    def __init__(self, checkpoint: str | None):
        self._checkpoint = checkpoint
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._name, self._began, self._ended = "", 0.0, 0.0

    def start(self, name: str) -> None:
        """Starts an experiment.

        Raises:
            UnknownNameError: there is none of that name.
            BadValueError: one is running already.
        """
        if name not in SMALL:
            raise UnknownNameError("experiment", name, SMALL)
        with self._lock:
            if self._running():
                raise BadValueError(f"{self._name} is running already; wait for it")
            self._forget()
            self._folder = Path(tempfile.mkdtemp(prefix="playground-experiment-"))
            command = [sys.executable, "-m", "playground", "experiment", name, "--out", str(self._folder / name)]
            command += ["--episodes", str(EPISODES), "--scenes", SMALL[name], "--workers", "1"]
            command += ["--checkpoint", self._checkpoint] if self._checkpoint else []
            with (self._folder / "log").open("w", encoding="utf-8") as log:
                self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            if hasattr(os, "setpriority"):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, 10)  # people who watch go first
            self._name, self._began = name, monotonic()

    def status(self) -> dict[str, Any]:
        """What can be started, and how far the latest run is, in JSON's terms."""
        with self._lock:
            about: dict[str, Any] = {"small": SMALL, "episodes": EPISODES, "name": self._name}
            if self._process is None or self._folder is None:
                return about
            running = self._running()
            if running:
                self._ended = monotonic()
                if self._ended - self._began > MAX_SECONDS:
                    self._process.terminate()
            folder = self._folder / self._name
            about |= {"running": running, "seconds": round(self._ended - self._began), "parts": _parts(folder)}
            if not running and self._process.returncode:
                log_lines = (self._folder / "log").read_text(encoding="utf-8").strip().splitlines()
                about["error"] = (log_lines or ["it was stopped"])[-1]
            elif not running:
                about["report"] = report(folder)
            return about

    def figure(self) -> Path | None:
        """The figure of the latest experiment, once it is drawn."""
        path = None if self._folder is None else self._folder / self._name / FIGURE
        return path if path is not None and path.exists() else None

    def close(self) -> None:
        """Ends the running experiment and removes its files."""
        with self._lock:
            self._forget()

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _forget(self) -> None:
        if self._process is not None and self._running():
            self._process.terminate()
            self._process.wait(timeout=20)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._folder = None


def _parts(folder: Path) -> int:
    """Finished parts of an experiment."""
    try:
        return len(json.loads((folder / RESULT).read_text(encoding="utf-8"))["records"])
    except DAMAGED:
        return 0
