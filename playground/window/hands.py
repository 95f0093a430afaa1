"""A person as a policy: keys, mouse and gamepad become the action that is held at the moment.

Worlds of choices in which none of them means doing nothing (BabyAI, the cart) wait for a key; the others run on.
"""

from collections.abc import Callable
from time import perf_counter

import gymnasium as gym
import numpy as np
import pygame

from playground.environment import DomainEnv
from playground.events import Decision
from playground.prompt import Prompt
from playground.task import Action, Observation

REPEAT_SECONDS = 0.3
"""After which a key that is held counts again, where the world waits for keys."""

DRAG = 0.25
"""Share of the picture's width that the mouse is dragged for a full deflection."""

DEAD_ZONE = 0.15
"""Deflection of a gamepad's stick that counts as none."""

_WORDS = {
    "left": (pygame.K_LEFT,),
    "right": (pygame.K_RIGHT,),
    "up": (pygame.K_UP,),
    "down": (pygame.K_DOWN,),
    "forward": (pygame.K_UP,),
    "fire": (pygame.K_SPACE,),
    "toggle": (pygame.K_SPACE,),
    "pick up": (pygame.K_e,),
    "drop": (pygame.K_q,),
    "done": (pygame.K_RETURN,),
    "left engine": (pygame.K_LEFT,),
    "main engine": (pygame.K_UP,),
    "right engine": (pygame.K_RIGHT,),
}
_SPARE = (pygame.K_a, pygame.K_d, pygame.K_w, pygame.K_f, pygame.K_g, pygame.K_t, pygame.K_j, pygame.K_k)

_ARROWS = ((pygame.K_LEFT, pygame.K_RIGHT), (pygame.K_DOWN, pygame.K_UP), (pygame.K_PAGEDOWN, pygame.K_PAGEUP))
_LETTERS = (
    (pygame.K_a, pygame.K_q),
    (pygame.K_s, pygame.K_w),
    (pygame.K_d, pygame.K_e),
    (pygame.K_f, pygame.K_r),
    (pygame.K_g, pygame.K_t),
    (pygame.K_j, pygame.K_u),
)
_STICK_WORDS = {
    (0, 1): ("right", "right engine"),
    (0, -1): ("left", "left engine"),
    (1, 1): ("up", "forward", "main engine"),
    (1, -1): ("down",),
}
"""(Axis, direction) of a stick -> buttons that it presses."""


class Hand:
    """What a person holds, as a `playground.events.Policy`."""

    keys: dict[int, str]
    """Code -> what the key means."""

    def condition(self, prompt: Prompt | None) -> None:
        """People know what they want."""

    def reset(self) -> None:
        """What is held stays held."""

    def commit(self, action: Action) -> None:
        """Nothing to keep."""

    def act(self, observation: Observation) -> Decision:
        """The action that is held."""
        return Decision(self.take())

    @property
    def ready(self) -> bool:
        """Whether the world may go on."""
        return True

    def take(self) -> Action:
        """The action that is held; a press shorter than a step counts once."""
        raise NotImplementedError

    def press(self, code: int) -> None:
        """A key goes down."""
        raise NotImplementedError

    def release(self, code: int) -> None:
        """A key goes up."""
        raise NotImplementedError

    def drag(self, x: float, y: float) -> None:
        """The mouse was dragged by x to the right and y upwards, in widths of the picture; (0, 0): it was let go."""
        self.stick(0, float(np.clip(x / DRAG, -1, 1)))
        self.stick(1, float(np.clip(y / DRAG, -1, 1)))

    def stick(self, axis: int, value: float) -> None:
        """A stick: axis 0 to the right, 1 upwards, then the others; -1 to 1."""
        raise NotImplementedError

    def nudge(self, axis: int, value: float) -> None:
        """The mouse's wheel: a stick for one step."""

    def button(self, number: int, down: bool) -> None:
        """A button of the gamepad, or of the mouse besides the left one."""
        raise NotImplementedError

    def help(self) -> list[tuple[str, str]]:
        """Keys and what they mean, for the screen."""
        return [(pygame.key.name(code) or "?", meaning) for code, meaning in self.keys.items()]


