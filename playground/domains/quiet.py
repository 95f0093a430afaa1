"""Messages of other libraries that say nothing to a user, and would stand in the middle of tables: left out."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


def without_deprecations(record: logging.LogRecord) -> bool:
    """A logging filter: False for what MuJoCo says of the cheetah's model file, which is not ours to change."""
    return "settotalmass" not in record.getMessage()


def quiet_mujoco() -> None:
    """Leaves out MuJoCo's remarks on model files, which dm_control hands on to absl's logger."""
    logging.getLogger("absl").addFilter(without_deprecations)  # the same filter is added once only


@contextmanager
def quiet_sdl() -> Iterator[None]:
    """Draws without a display: else SDL looks for Wayland first, which complains of `XDG_RUNTIME_DIR`."""
    if any(os.environ.get(name) for name in DISPLAYS):
        yield
        return
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    try:
        yield
    finally:
        os.environ.pop("SDL_VIDEODRIVER", None)  # a window that is opened later looks for a display
