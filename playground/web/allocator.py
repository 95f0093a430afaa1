"""Gives memory back to the system after visits: Python's cycles hold worlds and agents, glibc holds what was freed."""

import ctypes
import gc
import sys
from collections.abc import Callable

M_ARENA_MAX = -8
"""glibc's name for the number of heaps that threads share."""

ARENAS = 2
"""One heap per thread, glibc's default, is kept whole for as long as the smallest thing in it is in use."""


def configure() -> None:
    """At start: few heaps, and quick searches for garbage, which skip what is there now."""
    if (mallopt := _of_libc("mallopt")) is not None:
        mallopt(M_ARENA_MAX, ARENAS)
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """After visitors have gone: collects their garbage, and gives what glibc keeps of it back to the system."""
    gc.collect()
    if (trim := _of_libc("malloc_trim")) is not None:
        trim(0)


def _of_libc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None where there is none."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
