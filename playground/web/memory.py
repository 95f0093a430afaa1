"""Memory that visitors leave behind: worlds and agents hang in cycles, and glibc keeps what each thread has freed."""

import ctypes
import gc
import sys
from collections.abc import Callable

M_ARENA_MAX = -8
"""glibc's name for the number of heaps that threads share."""

ARENAS = 2
"""A heap for each thread, as is usual, keeps holes of its own for as long as one small thing in it is in use."""


def settle() -> None:
    """At start: what is there now stays, so that looking for garbage later is quick and happens often."""
    if (mallopt := _of_libc("mallopt")) is not None:
        mallopt(M_ARENA_MAX, ARENAS)
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """After visitors have gone: finds their garbage, and gives back to the system what glibc keeps of it."""
    gc.collect()
    if (trim := _of_libc("malloc_trim")) is not None:
        trim(0)


def _of_libc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None where there is none."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
