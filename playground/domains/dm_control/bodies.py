"""The Control Suite bodies that are trained here: features and rewards of one state, or of a whole batch of them.

The same functions serve the canonical environment (one state) and the batched simulation that PPO trains on
(leading axes), so an expert sees in play exactly what it was trained on. Shapes: `...` leading axes, `F` features.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Readings:
    """What can be read off a state.

    Attributes:
        qpos: [..., nq], metres and radians.
        qvel: [..., nv], per second.
        sensors: name -> [..., n].
    """

    qpos: np.ndarray
    qvel: np.ndarray
    sensors: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Body:
    """A trained task: where its physics come from, what is seen, what is wanted.

    Attributes:
        domain: the suite's domain, such as "cheetah".
        suite_task: the suite's task whose physics and starting states are used.
        features: readings -> float [..., F], the observation.
        reward: readings -> float [...] in [0, 1].
        is_suite_reward: whether `reward` is the suite's own; the others are ours.
        shaping: readings -> float [...], added to the reward in training only.
        discount: PPO's gamma.
        targets: (generator, n) -> [n, 3], places of the sensor `target`, which the suite draws into the model.
    """

    domain: str
    suite_task: str
    features: Callable[[Readings], np.ndarray]
    reward: Callable[[Readings], np.ndarray]
    is_suite_reward: bool = True
    shaping: Callable[[Readings], np.ndarray] | None = None
    discount: float = 0.99
    targets: Callable[[np.random.Generator, int], np.ndarray] | None = None


def sensor_columns(model: Any) -> dict[str, slice]:
    """Name -> columns of `sensordata`, for a `mujoco.MjModel`."""
    starts, sizes = model.sensor_adr.tolist(), model.sensor_dim.tolist()
    return {model.sensor(i).name: slice(starts[i], starts[i] + sizes[i]) for i in range(model.nsensor)}


def read(columns: Mapping[str, slice], qpos: np.ndarray, qvel: np.ndarray, sensordata: np.ndarray) -> Readings:
    """Splits `sensordata` [..., n] by `sensor_columns`."""
    return Readings(qpos, qvel, {name: sensordata[..., place] for name, place in columns.items()})


def _tolerance(x: np.ndarray, lower: float, upper: float, margin: float, at_margin: float, sigmoid: str) -> np.ndarray:
    from dm_control.utils import rewards

    return rewards.tolerance(x, bounds=(lower, upper), margin=margin, value_at_margin=at_margin, sigmoid=sigmoid)


def speed(readings: Readings) -> np.ndarray:
    """Forward speed of the centre of mass, m/s, of cheetah and walker."""
    return readings.sensors["torso_subtreelinvel"][..., 0]


def _cheetah_features(readings: Readings) -> np.ndarray:
    """Height, sine and cosine of the pitch, six joint angles, nine velocities; the suite's pitch is unbounded."""
    qpos = readings.qpos
    pitch = qpos[..., 2:3]
    return np.concatenate([qpos[..., 1:2], np.sin(pitch), np.cos(pitch), qpos[..., 3:], readings.qvel], axis=-1)


def _cheetah_reward(target: float, readings: Readings) -> np.ndarray:
    """Linear in the speed: 1 at `target` m/s and beyond, 0 at rest (the suite's, for 10)."""
    forward = speed(readings) * np.sign(target)
    return _tolerance(forward, abs(target), np.inf, abs(target), 0, "linear")


def _cheetah_speed_reward(target: float, readings: Readings) -> np.ndarray:
    """1 within 0.1 m/s of `target`, falling linearly to 0 at rest and at twice the target."""
    return _tolerance(speed(readings), target - 0.1, target + 0.1, target, 0, "linear")


def at_speed(readings: Readings, target: np.ndarray | float) -> np.ndarray:
    """1 within 0.1 m/s of targets [...], falling linearly to 0 at rest and at twice the target, yet within 1 m/s."""
    error = np.abs(speed(readings) - target) - 0.1
    return 1 - np.clip(error / np.maximum(np.abs(target), 1.0), 0, 1)


