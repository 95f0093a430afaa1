"""Goal families of the Control Suite: target speeds of cheetah and walker, hidden targets of point mass and reacher."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED, Interval, NumericFamily, numbers
from playground.task import Goal

SPEED_TOLERANCE = 0.3
"""Metres per second."""

TARGET_TOLERANCE = 0.03
"""Metres."""


def _speed(goal: Goal) -> float:
    return float(numbers(goal, 1, "(speed,), m/s")[0])


def _speed_family(name: str, intervals: Mapping[str, tuple[Interval, ...]]) -> NumericFamily:
    return NumericFamily(
        task=f"dm_control/{name}",
        parameter="speed",
        unit="m/s",
        tolerance=SPEED_TOLERANCE,
        intervals=intervals,
        compose=lambda value, rng: (value,),
        value=_speed,
        distance=lambda goal, achieved: abs(_speed(goal) - _speed(achieved)),
    )


def _apart(goal: Goal, achieved: Goal) -> float:
    return float(np.linalg.norm(numbers(goal, 2, "x and y, metres") - numbers(achieved, 2, "x and y, metres")))


def _radius(goal: Goal) -> float:
    return float(np.linalg.norm(numbers(goal, 2, "x and y, metres")))


def _on_circle(radius: float, rng: np.random.Generator) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    return radius * float(np.cos(angle)), radius * float(np.sin(angle))


_target_family = partial(NumericFamily, unit="m", tolerance=TARGET_TOLERANCE, distance=_apart)

FAMILIES = (
    _speed_family(
        "cheetah-speed",
        {
            TRAINED: ((-4.0, -2.0), (-1.0, 2.0), (2.8, 4.0)),
            INTERPOLATED: ((-2.0, -1.0), (2.0, 2.8)),
            EXTRAPOLATED: ((-5.0, -4.0), (4.0, 5.0)),
        },
    ),
    _speed_family(
        "walker-speed",
        {TRAINED: ((0.0, 1.2), (1.8, 3.0)), INTERPOLATED: ((1.2, 1.8),), EXTRAPOLATED: ((3.0, 4.0),)},
    ),
    _target_family(
        task="dm_control/reacher-hidden",
        parameter="distance",
        intervals={
            TRAINED: ((0.05, 0.1), (0.15, 0.2)),
            INTERPOLATED: ((0.1, 0.15),),
            EXTRAPOLATED: ((0.2, 0.23),),
        },
        compose=_on_circle,
        value=_radius,
    ),
    _target_family(
        task="dm_control/point_mass-hidden",
        parameter="x",
        intervals={
            TRAINED: ((-0.2, -0.06), (0.06, 0.2)),
            INTERPOLATED: ((-0.06, 0.06),),
            EXTRAPOLATED: ((-0.27, -0.2), (0.2, 0.27)),
        },
        compose=lambda value, rng: (value, rng.uniform(-0.25, 0.25)),
        value=lambda goal: float(numbers(goal, 2, "x and y, metres")[0]),
    ),
)
"""Speeds are forward, of the centre of mass; the walker's 0 is to stand. Distances are from the arena's middle."""
