"""The canonical environment that every domain adapts its upstream to."""

from abc import abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np

from playground.errors import BadValueError
from playground.task import Action, Goal, Observation

NO_OP = "nothing"
"""Name of the discrete action that does nothing, where there is one."""

RENDER_MODES = ("rgb_array",)
"""Gymnasium's names of what `render()` gives."""

LARGEST = 4096
"""Pixels of the largest pictures' sides."""


class DomainEnv(gym.Env[Observation, Action]):
    """A gymnasium environment with the few promises that the rest of the package relies on.

    * `observation_space` is a `Dict` of: `Box` float32 of one axis (continuous), `Box`/`MultiDiscrete`/`Discrete` of
      integers below 1024 (discrete; three axes [H, W, C] mean a grid of cells), `Box` uint8 [H, W, 3] with H, W >= 16
      (a picture), `Text` (language). `action_space` is `Box(-1, 1, [A], float32)` or `Discrete(n)`.
    * `reset(seed=s)` is deterministic in s; `reset(seed=s, options={"goal": g})` draws another start for goal g.
    * Observations never share memory with the environment.
    * Nothing touches OpenGL before `render()`, which returns uint8 [size, ~size, 3].
    * The episode is truncated at the task's `max_steps` by the environment itself.
    """

    metadata = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012 (gymnasium's convention)
    render_mode = "rgb_array"

    goal: Goal = None
    """The running episode's goal; None where the task has none."""

    success: bool = False
    """Whether the task has been solved at any time in the running episode."""

    action_names: tuple[str, ...] = ()
    """What each number of a continuous action, or each discrete action, means in a word or two. A discrete action that
    presses several buttons joins their names with `+`; the one that does nothing is called `NO_OP`."""

    cameras: tuple[str, ...] = ("standard",)
    """Where pictures can be taken from."""

    camera: str = "standard"
    """Where the next picture is taken from, one of `cameras`; observations do not depend on it."""

    heading: float = 0.0
    """Degrees from the first action number's direction to the right of the picture, where two of them move something
    over a plane."""

    @property
    def achieved(self) -> Goal:
        """What has been reached, in the goal's own terms; None where the task has no goal or nothing was reached."""
        return None

    def start(self, seed: int, goal: Goal = None) -> Observation:
        """Begins an episode with this seed's start and this goal; None lets the seed draw the goal.

        Raises:
            BadValueError: the goal cannot be set.
        """
        observation, _ = self.reset(seed=seed, options=None if goal is None else {"goal": goal})
        return observation

    def subtasks(self, text: str) -> tuple[str, ...]:
        """The subtasks of an instruction in this environment's language, in the order in which they are to be done.

        By default an instruction is its own only subtask.
        """
        return (text,)

    def subtasks_done(self) -> list[bool]:
        """Which subtasks of the running episode's instruction are done, in the order of `subtasks`."""
        return [self.success]

    def enter(self, other: "DomainEnv", goal: Goal = None) -> Observation:
        """Begins an episode in the present state of another environment of the scene, yet with this task's own goal.

        Given the same actions, both go on alike, and each judges by its own task what they lead to.

        Args:
            other: a running environment of the same scene; it is not changed.
            goal: of this environment; needed where goals are hidden.

        Raises:
            BadValueError: this environment cannot be like the other, or the goal cannot be met there.
        """
        raise BadValueError(f"{type(self).__name__} cannot enter another world's state; take another scene")

    def grab(self, x: float, y: float) -> bool:
        """Takes hold of what is drawn at x, y (0 to 1 from the picture's top left); False if nothing there can move."""
        return False

    def drag(self, x: float, y: float) -> None:
        """Pulls what was grabbed towards x, y in the steps that follow."""

    def release(self) -> None:
        """Lets go of what was grabbed."""

    @property
    def no_op(self) -> Action:
        """The action that does nothing, or as little as it can: zeros, the discrete action `NO_OP`, or the last one."""
        if not isinstance(self.action_space, gym.spaces.Discrete):
            return np.zeros(self.action_space.shape or (), np.float32)
        names = self.action_names
        return np.asarray(names.index(NO_OP) if NO_OP in names else self.action_space.n - 1, np.int64)

    @abstractmethod
    def render(self) -> np.ndarray:
        """Draws the present state, uint8 [H, W, 3]."""


def picture_size(size: int) -> int:
    """The size of pictures that an environment was asked for.

    Raises:
        BadValueError: there are no pictures of that size.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= LARGEST:
        raise BadValueError(f"size of pictures is {size!r}; give 1 to {LARGEST} pixels")
    return int(size)


def wanted_goal(options: dict[str, Any] | None) -> Goal:
    """The goal that `reset(options=...)` asks for, if any."""
    return None if options is None else options.get("goal")
