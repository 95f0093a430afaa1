"""The tasks of the Control Suite: physics, observation, expert, and the goal where it is hidden."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from playground.assets import ASSETS
from playground.domains.dm_control import experts, states
from playground.domains.dm_control.bodies import BODIES, COMMANDED, Readings, read, sensor_columns, speed
from playground.domains.dm_control.env import ControlEnv, GoalSpec, TaskSpec
from playground.domains.dm_control.goals import FAMILIES
from playground.task import Expert

EXPERTS = ASSETS / "experts"
"""Folder of the trained experts, `NAME.safetensors`."""

HIDDEN_STEPS = 400
"""Of the tasks with a hidden target: the point mass moves 10 cm a second at most and has up to 70 to go."""

SPEED_STEPS = 500
"""Of the tasks with a hidden target speed."""

FASTEST = 10.0
"""Speed that can be asked for, metres per second, either way."""

_FAMILIES = {family.task.partition("/")[2]: family for family in FAMILIES}


def make_env(name: str, size: int = 320) -> ControlEnv:
    """The environment of a task of `SPECS`, with or without an expert."""
    return ControlEnv(name, SPECS[name], size)


# Readings of bodies that are trained in batches, of one environment's physics.


def _body_reader() -> Callable[[Any], Readings]:
    """Physics -> readings, of one body."""
    columns: dict[str, slice] = {}  # looked up once, they are the same for every copy of the model

    def readings(physics: Any) -> Readings:
        if not columns:
            columns.update(sensor_columns(physics.model.ptr))
        data = physics.data
        return read(columns, data.qpos, data.qvel, data.sensordata)

    return readings


# Experts: environment -> expert.


def _law_expert(make_law: Callable[[Any], experts.Law], env: ControlEnv) -> Expert:
    return experts.LawExpert(env.physics, make_law(env.physics))


def _policy_expert(name: str, env: ControlEnv) -> Expert:
    return experts.PolicyExpert(EXPERTS / f"{name}.safetensors")


def _commanded_expert(name: str, env: ControlEnv) -> Expert:
    return experts.CommandedExpert(EXPERTS / f"{name}.safetensors", env)


# Tasks.


def _cartpole(suite_task: str) -> TaskSpec:
    return TaskSpec(
        domain="cartpole",
        suite_task=suite_task,
        scene="cartpole",
        observe=states.cartpole_state,
        make_expert=partial(_law_expert, experts.cartpole_law),
    )


def _pendulum_spin(way: float) -> TaskSpec:
    return TaskSpec(
        domain="pendulum",
        suite_task="swingup",
        scene="pendulum",
        observe=states.pendulum_state,
        make_expert=partial(_law_expert, partial(experts.pendulum_spin_law, way=way)),
        reward=partial(states.spinning, way),
    )


def _springs(name: str) -> TaskSpec:
    return TaskSpec(
        domain="lqr",
        suite_task=f"lqr_{name}",
        scene=f"lqr-{name}",
        observe=states.springs_state,
        make_expert=partial(_law_expert, experts.springs_law),
    )


def _reacher(suite_task: str) -> TaskSpec:
    return TaskSpec(
        domain="reacher",
        suite_task=suite_task,
        scene="reacher",
        observe=states.reacher_state,
        make_expert=partial(_law_expert, experts.reacher_law),
    )


def _trained(name: str) -> TaskSpec:
    """A task whose expert is a policy trained by `playground train-expert`."""
    body, readings = BODIES[name], _body_reader()

    def observe(physics: Any) -> np.ndarray:
        return body.features(readings(physics))

    def reward(physics: Any) -> float:
        return float(body.reward(readings(physics)))

    return TaskSpec(
        domain=body.domain,
        suite_task=body.suite_task,
        scene=body.domain if body.targets is None else f"{body.domain}-turn",
        observe=observe,
        make_expert=partial(_policy_expert, name),
        reward=None if body.is_suite_reward else reward,
    )


def _commanded(name: str) -> TaskSpec:
    """A task with a hidden target speed, whose expert is a policy that is told the speed."""
    body, readings = COMMANDED[name], _body_reader()

    def observe(physics: Any) -> np.ndarray:
        return body.features(readings(physics))

    goal = GoalSpec(
        family=_FAMILIES[name],
        norms=(0.0, FASTEST),
        hint=f"(speed,), m/s, -{FASTEST:g} to {FASTEST:g}",
        measure=lambda physics: np.atleast_1d(speed(readings(physics))),
        reward=lambda physics, goal: float(body.reward(readings(physics), goal[0])),
    )
    return TaskSpec(
        domain=body.domain,
        suite_task=body.suite_task,
        scene=body.domain,
        observe=observe,
        make_expert=partial(_commanded_expert, name),
        goal=goal,
        max_steps=SPEED_STEPS,
    )


SPECS: Mapping[str, TaskSpec] = {
    "cartpole-balance": _cartpole("balance"),
    "cartpole-balance_sparse": _cartpole("balance_sparse"),
    "cartpole-swingup": _cartpole("swingup"),
    "cartpole-swingup_sparse": _cartpole("swingup_sparse"),
    "lqr-2_1": _springs("2_1"),
    "lqr-6_2": _springs("6_2"),
    "pendulum-swingup": TaskSpec(
        domain="pendulum",
        suite_task="swingup",
        scene="pendulum",
        observe=states.pendulum_state,
        make_expert=partial(_law_expert, experts.pendulum_law),
    ),
    "pendulum-spin": _pendulum_spin(1.0),
    "pendulum-spin_backward": _pendulum_spin(-1.0),
    "point_mass-easy": TaskSpec(
        domain="point_mass",
        suite_task="easy",
        scene="point_mass",
        observe=states.point_mass_state,
        make_expert=partial(_law_expert, experts.point_mass_law),
    ),
    "point_mass-hidden": TaskSpec(
        domain="point_mass",
        suite_task="easy",
        scene="point_mass",
        observe=states.point_mass_state,
        make_expert=partial(_law_expert, experts.point_mass_law),
        goal=GoalSpec(
            family=_FAMILIES["point_mass-hidden"],
            norms=(0.0, 0.36),
            hint="x and y, metres, at most 0.36 from the middle",
            measure=lambda physics: physics.data.qpos,
            reward=lambda physics, goal: states.near(physics.mass_to_target_dist()),
            place=states.place_target,
        ),
        max_steps=HIDDEN_STEPS,
    ),
    "reacher-easy": _reacher("easy"),
    "reacher-hard": _reacher("hard"),
    "reacher-hidden": TaskSpec(
        domain="reacher",
        suite_task="hard",
        scene="reacher-hidden",
        observe=states.reacher_hidden_state,
        make_expert=partial(_law_expert, experts.reacher_pose_law),
        goal=GoalSpec(
            family=_FAMILIES["reacher-hidden"],
            norms=(0.05, 0.23),
            hint="x and y, metres, 0.05 to 0.23 from the middle",
            measure=states.finger,
            reward=lambda physics, goal: states.near(physics.finger_to_target_dist()),
            place=states.place_target,
        ),
        max_steps=HIDDEN_STEPS,
    ),
    **{name: _trained(name) for name in BODIES},
    **{name: _commanded(name) for name in COMMANDED},
}
"""Task name -> what is particular to it."""
