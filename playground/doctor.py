"""The checks of `playground doctor`. Each says what it found and, where needed, the cure."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Literal

from packaging.requirements import Requirement

_DRAW = """
import os
from playground.domains.opengl import choose_opengl, needs_opengl, opengl_faults
choose_opengl()
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><light/><geom size="1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with needs_opengl():
    renderer = mujoco.Renderer(model, 32, 32)
renderer.update_scene(data)
assert renderer.render().any(), "the picture is black"
renderer.close()
print("; ".join([f"draws with {os.environ.get('MUJOCO_GL') or 'its own choice'}", *opengl_faults()]))
"""

_COMPILE = """
import logging
from playground.model import GeneralistModel, choose_backend, preset
logging.basicConfig(format="%(message)s")
name = choose_backend(GeneralistModel(preset("tiny")).eval().requires_grad_(False).half().float()).name
if name == "compiled":
    from playground.model.kernels import extend
    print(extend.stats.cache_path or "")
raise SystemExit(name != "compiled")
"""


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: what was checked.
        state: `ok`, `warn` (something is missing, the rest works) or `bad` (the playground does not work).
        found: what was found.
        cure: what to do about it; empty if nothing.
    """

    name: str
    state: Literal["ok", "warn", "bad"]
    found: str
    cure: str = ""


def checks() -> Iterator[Check]:
    """Runs every check, the quick ones first. No simulator is imported into this process."""
    yield _python()
    yield from _packages()
    yield _pygame()
    yield _opengl()
    yield _ffmpeg()
    yield _compiled_loops()
    yield _checkpoint()
    yield _demonstrations()


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Check("Python", "ok" if good else "bad", found, "" if good else "install Python 3.11 or newer")


def _packages() -> Iterator[Check]:
    try:
        needed = [Requirement(line) for line in requires("prompt-playground") or ()]
    except PackageNotFoundError:
        yield Check("packages", "warn", "the playground itself is not installed", "pip install -e . in its folder")
        return
    wrong = []
    for need in needed:
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(need.name)
        except PackageNotFoundError:
            wrong.append(f"{need.name} is missing, required {need.specifier or 'any'}")
            continue
        if not need.specifier.contains(found, prereleases=True):
            wrong.append(f"{need.name} is {found}, required {need.specifier}")
    if wrong:
        yield Check("packages", "bad", "; ".join(wrong), "pip install -e . in a new virtual environment")
    else:
        yield Check("packages", "ok", f"all {len(needed)} as required")


def _pygame() -> Check:
    def has(name: str) -> bool:
        try:
            return bool(version(name))
        except PackageNotFoundError:
            return False

    if has("pygame") and has("pygame-ce"):
        cure = "pip uninstall pygame pygame-ce, then pip install pygame-ce"
        return Check("pygame", "warn", "pygame and pygame-ce are both installed and overwrite each other", cure)
    return Check(
        "pygame", "ok", f"pygame-ce {version('pygame-ce')}" if has("pygame-ce") else "not installed, and not needed"
    )


def _opengl() -> Check:
    """Draws one picture in a process of its own, since a broken driver can take the process with it."""
    try:
        drawn = _python_run(_DRAW)
    except subprocess.TimeoutExpired:
        return Check("OpenGL", "warn", "drawing took over a minute", "try MUJOCO_GL=osmesa")
    if drawn.returncode == 0:
        return Check("OpenGL", "ok", drawn.stdout.strip())
    reason = (drawn.stderr.strip().splitlines() or [f"exit code {drawn.returncode}"])[-1]
    return Check("OpenGL", "warn", reason.rpartition("Error: ")[2], "until then MuJoCo's tasks run, but are not drawn")


def _python_run(code: str) -> "subprocess.CompletedProcess[str]":
    """Runs code in a process of its own, for at most a minute."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=60)


def _ffmpeg() -> Check:
    from playground.errors import MissingLibraryError
    from playground.recording.video import ffmpeg_version

    try:
        return Check("ffmpeg", "ok", ffmpeg_version())
    except MissingLibraryError as error:
        found, _, cure = str(error).partition("; ")
        return Check("ffmpeg", "warn", found, cure)


def _compiled_loops() -> Check:
    """Compiles the loops of a decision in a process of its own: LLVM ends one whose processor it cannot serve."""
    name = "compiled decisions"
    try:
        done = _python_run(_COMPILE)
    except subprocess.TimeoutExpired:
        return Check(name, "warn", "compiling took over a minute", "run it again when the machine is less busy")
    said = (done.stderr.strip().splitlines() or [f"compiling ended with {done.returncode}"])[-1]
    if done.returncode not in (0, 1):
        return Check(name, "bad", said, "set NUMBA_DISABLE_JIT=1: decisions then run in plain torch, and slower")
    if done.returncode:
        cure = "delete the files *.nbi and *.nbc that Numba keeps, or pip install --force-reinstall numba"
        return Check(name, "warn", said, cure)
    if folder := done.stdout.strip():
        return Check(name, "ok", f"kept in {folder}")
    cure = "set NUMBA_CACHE_DIR to a folder that you can write"
    return Check(name, "warn", "compiled at every start, which takes ten seconds", cure)


def _checkpoint() -> Check:
    from playground.assets import ASSETS

    file = ASSETS / "checkpoint" / "model.safetensors"
    if file.is_file():
        return Check("checkpoint", "ok", f"{file.stat().st_size / 1e6:.0f} MB in {file.parent}")
    return Check("checkpoint", "bad", f"{file} is missing", "reinstall, or train one: playground train")


def _demonstrations() -> Check:
    from playground.demonstrations import shipped_counts

    counts = shipped_counts()
    if counts:
        return Check("demonstrations", "ok", f"{sum(counts.values())} of {len(counts)} tasks")
    return Check("demonstrations", "bad", "none are shipped with this copy", "restore the assets folder, or reinstall")
