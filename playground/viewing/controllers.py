"""Controllers: a person as a policy. Names of keys that are held, sticks and the mouse become an action.

Nothing here knows a screen's toolkit: a front end passes on key names as browsers give them (`KeyboardEvent.key`).
Worlds of discrete actions without a no-op (BabyAI, the cart) wait for a key; the others run on.
"""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np

from playground.environment import NO_OP, DomainEnv
from playground.events import Decision
from playground.prompt import Prompt
from playground.task import Action, Observation
from playground.viewing.keymap import key_label

REPEAT_SECONDS = 0.3
"""How long a key is held until it counts again, where the world waits for keys."""

DRAG = 0.25
"""Share of the picture's width over which the mouse is dragged for a full deflection."""

ARROWS = ("ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp")

WORD_KEYS = {
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "up": "ArrowUp",
    "down": "ArrowDown",
    "forward": "ArrowUp",
    "left engine": "ArrowLeft",
    "right engine": "ArrowRight",
    "main engine": "ArrowUp",
    "fire": "f",
    "toggle": "f",
    "pick up": "e",
    "drop": "q",
    "done": "x",
}
"""Word in the name of a discrete action -> key."""

SPARE_KEYS = "ajkuihyewqzx"
"""Keys of words that `WORD_KEYS` does not know."""

PAIRS = (("ArrowLeft", "ArrowRight"), ("ArrowDown", "ArrowUp"), ("a", "q"), ("j", "u"), ("k", "i"), ("h", "y"))
"""Keys of an action's numbers: less, more. Further numbers cannot be driven."""

GRIP_KEY = "f"

STICK_WORDS = {
    (0, 1): ("right", "right engine"),
    (0, -1): ("left", "left engine"),
    (1, 1): ("up", "forward", "main engine"),
    (1, -1): ("down",),
}
"""(Axis, direction) of a stick -> words that it presses."""


class Controller:
    """What a person holds, as a `playground.events.Policy`.

    Attributes:
        keys: key -> what it means.
        turn_based: whether the world waits for the person.
    """

    keys: dict[str, str]
    turn_based = False

    def condition(self, prompt: Prompt | None) -> None:
        """Does nothing: people know what they want."""

    def reset(self) -> None:
        """Does nothing: what is held stays held."""

    def commit(self, action: Action) -> None:
        """Does nothing: there are no live steps to keep."""

    def act(self, observation: Observation) -> Decision:
        """Proposes the action that is held."""
        return Decision(self.take())

    @property
    def ready(self) -> bool:
        """Whether the world may go on."""
        return True

    def take(self) -> Action:
        """The action that is held. A press shorter than a step counts once."""
        raise NotImplementedError

    def press(self, key: str) -> None:
        """A key goes down."""
        raise NotImplementedError

    def release(self, key: str) -> None:
        """A key goes up."""
        raise NotImplementedError

    def hold(self, keys: Iterable[str]) -> None:
        """These keys are down, and no others."""
        held = set(keys)
        for key in self.keys:
            self.press(key) if key in held else self.release(key)

    def clear(self) -> None:
        """Forgets everything that is held or was pressed."""
        self.hold(())
        self.take()

    def drag(self, x: float, y: float) -> None:
        """The mouse was dragged by x to the right and y upwards, in widths of the picture; (0, 0): it was let go."""
        self.stick(0, float(np.clip(x / DRAG, -1, 1)))
        self.stick(1, float(np.clip(y / DRAG, -1, 1)))

    def stick(self, axis: int, value: float) -> None:
        """A stick moves: axis 0 to the right, 1 upwards, then the others; -1 to 1."""
        raise NotImplementedError

    def nudge(self, axis: int, value: float) -> None:
        """The mouse's wheel turns: a stick for one step."""

    def button(self, number: int, down: bool) -> None:
        """A button of the gamepad, or of the mouse besides the left one, goes down or up."""
        raise NotImplementedError

    def help(self) -> list[tuple[str, str]]:
        """Labels of keys and what they mean, for the screen."""
        return [(key_label(key), meaning) for key, meaning in self.keys.items()]


