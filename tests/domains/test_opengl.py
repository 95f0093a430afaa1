"""Simulation works without OpenGL; only drawing misses it, and says what to install."""

import os
import subprocess
import sys

PROGRAM = """
from playground.domains import make
from playground.errors import MissingLibraryError
env = make("metaworld/reach", 64)
env.reset(seed=0)
env.step(env.action_space.sample())
try:
    env.render()
except MissingLibraryError as error:
    print(error)
"""


def test_only_drawing_needs_opengl() -> None:
    environment = os.environ | {"MUJOCO_GL": "disabled"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "libegl1" in done.stdout
