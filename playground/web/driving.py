"""Driving by keyboard: what actions are called, and which keys mean which.

In worlds of turns (BabyAI) each press is one step; elsewhere the world runs on and keys are held.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.domains.base import DomainEnv
from playground.task import Action, Task

TURN_FPS = 10.0
"""Worlds at this rate or below wait for a key."""

ARROWS = {"left": "ArrowLeft", "right": "ArrowRight", "up": "ArrowUp", "down": "ArrowDown"}
LETTERS = "qweasdzxfhjkluio"
PAIRS = (("ArrowLeft", "ArrowRight"), ("ArrowDown", "ArrowUp"), ("s", "w"), ("a", "d"), ("q", "e"), ("z", "x"))
"""Keys of a continuous dimension: less, more. Further dimensions cannot be driven."""

_NAMES = {
    "babyai": ("turn left", "turn right", "forward", "pick up", "drop", "toggle", "done"),
    "metaworld": ("hand x", "hand y", "hand z", "gripper"),
    "CartPole": ("left", "right"),
    "CartPole-hidden": ("left", "right"),
    "MountainCar": ("left", "coast", "right"),
    "Acrobot": ("torque left", "none", "torque right"),
    "LunarLander": ("idle", "left engine", "main engine", "right engine"),
    "LunarLanderContinuous": ("main engine", "side engines"),
}
_KEYS = {
    "turn left": "ArrowLeft",
    "turn right": "ArrowRight",
    "forward": "ArrowUp",
    "pick up": "w",
    "drop": "s",
    "toggle": "e",
    "done": "d",
    "main engine": "ArrowUp",
    "left engine": "ArrowLeft",
    "right engine": "ArrowRight",
    "torque left": "ArrowLeft",
    "torque right": "ArrowRight",
    "fire": "w",
    **ARROWS,
}
_IDLE = ("idle", "noop", "coast", "none", "done")
"""Names of choices that do nothing, for when no key is held."""


@dataclass(frozen=True)
class Controls:
    """How a world is driven.

    Attributes:
        names: of the action's dimensions or choices; empty strings where nothing better than a number is known.
        choices: number of choices; 0 for continuous actions.
        size: number of dimensions, A; 1 for choices.
        keys: key (as in JavaScript's `event.key`) -> (dimension or choice, value).
        turns: whether the world waits for keys.
    """

    names: tuple[str, ...]
    choices: int
    size: int
    keys: dict[str, tuple[int, float]]
    turns: bool

    @classmethod
    def of(cls, task: Task, env: DomainEnv) -> "Controls":
        space: Any = env.action_space
        choices = int(getattr(space, "n", 0))
        size = choices or int(space.shape[0])
        buttons: Iterable[str] = getattr(env, "button_names", ())
        known = tuple(name.lower() for name in buttons) or _NAMES.get(task.name) or _NAMES.get(task.domain) or ()
        names = tuple(known[n] if n < len(known) else "" for n in range(size))
        keys: dict[str, tuple[int, float]] = {}
        if choices:
            for n, name in enumerate(names):
                spare = (letter for letter in LETTERS if letter not in keys)
                if name not in _IDLE or name == "done":
                    key = _KEYS.get(name)
                    keys[key if key and key not in keys else next(spare)] = (n, 1.0)
        else:
            for n, (less, more) in zip(range(size), PAIRS, strict=False):
                keys |= {less: (n, -1.0), more: (n, 1.0)}
        return cls(names, choices, 1 if choices else size, keys, task.fps <= TURN_FPS)

    def action(self, held: Iterable[str]) -> Action:
        """The action of the keys that are held down; of several choices, that of the last key."""
        known = [self.keys[key] for key in held if key in self.keys]
        if self.choices:
            idle = next((n for n, name in enumerate(self.names) if name in _IDLE[:-1]), 0)
            return np.asarray(known[-1][0] if known else idle, np.int64)
        action = np.zeros(self.size, np.float32)
        for n, value in known:
            action[n] += value
        return np.clip(action, -1, 1)

    def to_json(self) -> dict[str, Any]:
        """What the page needs to know of them."""
        return {
            "names": self.names,
            "choices": self.choices,
            "keys": {key: [n, value] for key, (n, value) in self.keys.items()},
            "turns": self.turns,
        }
