"""What a person can do with a MuJoCo picture: look from another side, and pull at a body with the mouse."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from playground.domains.opengl import needs_opengl
from playground.environment import DomainEnv

CAMERAS = ("standard", "left", "behind", "right", "above", "near")
"""Names of the places from which every MuJoCo world can be seen."""

_TURNS = {"left": 70.0, "behind": 180.0, "right": -70.0}
_ABOVE, _NEAR = -85.0, 0.6


def azimuth(home: tuple[float, float, float], name: str) -> float:
    """Degrees to which a camera looks, seen from above."""
    return home[0] + _TURNS.get(name, 0.0)


def moved(camera: Any, home: tuple[float, float, float], name: str) -> Any:
    """Puts a MuJoCo camera where `name` says, seen from its home: azimuth and elevation in degrees, distance in m."""
    _, elevation, distance = home
    camera.azimuth = azimuth(home, name)
    camera.elevation = _ABOVE if name == "above" else elevation
    camera.distance = distance * (_NEAR if name == "near" else 1.0)
    return camera


def make_drawing(model: Any, size: int, lookat: Sequence[float], body: str | None = None) -> tuple[Any, Any]:
    """What draws a MuJoCo world: a renderer and a camera.

    Antialiasing, shadows, reflections and haze are off: they cost most of the time on a CPU.

    Args:
        model: MuJoCo's; it is told how large the pictures are.
        size: their width and height in pixels.
        lookat: the point that the camera looks at, metres.
        body: name of the body that the camera follows, if it follows one.

    Raises:
        MissingLibraryError: there is no OpenGL.
    """
    import mujoco

    model.vis.quality.offsamples = 0
    model.vis.global_.offwidth = model.vis.global_.offheight = size
    with needs_opengl():
        renderer = mujoco.Renderer(model, size, size)
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_HAZE):
        renderer.scene.flags[flag] = 0
    camera = mujoco.MjvCamera()
    camera.lookat[:] = lookat
    if body is not None:
        camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
        camera.trackbodyid = model.body(body).id
    return renderer, camera


class Pullable(DomainEnv):
    """A MuJoCo world whose bodies can be pulled at in its picture; `step` has to call `apply_pull` before it moves."""

    _pull: "Pull | None" = None

    def _picture(self) -> tuple[Any, Any, Any] | None:
        """MuJoCo's model, data and the scene of the last picture; None before the first."""
        raise NotImplementedError

    def apply_pull(self) -> None:
        """Sets the force of a pull that is going on."""
        if self._pull is not None:
            self._pull.apply()

    def grab(self, x: float, y: float) -> bool:
        """See `DomainEnv.grab`."""
        self.release()
        if (picture := self._picture()) is None:
            return False
        pull = Pull(*picture)
        self._pull = pull if pull.take(x, y) else None
        return self._pull is not None

    def drag(self, x: float, y: float) -> None:
        """See `DomainEnv.drag`."""
        if self._pull is not None:
            self._pull.move(x, y)

    def release(self) -> None:
        """See `DomainEnv.release`."""
        if self._pull is not None:
            self._pull.release()
        self._pull = None


class Pull:
    """A spring from a point of a body to the mouse, as in MuJoCo's own viewer. Use `take`.

    Args:
        model, data: MuJoCo's.
        scene: of the picture that the mouse is over.
    """

    def __init__(self, model: Any, data: Any, scene: Any):
        import mujoco

        self._model, self._data, self._scene = model, data, scene
        self._perturb = mujoco.MjvPerturb()
        self._at = (0.0, 0.0)

    def take(self, x: float, y: float) -> bool:
        """Takes hold of the body at x, y (0 to 1 from the picture's top left); False where none can move."""
        import mujoco

        point = np.zeros((3, 1))
        hit = np.zeros((3, 1, 1), np.int32)  # geom, flex, skin
        body = mujoco.mjv_select(self._model, self._data, mujoco.MjvOption(), 1.0, x, 1.0 - y, self._scene, point, *hit)
        if body <= 0 or self._model.body_weldid[body] == 0:  # nothing there, or part of what stands still
            return False
        self._perturb.select = body
        self._perturb.active = int(mujoco.mjtPertBit.mjPERT_TRANSLATE)
        mujoco.mjv_initPerturb(self._model, self._data, self._scene, self._perturb)
        self._at = (x, y)
        return True

    def move(self, x: float, y: float) -> None:
        """Moves the mouse to x, y."""
        import mujoco

        dx, dy = x - self._at[0], y - self._at[1]
        self._at = (x, y)
        action = mujoco.mjtMouse.mjMOUSE_MOVE_V
        mujoco.mjv_movePerturb(self._model, self._data, action, dx, dy, self._scene, self._perturb)

    def apply(self) -> None:
        """Sets the spring's force for the next step."""
        import mujoco

        self._data.xfrc_applied[:] = 0.0
        mujoco.mjv_applyPerturbForce(self._model, self._data, self._perturb)

    def release(self) -> None:
        """Lets go."""
        self._data.xfrc_applied[:] = 0.0
