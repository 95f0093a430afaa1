"""OpenGL for MuJoCo: chosen before the simulator is imported, missed only by whoever draws.

MuJoCo reads `MUJOCO_GL` once, when it is first imported; simulation itself needs no OpenGL.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playground.errors import MissingLibraryError

_CURE = "on Debian or Ubuntu: apt install libegl1 libgl1-mesa-dri"


def choose_opengl() -> None:
    """Selects EGL on Linux without a display, unless `MUJOCO_GL` is set; call it before importing mujoco.

    Without libEGL drawing is switched off, so that simulation without pictures still works.
    """
    if not sys.platform.startswith("linux") or any(
        os.environ.get(k) for k in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY")
    ):
        return
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        os.environ["MUJOCO_GL"] = "disabled"
    else:
        os.environ["MUJOCO_GL"] = "egl"


@contextmanager
def needs_opengl() -> Iterator[None]:
    """Wraps the making of a drawing context.

    Raises:
        MissingLibraryError: the context cannot be made.
    """
    try:
        yield
    except (ImportError, AttributeError, NameError, RuntimeError) as error:
        found = f"MUJOCO_GL={os.environ.get('MUJOCO_GL', '')}"
        raise MissingLibraryError(f"cannot draw with OpenGL ({found}): {error}; {_CURE}") from error
