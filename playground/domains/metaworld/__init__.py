"""Meta-World v3: fifty manipulation tasks of one robot arm, with scripted experts.

What is not obvious: upstream was written for layouts that stay the same over several resets, and what it reports right
after a change of layout is stale. Here each reset first draws and places the layout, then settles the hand in it.
The goal is never observed, whether or not upstream would show it.
"""

from functools import partial

from playground.domains.metaworld.env import MAX_STEPS, MetaWorldEnv
from playground.domains.metaworld.experts import ScriptedExpert
from playground.domains.metaworld.goals import FAMILIES, HIDDEN_GOAL
from playground.task import Amount, Horizons, Task

__all__ = ["FAMILIES", "TASKS", "MetaWorldEnv", "ScriptedExpert"]

FPS = 80.0

_REACH_HOLD = 40
"""Steps that a demonstration of reaching goes on for: the scripts get slower, and only the rest shows the goal."""

# Tasks built from one model file share a scene; the pucks on a bare table and behind a wall have files that differ
# in colours only.
_SCENES = {
    "puck": "pick-place push reach",
    "puck-wall": "pick-place-wall push-wall reach-wall",
    "assembly": "assembly disassemble",
    "coffee": "coffee-button coffee-pull coffee-push",
    "door": "door-close door-open",
    "door-lock": "door-lock door-unlock",
    "drawer": "drawer-close drawer-open",
    "faucet": "faucet-close faucet-open",
    "handle": "handle-press handle-pull",
    "handle-side": "handle-press-side handle-pull-side",
    "hole": "hand-insert sweep-into",
    "plate": "plate-slide plate-slide-back",
    "plate-side": "plate-slide-side plate-slide-back-side",
    "stick": "stick-pull stick-push",
    "window": "window-close window-open",
}
_ALONE = (
    "basketball bin-picking box-close button-press button-press-topdown button-press-topdown-wall button-press-wall "
    "dial-turn hammer lever-pull peg-insert-side peg-unplug-side pick-out-of-hole push-back shelf-place soccer sweep"
)
"""Tasks without another one in their scene."""


def _make(size: int, name: str) -> MetaWorldEnv:
    return MetaWorldEnv(name, size)


def _make_expert(env: MetaWorldEnv, name: str) -> ScriptedExpert:
    return ScriptedExpert(env, name)


def _task(name: str, scene: str) -> Task:
    return Task(
        id=f"metaworld/{name}",
        scene=f"metaworld/{scene}",
        fps=FPS,
        max_steps=MAX_STEPS,
        make=partial(_make, name=name),
        make_expert=partial(_make_expert, name=name),
        has_success=True,
        hidden_goal=name in HIDDEN_GOAL,
        hold_steps=_REACH_HOLD if name.startswith("reach") else 10,  # others undo their work later on
        horizons=Horizons(takeover=160, prompt=250, goal=200),  # experts take about 50 steps
        amount=Amount(goals=200, episodes_per_goal=2, noise=(0.0, 0.1, 0.2)),
    )


TASKS = tuple(
    sorted(
        (
            *(_task(name, scene) for scene, names in _SCENES.items() for name in names.split()),
            *(_task(name, name) for name in _ALONE.split()),
        ),
        key=lambda task: task.id,
    )
)
