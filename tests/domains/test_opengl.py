"""Simulation works without OpenGL; only drawing misses it, and says why and what to do."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from playground.domains import make
from playground.errors import MissingLibraryError
for task in sys.argv[1:]:
    env = make(task, 64)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    try:
        print("drawn", env.render().any())
    except MissingLibraryError as error:
        print(error)
"""

TASKS = ("metaworld/reach", "dm_control/cheetah-run", "dm_control/stack_2_bricks")


def drawn(task: str, **settings: str) -> str:
    """What a process prints that steps and draws a task under environment variables."""
    known = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")}
    command = [sys.executable, "-c", PROGRAM, task]
    done = subprocess.run(command, env=known | settings, capture_output=True, text=True, timeout=120, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_only_drawing_needs_opengl(task: str) -> None:
    found = drawn(task, MUJOCO_GL="disabled")
    assert "MUJOCO_GL=disabled switches drawing off" in found and "apt" not in found


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS[:2])
@pytest.mark.parametrize("settings", [{"MUJOCO_GL": "EGL"}, {"MUJOCO_GL": "nonsense"}, {"DISPLAY": ":987"}], ids=str)
def test_egl_is_tried_before_giving_up(task: str, settings: dict[str, str]) -> None:
    assert drawn(task, **settings).strip() == "drawn True"


@pytest.mark.slow
@pytest.mark.parametrize("device", ["99", "first", "-1"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    found = drawn("dm_control/cheetah-run", MUJOCO_EGL_DEVICE_ID=device)
    assert f"MUJOCO_EGL_DEVICE_ID={device} is none of the" in found and "unset it" in found