class ButtonHand(Hand):
    """Chooses: the action that presses the most of the buttons that are held, and no other.

    Args:
        names: of the choices, see `DomainEnv.action_names`.
        clock: seconds.
    """

    def __init__(self, names: tuple[str, ...], clock: Callable[[], float] = perf_counter):
        self._clock = clock
        self._presses = [frozenset(() if name == "nothing" else name.split("+")) for name in names]
        self._idle = next((n for n, words in enumerate(self._presses) if not words), None)
        words = list(dict.fromkeys(word for words in self._presses for word in sorted(words)))
        self.keys = {}
        for word in words:
            free = [code for code in (*_WORDS.get(word, ()), *_SPARE) if code not in self.keys]
            if free:
                self.keys[free[0]] = word
        self._words = words
        self._held: dict[str, float] = {}  # word -> since when
        self._fresh: set[str] = set()  # pressed since the last step

    @property
    def ready(self) -> bool:
        if self._idle is not None or self._chosen(self._fresh) is not None:
            return True
        now = self._clock()
        return self._chosen({w for w, since in self._held.items() if now - since >= REPEAT_SECONDS}) is not None

    def take(self) -> Action:
        chosen = self._chosen(self._fresh | set(self._held))
        self._fresh.clear()
        return np.asarray(self._idle or 0 if chosen is None else chosen, np.int64)

    def press(self, code: int) -> None:
        self._hold(self.keys.get(code), True)

    def release(self, code: int) -> None:
        self._hold(self.keys.get(code), False)

    def stick(self, axis: int, value: float) -> None:
        for sign in (-1, 1):
            for word in _STICK_WORDS.get((axis, sign), ()):
                self._hold(word, value * sign > 0.5)

    def button(self, number: int, down: bool) -> None:
        steered = {word for words in _STICK_WORDS.values() for word in words}
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
        """The choice that presses the most of `words` and nothing else; None for none of them."""
        fitting = [n for n, presses in enumerate(self._presses) if presses and presses <= words]
        return max(fitting, key=lambda n: len(self._presses[n]), default=None)


class StickHand(Hand):
    """Steers: every number of the action has two keys; a number called `grip` is switched instead.

    Args:
        names: of the action's numbers, see `DomainEnv.action_names`.
        heading: degrees by which the first two are turned against the picture, see `DomainEnv.heading`.
    """

    def __init__(self, names: tuple[str, ...], heading: Callable[[], float] = lambda: 0.0):
        self._names, self._heading = names, heading
        self._grip = names.index("grip") if "grip" in names else None
        pairs = _ARROWS if len(names) - (self._grip is not None) <= len(_ARROWS) else _LETTERS
        self._numbers = numbers = [n for n in range(len(names)) if n != self._grip]
        self._pairs: dict[int, tuple[int, int]] = {}  # code -> number and direction
        for n, (less, more) in zip(numbers, pairs, strict=False):
            self._pairs |= {less: (n, -1), more: (n, 1)}
        self.keys = {code: f"{names[n]} {'+' if sign > 0 else '–'}" for code, (n, sign) in self._pairs.items()}
        if heading():  # the arrows go by the picture
            self.keys |= dict(zip(sum(_ARROWS[:2], ()), ("left", "right", "nearer", "farther"), strict=True))
        if self._grip is not None:
            self.keys[pygame.K_SPACE] = "open or close the grip"
        self._held: set[int] = set()
        self._fresh: set[int] = set()
        self._sticks = np.zeros(len(names), np.float32)
        self._nudges = np.zeros(len(names), np.float32)
        self._closed = -1.0

    def take(self) -> Action:
        action, self._nudges = self._sticks + self._nudges, np.zeros_like(self._nudges)
        for code in self._held | self._fresh:
            n, sign = self._pairs[code]
            action[n] += sign
        self._fresh.clear()
        if self._grip is not None:
            action[self._grip] = self._closed
        action = np.clip(action, -1, 1)
        if turn := np.deg2rad(self._heading()):
            right, away = action[:2]
            action[:2] = right * np.cos(turn) - away * np.sin(turn), right * np.sin(turn) + away * np.cos(turn)
        return np.clip(action, -1, 1).astype(np.float32)

    def press(self, code: int) -> None:
        if code in self._pairs:
            self._held.add(code)
            self._fresh.add(code)
        elif code in self.keys:
            self._closed = -self._closed

    def release(self, code: int) -> None:
        self._held.discard(code)

    def stick(self, axis: int, value: float) -> None:
        if axis < len(self._numbers):
            self._sticks[self._numbers[axis]] = value

    def nudge(self, axis: int, value: float) -> None:
        if axis < len(self._numbers):
            self._nudges[self._numbers[axis]] += value

    def button(self, number: int, down: bool) -> None:
        if down:
            self._closed = -self._closed


def hand_for(env: DomainEnv, clock: Callable[[], float] = perf_counter) -> Hand:
    """The hand that fits a world's actions."""
    if isinstance(env.action_space, gym.spaces.Discrete):
        return ButtonHand(env.action_names, clock)
    return StickHand(env.action_names, lambda: env.heading)