def _walker_features(readings: Readings) -> np.ndarray:
    """Cosine and sine of each of the seven bodies' pitch, height above 1.3 m, nine velocities.

    The suite's observation with another zero of the height; the pitches are the sums of the joint angles.
    """
    qpos = readings.qpos
    torso = qpos[..., 2:3]
    right = torso - np.cumsum(qpos[..., 3:6], axis=-1)
    left = torso - np.cumsum(qpos[..., 6:9], axis=-1)
    pitch = np.concatenate([torso, right, left], axis=-1)
    turns = np.stack([np.cos(pitch), np.sin(pitch)], axis=-1)
    return np.concatenate([turns.reshape(*turns.shape[:-2], -1), qpos[..., :1], readings.qvel], axis=-1)


def _walker_stand(readings: Readings) -> np.ndarray:
    """The suite's: upright and above 1.2 m."""
    standing = _tolerance(1.3 + readings.qpos[..., 0], 1.2, np.inf, 0.6, 0.1, "gaussian")
    return (3 * standing + (1 + np.cos(readings.qpos[..., 2])) / 2) / 4


def _walker_at_speed(readings: Readings, target: np.ndarray | float) -> np.ndarray:
    """The suite's, but that the speed is to be `target` [...], neither less nor more."""
    return _walker_stand(readings) * (5 * at_speed(readings, target) + 1) / 6


def _walker_reward(target: float, readings: Readings) -> np.ndarray:
    """The suite's: upright and above 1.2 m, and at least `target` m/s fast; backwards below 0."""
    stand = _walker_stand(readings)
    if target == 0:
        return stand
    forward, least = speed(readings) * np.sign(target), abs(target)
    return stand * (5 * _tolerance(forward, least, np.inf, least / 2, 0.5, "linear") + 1) / 6


def _ball_to_target(readings: Readings) -> np.ndarray:
    """From the ball to the middle of the cup, x and z in metres, [..., 2]."""
    return readings.qpos[..., :2] - readings.qpos[..., 2:] + np.array([0.0, 0.35])


def _ball_features(readings: Readings) -> np.ndarray:
    """Cup position, vector from ball to cup, four velocities."""
    return np.concatenate([readings.qpos[..., :2], _ball_to_target(readings), readings.qvel], axis=-1)


def _ball_reward(readings: Readings) -> np.ndarray:
    return (np.abs(_ball_to_target(readings)) < 0.025).all(axis=-1).astype(float)


def _ball_shaping(readings: Readings) -> np.ndarray:
    return -0.5 * np.linalg.norm(_ball_to_target(readings), axis=-1)


def _finger_features(readings: Readings) -> np.ndarray:
    """Two joint angles, tip of the spinner relative to its hinge, three velocities, log of two touches."""
    sensors = readings.sensors
    tip = (sensors["tip"] - sensors["spinner"])[..., [0, 2]]
    names = ("proximal_velocity", "distal_velocity", "hinge_velocity")
    touch = np.log1p(np.concatenate([sensors["touchtop"], sensors["touchbottom"]], axis=-1))
    angles = [sensors["proximal"], sensors["distal"]]
    return np.concatenate([*angles, tip, *(sensors[name] for name in names), touch], axis=-1)


def _finger_reward(readings: Readings) -> np.ndarray:
    return (readings.sensors["hinge_velocity"][..., 0] <= -15).astype(float)


def _finger_shaping(readings: Readings) -> np.ndarray:
    return np.clip(-readings.sensors["hinge_velocity"][..., 0] / 15, -0.5, 1) * 0.3


def _to_turn(readings: Readings) -> np.ndarray:
    """From the spinner's tip to where it is to point, x and z in metres, [..., 2]."""
    return (readings.sensors["target"] - readings.sensors["tip"])[..., [0, 2]]


def _turn_features(readings: Readings) -> np.ndarray:
    """Those of the finger, and the vector from the tip to its target."""
    return np.concatenate([_finger_features(readings), _to_turn(readings)], axis=-1)


def _turn_reward(radius: float, readings: Readings) -> np.ndarray:
    """The suite's: 1 within `radius` metres."""
    return (np.linalg.norm(_to_turn(readings), axis=-1) <= radius).astype(float)


