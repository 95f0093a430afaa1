"""The DeepMind Control Suite: planar bodies moved by motors, and variants of ours whose goal only a prompt tells.

What is not obvious: observations are the suite's rewritten to be easy to clone (angles as sine and cosine, relative
positions), the cheetahs and the walkers differ in nothing but the reward, and a task whose expert is trained counts
only where the expert's file is shipped.
"""

from functools import partial

from playground.domains.dm_control import stacking
from playground.domains.dm_control.bodies import BODIES, COMMANDED
from playground.domains.dm_control.env import ControlEnv
from playground.domains.dm_control.goals import FAMILIES
from playground.domains.dm_control.stacking import StackingEnv
from playground.domains.dm_control.stacking_expert import StackingExpert
from playground.domains.dm_control.tasks import EXPERTS, SPECS, make_env
from playground.task import Amount, Horizons, Task

__all__ = ["EXPERTS", "FAMILIES", "SPECS", "TASKS", "TASKS_WITHOUT_EXPERT", "ControlEnv", "make_env"]


def _make(size: int, name: str) -> ControlEnv:
    return make_env(name, size)


_FEW = Amount(goals=40, shard_episodes=10)

_AMOUNTS = {
    "reacher-": Amount(goals=300, episodes_per_goal=2, max_steps=200, filtered=False),
    "point_mass-": Amount(goals=300, episodes_per_goal=2, max_steps=400, filtered=False),
}
"""Beginning of a task's name -> amount, of bodies that reach their target in a short episode."""


def _task(name: str) -> Task:
    spec = SPECS[name]
    return Task(
        id=f"dm_control/{name}",
        scene=f"dm_control/{spec.scene}",
        fps=spec.fps,
        max_steps=spec.max_steps,
        make=partial(_make, name=name),
        make_expert=spec.make_expert,
        hidden_goal=spec.goal is not None,
        horizons=Horizons(shipped=300),
        amount=next((amount for body, amount in _AMOUNTS.items() if name.startswith(body)), _FEW),
    )


def _has_expert(name: str) -> bool:
    return name not in BODIES | COMMANDED or (EXPERTS / f"{name}.safetensors").exists()


_STACKING = Task(
    id="dm_control/stack_2_bricks",
    scene="dm_control/jaco",
    fps=stacking.FPS,
    max_steps=stacking.MAX_STEPS,
    make=StackingEnv,
    make_expert=StackingExpert,
    has_success=True,
    horizons=Horizons(shipped=300),
    amount=Amount(goals=600),
)

TASKS = (*(_task(name) for name in SPECS if _has_expert(name)), _STACKING)
TASKS_WITHOUT_EXPERT = tuple(_task(name) for name in SPECS if not _has_expert(name))
