"""The MuJoCo tasks of gymnasium: what is drawn, who is the expert, and the goal where it is hidden."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from playground.assets import ASSETS
from playground.domains.dm_control.experts import PolicyExpert
from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED, NumericFamily, numbers
from playground.domains.mujoco.bodies import BODIES
from playground.domains.mujoco.env import GoalSpec, MujocoEnv, TaskSpec, View
from playground.domains.mujoco.experts import BalanceExpert, ReachExpert
from playground.task import Expert

EXPERTS = ASSETS / "experts"
"""Folder of the trained experts, `NAME.safetensors`."""

HIDDEN_STEPS = 100
"""Of the task with a hidden target, two seconds: gymnasium's 50 end when the arm has only just come to rest."""

_UNITS = "x and y, metres"


def _on_circle(radius: float, rng: np.random.Generator) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    return radius * float(np.cos(angle)), radius * float(np.sin(angle))


FAMILIES = (
    NumericFamily(
        task="mujoco/Reacher-hidden",
        parameter="distance",
        unit="m",
        tolerance=0.03,
        intervals={
            TRAINED: ((0.05, 0.1), (0.14, 0.18)),
            INTERPOLATED: ((0.1, 0.14),),
            EXTRAPOLATED: ((0.18, 0.2),),
        },
        compose=_on_circle,
        value=lambda goal: float(np.linalg.norm(numbers(goal, 2, _UNITS))),
        distance=lambda goal, achieved: float(np.linalg.norm(numbers(goal, 2, _UNITS) - numbers(achieved, 2, _UNITS))),
    ),
)
"""Distances are from the arm's shoulder."""


def _trained(name: str, view: View) -> TaskSpec:
    """A task whose expert is a policy trained by `playground train-expert`."""

    def expert(env: MujocoEnv) -> Expert:
        return PolicyExpert(EXPERTS / f"{name}.safetensors")

    return TaskSpec(BODIES[name].gym_id, view, expert)


def _single(env: MujocoEnv) -> Expert:
    return BalanceExpert(env, (1.0, 10.0, 0.1, 1.0), 0.1)


def _double(env: MujocoEnv) -> Expert:
    return BalanceExpert(env, (1.0, 10.0, 10.0, 0.1, 1.0, 1.0), 1.0)


_ARM = View(0.75, elevation=-89.9)

SPECS: Mapping[str, TaskSpec] = {
    "InvertedPendulum": TaskSpec("InvertedPendulum-v5", View(2.9, (0.0, 0.0, 0.2)), _single),
    "InvertedDoublePendulum": TaskSpec("InvertedDoublePendulum-v5", View(4.0, (0.0, 0.0, 0.5)), _double),
    "Reacher": TaskSpec("Reacher-v5", _ARM, ReachExpert, max_steps=50),
    "Reacher-hidden": TaskSpec(
        "Reacher-v5",
        _ARM,
        partial(ReachExpert, one_way=True),
        max_steps=HIDDEN_STEPS,
        goal=GoalSpec(FAMILIES[0], 0.03, 0.2, seen=(0, 1, 2, 3, 6, 7)),
    ),
    "HalfCheetah": _trained("HalfCheetah", View(3.6, body="torso")),
    "Hopper": _trained("Hopper", View(3.4, body="torso")),
    "Walker2d": _trained("Walker2d", View(4.0, body="torso")),
    "Swimmer": _trained("Swimmer", View(5.5, elevation=-40.0, body="torso")),
}
"""Task name -> what is particular to it."""

FPS = {
    "HalfCheetah-v5": 20.0,
    "Hopper-v5": 125.0,
    "InvertedDoublePendulum-v5": 20.0,
    "InvertedPendulum-v5": 25.0,
    "Reacher-v5": 50.0,
    "Swimmer-v5": 25.0,
    "Walker2d-v5": 125.0,
}
"""Gymnasium's name -> actions per second; told here so that listing tasks builds no simulator."""


def make_env(size: int, name: str) -> MujocoEnv:
    """The environment of a task of `SPECS`, with or without an expert."""
    return MujocoEnv(name, SPECS[name], size)
