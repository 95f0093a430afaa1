"""How loops are compiled: where Numba keeps the machine code, and what the processor can do."""

import os
import platform
import stat
import tempfile
from pathlib import Path
from typing import Any

import numba


def compiled(function: Any) -> Any:
    """Other threads go on meanwhile; the machine code is kept on disk for the next start, where there is a place.

    That is beside the source or in the user's cache, else in a temporary folder of the user's own. Where not even that
    can be written, every start compiles anew.

    Raises:
        RuntimeError: Numba is told to compile nothing.
    """
    config: Any = numba.config
    if config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    options: dict[str, Any] = {
        "fastmath": {"reassoc", "contract", "arcp", "nsz"},
        "error_model": "numpy",
        "nogil": True,
    }
    given = config.CACHE_DIR
    for folder in (lambda: given, _temporary_folder):
        try:
            config.CACHE_DIR = folder()
            return numba.njit(cache=True, **options)(function)
        except (OSError, RuntimeError):  # no place for its files
            continue
        finally:
            config.CACHE_DIR = given
    return numba.njit(**options)(function)


def _temporary_folder() -> str:
    """A temporary folder that only this user can write: what lies there is run.

    Raises:
        OSError: there is none.
    """
    folder = Path(tempfile.gettempdir(), f"playground-{os.getuid() if hasattr(os, 'getuid') else os.getpid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    theirs = hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o77)
    if theirs or not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{folder} belongs to somebody else")
    return str(folder)


def has_float16() -> bool:
    """Whether compiled loops can widen a float16 to a float32: x86 processors before 2012 have no instruction for it.

    LLVM would end the process where they have to.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return platform.machine().lower() in ("aarch64", "arm64")
    from numba.core.registry import cpu_target

    return "+f16c" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")
