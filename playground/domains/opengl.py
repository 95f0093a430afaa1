"""OpenGL for MuJoCo: chosen before the simulator is imported, missed only by whoever draws.

MuJoCo and dm_control read `MUJOCO_GL` once, when they are first imported, and fail there where it names what is not to
be had. Simulation itself needs no OpenGL. So the choice is tried first, and where nothing works drawing is off.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

from playground.errors import BadValueError, MissingLibraryError
from playground.files import check_folder_target

_OFF = ("disable", "disabled", "off", "false", "0")
_ANY = ("", "enable", "enabled", "on", "true", "1")
_NAMES = {"glx": "glfw", "glfw": "glfw", "egl": "egl", "osmesa": "osmesa"}
_INSTALL = "on Debian or Ubuntu: apt install libegl1 libgl1-mesa-dri"

_faults: list[str] = []
"""Why the ways of drawing that were tried do not work; what `needs_opengl` tells."""


def choose_opengl() -> None:
    """Sets `MUJOCO_GL` on Linux to a way of drawing that works here; call it before importing mujoco.

    The way that `MUJOCO_GL` names is tried first, then a display, then EGL, which needs no display. Where none works,
    drawing is switched off, and simulation goes on without pictures.
    """
    if not sys.platform.startswith("linux") or "mujoco" in sys.modules:
        return
    _spare_mesa_its_cache()
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    _faults.clear()
    if wanted in _OFF:
        _faults.append(f"MUJOCO_GL={wanted} switches drawing off; unset it")
        os.environ["MUJOCO_GL"] = "disabled"
        return
    if wanted in _ANY:
        ways = ["glfw"] if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")) else []
    elif wanted in _NAMES:
        ways = [_NAMES[wanted]]
    else:
        _faults.append(f"MUJOCO_GL={wanted} is no way of drawing; unset it, or give glfw, egl or osmesa")
        ways = []
    for way in dict.fromkeys([*ways, "egl"]):
        fault = {"glfw": _glfw_fault, "egl": _egl_fault, "osmesa": _osmesa_fault}[way]()
        if fault is None:
            os.environ["MUJOCO_GL"] = way
            if way != "glfw":
                os.environ["PYOPENGL_PLATFORM"] = way
            return
        _faults.append(fault)
    os.environ["MUJOCO_GL"] = "disabled"


def _spare_mesa_its_cache() -> None:
    """Mesa complains on every start of a shader cache that it cannot make; without a home it does without."""
    home = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/"), ".cache")
    try:
        check_folder_target(Path(os.environ.get("MESA_SHADER_CACHE_DIR") or home, "mesa_shader_cache"))
    except BadValueError:
        os.environ.setdefault("MESA_SHADER_CACHE_DISABLE", "true")


def opengl_faults() -> tuple[str, ...]:
    """Why the ways of drawing that `choose_opengl` tried do not work; empty where the first one does."""
    return tuple(_faults)


@contextmanager
def needs_opengl() -> Iterator[None]:
    """Wraps the making of a drawing context.

    Raises:
        MissingLibraryError: the context cannot be made.
    """
    try:
        yield
    except Exception as error:  # of MuJoCo, PyOpenGL and GLFW, each with classes of its own
        way = os.environ.get("MUJOCO_GL", "")
        tried = list(_faults)
        if way != "disabled":
            tried.append(f"MUJOCO_GL={way}: {' '.join(str(error).split())}; {_INSTALL}")
        raise MissingLibraryError(f"cannot draw with OpenGL: {'; '.join(tried)}") from error


def _glfw_fault() -> str | None:
    """Whether a window can be made: asks the X server whether it is there and speaks GLX."""
    name = os.environ.get("DISPLAY", "")
    if not name:
        return None if os.environ.get("WAYLAND_DISPLAY") else "DISPLAY is not set, which glfw needs"
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return f"DISPLAY={name}, but libX11.so.6 is missing"
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(name.encode())
    if not display:
        return f"DISPLAY={name} cannot be reached; unset it, or start its server"
    numbers = [ctypes.c_int() for _ in range(3)]
    has_glx = x11.XQueryExtension(ctypes.c_void_p(display), b"GLX", *map(ctypes.byref, numbers))
    x11.XCloseDisplay(ctypes.c_void_p(display))
    return None if has_glx else f"DISPLAY={name} has no GLX; unset it"


def _osmesa_fault() -> str | None:
    return None if find_library("OSMesa") else "MUJOCO_GL=osmesa, but libOSMesa is missing; apt install libosmesa6"


def _egl_fault() -> str | None:
    """Whether EGL has the device that is asked for and can be initialised, as `mujoco.egl` does it."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return f"libEGL.so.1 is missing; {_INSTALL}"
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    addresses = [egl.eglGetProcAddress(name) for name in (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT")]
    if None in addresses:
        return f"EGL knows no devices; {_INSTALL}"
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(addresses[0])
    display_of = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(addresses[1])
    devices, count = (ctypes.c_void_p * 32)(), ctypes.c_int()
    if not query(32, devices, ctypes.byref(count)) or not count.value:
        return f"EGL has no device; {_INSTALL}"
    chosen = os.environ.get("MUJOCO_EGL_DEVICE_ID")
    if chosen is not None and not (chosen.isdecimal() and int(chosen) < count.value):
        return (
            f"MUJOCO_EGL_DEVICE_ID={chosen} is none of the {count.value} EGL devices, 0 to {count.value - 1}; unset it"
        )
    numbers = range(count.value) if chosen is None else (int(chosen),)
    egl.eglInitialize.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    platform_device = 0x313F  # EGL_PLATFORM_DEVICE_EXT of the extension EGL_EXT_platform_device
    if not any(
        (d := display_of(platform_device, devices[n], None)) and egl.eglInitialize(d, None, None) for n in numbers
    ):
        return f"EGL cannot be initialised; {_INSTALL}"
    return None
