"""The MuJoCo tasks of gymnasium, version 5: pendulums, an arm, and four bodies that run, hop, walk or swim.

What is not obvious: observation, reward and end are gymnasium's own, so scores compare with published ones. Three
tasks end when the body falls. The hidden reacher is ours: its target is in the world, but not in the observation.
"""

from functools import partial

from playground.domains.mujoco.env import MujocoEnv
from playground.domains.mujoco.tasks import EXPERTS, FAMILIES, FPS, SPECS, make_env
from playground.task import Horizons, Task

__all__ = ["EXPERTS", "FAMILIES", "SPECS", "TASKS", "MujocoEnv", "make_env"]


def _task(name: str) -> Task:
    spec = SPECS[name]
    return Task(
        id=f"mujoco/{name}",
        scene=f"mujoco/{name}",
        fps=FPS[spec.gym_id],
        max_steps=spec.max_steps,
        make=partial(make_env, name=name),
        make_expert=spec.make_expert,
        hidden_goal=spec.goal is not None,
        horizons=Horizons(shipped=300),
    )


TASKS = tuple(_task(name) for name in SPECS)
