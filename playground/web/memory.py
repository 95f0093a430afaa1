"""Memory that visitors leave behind: worlds and agents hang in cycles, and glibc keeps what each thread has freed."""

import ctypes
import gc
import sys


def settle() -> None:
    """After start: what is there now stays, so that looking for garbage later is quick and happens often."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """After visitors have gone: finds their garbage, and gives back to the system what glibc keeps of it."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