class DiscreteController(Controller):
    """Chooses the discrete action that presses the most of the words that are held, and no other word.

    Args:
        names: of the actions, see `DomainEnv.action_names`.
        clock: seconds.
    """

    def __init__(self, names: tuple[str, ...], clock: Callable[[], float] = perf_counter):
        self._clock = clock
        self._presses = [frozenset(() if name == NO_OP else name.split("+")) for name in names]
        self._no_op = next((n for n, words in enumerate(self._presses) if not words), None)
        self.turn_based = self._no_op is None
        self._words = list(dict.fromkeys(word for name in names if name != NO_OP for word in name.split("+")))
        self.keys = {}
        for word in self._words:
            free = [key for key in (WORD_KEYS.get(word), *SPARE_KEYS) if key is not None and key not in self.keys]
            if free:
                self.keys[free[0]] = word
        self._held: dict[str, float] = {}  # word -> since when
        self._fresh: set[str] = set()  # pressed since the last step

    @property
    def ready(self) -> bool:
        """Whether the world may go on: always with a no-op, else when a key was pressed or is held for long."""
        if not self.turn_based or self._chosen(self._fresh) is not None:
            return True
        now = self._clock()
        return self._chosen({w for w, since in self._held.items() if now - since >= REPEAT_SECONDS}) is not None

    def take(self) -> Action:
        """The action's index, an int64 scalar; the no-op, or else 0, where no action fits."""
        chosen = self._chosen(self._fresh | set(self._held))
        self._fresh.clear()
        return np.asarray(self._no_op or 0 if chosen is None else chosen, np.int64)

    def press(self, key: str) -> None:
        """A key goes down."""
        self._hold(self.keys.get(key), True)

    def release(self, key: str) -> None:
        """A key goes up."""
        self._hold(self.keys.get(key), False)

    def stick(self, axis: int, value: float) -> None:
        """A stick presses words when it is more than half way out."""
        for sign in (-1, 1):
            for word in STICK_WORDS.get((axis, sign), ()):
                self._hold(word, value * sign > 0.5)

    def button(self, number: int, down: bool) -> None:
        """A button presses the words that no stick presses, in their order."""
        steered = {word for words in STICK_WORDS.values() for word in words}
        others = [word for word in self._words if word not in steered]
        self._hold(others[number] if number < len(others) else None, down)

    def _hold(self, word: str | None, down: bool) -> None:
        if word not in self._words:
            return
        if down and word not in self._held:
            self._held[word] = self._clock()
            self._fresh.add(word)
        elif not down:
            self._held.pop(word, None)

    def _chosen(self, words: set[str]) -> int | None:
        """The action that presses the most of `words` and nothing else; None if there is none."""
        fitting = [n for n, presses in enumerate(self._presses) if presses and presses <= words]
        return max(fitting, key=lambda n: len(self._presses[n]), default=None)


class ContinuousController(Controller):
    """Steers: every number of the action has two keys. A number called `grip` is switched by one key instead.

    Args:
        names: of the action's numbers, see `DomainEnv.action_names`.
        heading: degrees by which the first two are turned against the picture, see `DomainEnv.heading`.
    """

    def __init__(self, names: tuple[str, ...], heading: Callable[[], float] = lambda: 0.0):
        self._heading = heading
        self._grip = names.index("grip") if "grip" in names else None
        self._numbers = [n for n in range(len(names)) if n != self._grip]
        self._signs: dict[str, tuple[int, int]] = {}  # key -> number and direction
        for n, (less, more) in zip(self._numbers, PAIRS, strict=False):
            self._signs |= {less: (n, -1), more: (n, 1)}
        self.keys = {key: f"{names[n]} {'+' if sign > 0 else '–'}" for key, (n, sign) in self._signs.items()}
        if heading():  # the arrows go by the picture
            self.keys |= dict(zip(ARROWS, ("left", "right", "nearer", "farther"), strict=True))
        if self._grip is not None:
            self.keys[GRIP_KEY] = "switch the grip"
        self._held: set[str] = set()
        self._fresh: set[str] = set()
        self._sticks = np.zeros(len(names), np.float32)
        self._nudges = np.zeros(len(names), np.float32)
        self._closed = -1.0

    def take(self) -> Action:
        """The action, float32 [A], each number from -1 to 1."""
        action, self._nudges = self._sticks + self._nudges, np.zeros_like(self._nudges)
        for key in (self._held | self._fresh) & self._signs.keys():
            n, sign = self._signs[key]
            action[n] += sign
        self._fresh.clear()
        if self._grip is not None:
            action[self._grip] = self._closed
        action = np.clip(action, -1, 1)
        if turn := np.deg2rad(self._heading()):
            right, away = action[:2]
            action[:2] = right * np.cos(turn) - away * np.sin(turn), right * np.sin(turn) + away * np.cos(turn)
        return np.clip(action, -1, 1).astype(np.float32)

    def press(self, key: str) -> None:
        """A key goes down; the grip's key switches it."""
        if key not in self.keys or key in self._held:
            return
        self._held.add(key)
        self._fresh.add(key)
        if key not in self._signs:
            self._closed = -self._closed

    def release(self, key: str) -> None:
        """A key goes up."""
        self._held.discard(key)

    def stick(self, axis: int, value: float) -> None:
        """A stick moves the number of that place."""
        if axis < len(self._numbers):
            self._sticks[self._numbers[axis]] = value

    def nudge(self, axis: int, value: float) -> None:
        """The wheel adds to the number of that place, for one step."""
        if axis < len(self._numbers):
            self._nudges[self._numbers[axis]] += value

    def button(self, number: int, down: bool) -> None:
        """Any button switches the grip."""
        if down:
            self._closed = -self._closed


def controller_for(
    env: DomainEnv, clock: Callable[[], float] = perf_counter
) -> DiscreteController | ContinuousController:
    """The controller that fits a world's actions."""
    if isinstance(env.action_space, gym.spaces.Discrete):
        return DiscreteController(action_names(env), clock)
    return ContinuousController(action_names(env), lambda: env.heading)


def action_names(env: DomainEnv) -> tuple[str, ...]:
    """The names of an action's numbers or choices; `action 0`, `action 1`, … where a domain gives none."""
    space: Any = env.action_space
    count = int(space.n) if isinstance(space, gym.spaces.Discrete) else space.shape[0]
    return env.action_names or tuple(f"action {n}" for n in range(count))


def controls_json(env: DomainEnv, controller: Controller) -> dict[str, Any]:
    """What a page needs to know of a world's controls, in JSON's terms."""
    discrete = isinstance(controller, DiscreteController)
    return {"names": action_names(env), "discrete": discrete, "keys": controller.keys, "turns": controller.turn_based}
