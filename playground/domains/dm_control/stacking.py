"""Stacking two Duplo bricks with a robot's arm: dm_control's manipulation task, moved by the hand, not by the joints.

What is not obvious: as in RGB stacking (Lee et al., 2021; Gato's robot), an action moves the hand in space and turns
it, and differential inverse kinematics finds the joints' speeds; the suite's own episodes end after 10 seconds.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np

from playground.domains.mujoco_views import CAMERAS, Pullable, azimuth, make_drawing, moved
from playground.domains.opengl import choose_opengl
from playground.environment import picture_size
from playground.errors import BadValueError
from playground.task import Action, Observation

MAX_STEPS = 400
"""16 seconds: after a slip there is time for another try."""

FPS = 25.0

HAND_SPEED = 0.4
"""Greatest speed of the hand, metres per second."""

TURN_SPEED = 0.8
"""Greatest speed of its turning, radians per second."""

STATE_SIZE = 26

CLICKED = 0.9
"""Rewards above this mean that the studs are in their holes within half a millimetre."""

BRICK_HEIGHT = 0.0192
"""Of a Duplo brick without its studs, metres."""

_HOME = (90.0, -25.0, 0.6)
"""Of the camera: azimuth and elevation in degrees, distance in metres."""

_OPEN, _HELD = 0.75, 1.17
"""Angles of the fingers, radians: ready to grasp; two of them around a brick."""


def _half_turn(angle: float) -> float:
    """The same angle for what looks alike after half a turn, -pi/2 to pi/2."""
    return float((angle + np.pi / 2) % np.pi - np.pi / 2)


def _yaw(turn: np.ndarray) -> float:
    return float(np.arctan2(turn[1, 0], turn[0, 0]))


@dataclass(frozen=True)
class Reading:
    """Where everything is, metres and radians; `..._turn` are rotation matrices [3, 3].

    Attributes:
        hand: the point between the finger tips, [3].
        top, base: middle of the bottom of the brick that is to be moved, and of the one that stands fast, [3].
        fingers, finger_speed: the thumb's, then the two others', [3].
    """

    hand: np.ndarray
    hand_turn: np.ndarray
    top: np.ndarray
    top_turn: np.ndarray
    base: np.ndarray
    base_turn: np.ndarray
    fingers: np.ndarray
    finger_speed: np.ndarray

    @cached_property
    def goal(self) -> np.ndarray:
        """Where the bottom of the top brick belongs, [3]."""
        return self.base + BRICK_HEIGHT * self.base_turn[:, 2]

    @cached_property
    def grasp(self) -> float:
        """Turn that the hand still needs to take the brick by its long sides."""
        return _half_turn(_yaw(self.top_turn) - _yaw(self.hand_turn))

    @cached_property
    def twist(self) -> float:
        """Turn that the top brick still needs to lie as the base does."""
        return _half_turn(_yaw(self.base_turn) - _yaw(self.top_turn))


class StackingEnv(Pullable):
    """One movable brick, one that stands fast, and a Kinova Jaco arm whose hand points down.

    `state` [26], distances in decimetres: place of the hand; from it to the top brick's bottom; from there to where it
    belongs; height of the top brick (10 so far); lean of its upright, x and y; sine and cosine of twice the hand's
    missing turn, and of twice the brick's; sine and cosine of the hand's turn; three fingers, and their speeds / 5;
    lean of the hand's axis, x and y.

    An action is the speed of the hand, x, y and up, of its turning, and how the fingers close (1) or open (-1).

    Args:
        size: height and width of pictures, pixels.
    """

    cameras = CAMERAS
    action_names = ("hand x", "hand y", "hand up", "turn", "grip")

    def __init__(self, size: int = 320):
        choose_opengl()
        from absl import logging
        from dm_control import composer, manipulation

        logging.set_verbosity(logging.ERROR)  # drawing a start that the arm can reach takes some tries, each a warning
        self.observation_space = gym.spaces.Dict(
            {"state": gym.spaces.Box(-np.inf, np.inf, (STATE_SIZE,), dtype=np.float32)}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (len(self.action_names),), dtype=np.float32)
        self._size = picture_size(size)
        self._suite = manipulation.load("stack_2_bricks_features", seed=0).task
        self._world = composer.Environment(self._suite, random_state=0, raise_exception_on_physics_error=False)
        self._renderer: Any = None
        self._camera: Any = None
        self._steps = 0
        self._closed = False

    @property
    def physics(self) -> Any:
        """dm_control's; another one after each reset."""
        return self._world.physics

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        if options is not None and options.get("goal") is not None:
            raise BadValueError(f"dm_control/stack_2_bricks has no goal to set; got {options['goal']!r}; reset without")
        super().reset(seed=seed)
        self.release()
        self._drop_renderer()  # the model is compiled anew
        self._world.random_state.seed(int(self.np_random.integers(2**32)))
        self._world.reset()
        self._limits = self._world.action_spec().maximum
        self._steps = 0
        self.success = False
        return self._observe(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        self.apply_pull()
        wanted = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        step = self._world.step(np.concatenate([self._joint_speeds(wanted[:4]), self._finger_speeds(wanted[4])]))
        self._steps += 1
        self.success = self.success or step.reward > CLICKED
        return self._observe(), float(step.reward), step.last(), self._steps >= MAX_STEPS, {}

    def read(self) -> Reading:
        """Where everything is now."""
        import mujoco

        bind = self.physics.bind
        site, fingers = bind(self._suite.hand.pinch_site), bind(self._suite.hand.joints)

        def pose(brick: Any) -> tuple[np.ndarray, np.ndarray]:
            place, quaternion = brick.get_pose(self.physics)
            turn = np.zeros(9)
            mujoco.mju_quat2Mat(turn, np.array(quaternion))
            return np.array(place), turn.reshape(3, 3)

        (base, base_turn), (top, top_turn) = map(pose, self._suite._bricks)
        return Reading(
            hand=np.array(site.xpos),
            hand_turn=np.array(site.xmat).reshape(3, 3),
            top=top,
            top_turn=top_turn,
            base=base,
            base_turn=base_turn,
            fingers=np.array(fingers.qpos),
            finger_speed=np.array(fingers.qvel),
        )

    @property
    def heading(self) -> float:  # type: ignore[override]
        """See `DomainEnv.heading`."""
        return azimuth(_HOME, self.camera) - 90.0

    def render(self) -> np.ndarray:
        """See `DomainEnv.render`."""
        if self._renderer is None:
            self._renderer, self._camera = make_drawing(self.physics.model.ptr, self._size, (0.0, 0.0, 0.06))
        self._renderer.update_scene(self.physics.data.ptr, moved(self._camera, _HOME, self.camera))
        return self._renderer.render()

    def close(self) -> None:
        """Closes the simulator and what draws it."""
        self._drop_renderer()
        if not self._closed:  # the suite cannot close twice
            self._world.close()
        self._closed = True

    def _observe(self) -> Observation:
        now = self.read()
        state = [
            *(10 * now.hand),
            *(10 * (now.top - now.hand)),
            *(10 * (now.goal - now.top)),
            10 * now.top[2],
            *now.top_turn[:2, 2],
            *(f(2 * now.grasp) for f in (np.sin, np.cos)),
            *(f(2 * now.twist) for f in (np.sin, np.cos)),
            *(f(_yaw(now.hand_turn)) for f in (np.sin, np.cos)),
            *now.fingers,
            *(now.finger_speed / 5),
            *now.hand_turn[:2, 2],
        ]
        return {"state": np.array(state, np.float32)}

    def _joint_speeds(self, wanted: np.ndarray) -> np.ndarray:
        """Speeds of the six joints, radians per second, that move the hand as wanted and keep it pointing down.

        Damped least squares (Wampler, 1986); all are slowed down alike where one would be too fast.
        """
        import mujoco

        model, data = self.physics.model, self.physics.data
        site, joints = self.physics.bind(self._suite.hand.pinch_site), self.physics.bind(self._suite.arm.joints)
        upright = 4.0 * np.cross(np.array(site.xmat).reshape(3, 3)[:, 2], (0.0, 0.0, -1.0))
        speeds = np.concatenate([HAND_SPEED * wanted[:3], np.add(upright, (0.0, 0.0, TURN_SPEED * wanted[3]))])
        jacobian = np.zeros((6, model.nv))
        mujoco.mj_jacSite(model.ptr, data.ptr, jacobian[:3], jacobian[3:], site.element_id)
        jacobian = jacobian[:, joints.dofadr]
        found = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), speeds)
        return found / max(1.0, (np.abs(found) / self._limits[:6]).max())

    def _finger_speeds(self, grip: float) -> np.ndarray:
        """Speeds of the three fingers, radians per second.

        Two press against one: they stop where a brick is in the middle, and the thumb presses it against them.
        """
        angles = np.array(self.physics.bind(self._suite.hand.joints).qpos)
        fastest = self._limits[6]
        close = np.array([fastest, *np.minimum(fastest, 3.0 * (_HELD - angles[1:]))])
        return (1 + grip) / 2 * close + (1 - grip) / 2 * 4.0 * (_OPEN - angles)

    def _picture(self) -> tuple[Any, Any, Any] | None:
        return None if self._renderer is None else (self.physics.model.ptr, self.physics.data.ptr, self._renderer.scene)

    def _drop_renderer(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
