"""Driving by keyboard: which keys of the page mean which action.

Worlds of choices in which none of them means doing nothing (BabyAI, the cart) take a step at each press; elsewhere the
world runs on and keys are held.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from playground.environment import DomainEnv
from playground.task import Action

NOTHING = "nothing"

WORDS = {
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "up": "ArrowUp",
    "down": "ArrowDown",
    "forward": "ArrowUp",
    "left engine": "ArrowLeft",
    "right engine": "ArrowRight",
    "main engine": "ArrowUp",
    "fire": "w",
    "pick up": "w",
    "drop": "s",
    "toggle": "e",
}
"""Key (as in JavaScript's `event.key`) of a word in the name of a choice."""

SPARE = "qweasxzfhjkuio"
PAIRS = (("ArrowLeft", "ArrowRight"), ("ArrowDown", "ArrowUp"), ("s", "w"), ("a", "e"), ("q", "z"), ("j", "k"))
"""Keys of a number: less, more. Further numbers cannot be driven."""


@dataclass(frozen=True)
class Controls:
    """How a world is driven.

    Attributes:
        names: of the action's numbers or choices.
        choices: whether the action is a choice.
        keys: key -> (number, -1 or 1), or (index of the word that it presses, 1).
        words: what can be pressed in worlds of choices; a choice is a set of them.
        turns: whether the world waits for keys.
    """

    names: tuple[str, ...]
    choices: bool
    keys: dict[str, tuple[int, int]]
    words: tuple[str, ...]
    turns: bool

    @classmethod
    def of(cls, env: DomainEnv) -> "Controls":
        """The controls that fit a world's actions."""
        if not hasattr(env.action_space, "n"):
            pairs = enumerate(PAIRS[: len(env.action_names)])
            keys = {key: (n, sign) for n, pair in pairs for key, sign in zip(pair, (-1, 1), strict=True)}
            return cls(env.action_names, False, keys, (), False)
        pressed = (name.split("+") for name in env.action_names if name != NOTHING)
        words = tuple(dict.fromkeys(word for words in pressed for word in words))
        keys = {}
        for n, word in enumerate(words):
            free = [key for key in (WORDS.get(word), *SPARE) if key is not None and key not in keys]
            if free:
                keys[free[0]] = (n, 1)
        return cls(env.action_names, True, keys, words, NOTHING not in env.action_names)

    def action(self, held: Iterable[str]) -> Action:
        """The action of the keys that are held down: of choices, that which presses the most of them and no other."""
        known = [self.keys[key] for key in held if key in self.keys]
        if self.choices:
            down = {self.words[n] for n, _ in known}
            presses = [set() if name == NOTHING else set(name.split("+")) for name in self.names]
            best = max(range(len(presses)), key=lambda n: len(presses[n]) if presses[n] <= down else -1)
            return np.asarray(best, np.int64)
        action = np.zeros(len(self.names), np.float32)
        for n, sign in known:
            action[n] += sign
        return np.clip(action, -1, 1)

    def to_json(self) -> dict[str, Any]:
        """What the page needs to know of them."""
        meanings = {
            key: self.words[n] if self.choices else f"{self.names[n]} {'+' if sign > 0 else '–'}"
            for key, (n, sign) in self.keys.items()
        }
        return {"names": self.names, "choices": self.choices, "keys": meanings, "turns": self.turns}