def _turn_shaping(readings: Readings) -> np.ndarray:
    return -1.5 * np.linalg.norm(_to_turn(readings), axis=-1)


def _turn_targets(random: np.random.Generator, count: int) -> np.ndarray:
    """Anywhere on the circle of the tip, which is 0.13 m around (0.2, 0.4) (finger.xml)."""
    angle = random.uniform(-np.pi, np.pi, count)
    return np.stack([0.2 + 0.13 * np.sin(angle), np.zeros(count), 0.4 + 0.13 * np.cos(angle)], axis=-1)


def _turn(suite_task: str, radius: float) -> Body:
    reward = partial(_turn_reward, radius)
    return Body("finger", suite_task, _turn_features, reward, True, _turn_shaping, 0.95, _turn_targets)


def _fish_features(readings: Readings) -> np.ndarray:
    """Direction of up, seven joint angles, velocity and turning as the fish feels them, seven joint velocities."""
    w, x, y, z = np.moveaxis(readings.qpos[..., 3:7], -1, 0)
    up = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1)
    sensed = [readings.sensors["velocimeter"], readings.sensors["gyro"]]
    return np.concatenate([up, readings.qpos[..., 7:], *sensed, readings.qvel[..., 6:]], axis=-1)


def _fish_upright(readings: Readings) -> np.ndarray:
    """The suite's: the back up."""
    _, x, y, _ = np.moveaxis(readings.qpos[..., 3:7], -1, 0)
    return _tolerance(1 - 2 * (x * x + y * y), 1.0, 1.0, 1.0, 0.1, "gaussian")


def _cheetah(reward: Callable[[Readings], np.ndarray], is_suite_reward: bool = False) -> Body:
    return Body("cheetah", "run", _cheetah_features, reward, is_suite_reward)


BODIES = {
    "cheetah-run": _cheetah(partial(_cheetah_reward, 10.0), True),
    "cheetah-run_backward": _cheetah(partial(_cheetah_reward, -8.0)),
    "cheetah-speed_2": _cheetah(partial(_cheetah_speed_reward, 2.0)),
    "cheetah-speed_5": _cheetah(partial(_cheetah_speed_reward, 5.0)),
    "walker-stand": Body("walker", "stand", _walker_features, partial(_walker_reward, 0.0)),
    "walker-walk": Body("walker", "walk", _walker_features, partial(_walker_reward, 1.0)),
    "walker-run": Body("walker", "run", _walker_features, partial(_walker_reward, 8.0)),
    "walker-walk_backward": Body("walker", "walk", _walker_features, partial(_walker_reward, -1.0), False),
    "fish-upright": Body("fish", "upright", _fish_features, _fish_upright),
    "ball_in_cup-catch": Body(
        "ball_in_cup", "catch", _ball_features, _ball_reward, shaping=_ball_shaping, discount=0.95
    ),
    "finger-spin": Body("finger", "spin", _finger_features, _finger_reward, shaping=_finger_shaping, discount=0.95),
    "finger-turn_easy": _turn("turn_easy", 0.07),
    "finger-turn_hard": _turn("turn_hard", 0.03),
}
"""Task name -> body. A task is offered when the expert trained for it is shipped."""


@dataclass(frozen=True)
class CommandedBody:
    """A trained task with a target speed, which its expert is told and the observation does not show.

    Attributes:
        domain, suite_task, features: as of `Body`.
        reward: (readings, target speeds [...], m/s) -> float [...] in [0, 1].
        speeds: least and greatest that its expert learns, m/s: all parts of the goal family and a little more.
        discount: PPO's gamma.
    """

    domain: str
    suite_task: str
    features: Callable[[Readings], np.ndarray]
    reward: Callable[[Readings, np.ndarray | float], np.ndarray]
    speeds: tuple[float, float]
    discount: float = 0.99


COMMANDED = {
    "cheetah-speed": CommandedBody("cheetah", "run", _cheetah_features, at_speed, (-5.2, 7.2)),
    "walker-speed": CommandedBody("walker", "walk", _walker_features, _walker_at_speed, (0.0, 4.2)),
}
"""Task name -> body at any target speed. Its expert's network reads the features and, after them, the target."""
