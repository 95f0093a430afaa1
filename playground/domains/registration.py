"""Tasks by `gymnasium.make`: after `register()`, "playground/reacher-hidden" is an environment, at any goal.

The environments are Gymnasium's in every respect: their `spec` turns into JSON and back, they pickle, `RecordVideo`
and Minari's `DataCollector` take them, and `render_mode="human"` shows them.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from playground import domains
from playground.environment import RENDER_MODES
from playground.errors import BadValueError
from playground.task import Action, Goal, Observation

NAMESPACE = "playground"


class GymnasiumEnv(gym.Env[Observation, Action]):
    """A task's environment that tells in `info` the goal, what was achieved, and how far the two are apart.

    Args:
        task: task id, `domain/name`.
        goal: the goal of every episode; None draws one of the trained goals each time.
        size: of pictures, pixels.
        render_mode: "rgb_array"; None is the same. Gymnasium makes "human" of it by a wrapper of its own.

    Attributes:
        world: the environment as the rest of this package knows it.

    Raises:
        UnknownNameError: there is no such task.
        BadValueError: there are no such pictures.
    """

    metadata = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012 (gymnasium's convention)

    def __init__(
        self,
        task: str,
        goal: Goal | Sequence[float] = None,
        size: int = 320,
        render_mode: str | None = None,
    ):
        if render_mode not in (None, *RENDER_MODES):
            raise BadValueError(f"render_mode is {render_mode!r}; give one of {', '.join(RENDER_MODES)}")
        self.world = domains.make(task, size)
        self.metadata = self.world.metadata
        self.render_mode = render_mode or RENDER_MODES[0]
        self.observation_space, self.action_space = self.world.observation_space, self.world.action_space
        self._arguments = (task, goal, size, render_mode)
        self._goal: Goal = goal if goal is None or isinstance(goal, str) else tuple(goal)
        self._family = domains.families().get(task)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode; a goal in `options` goes before the fixed one.

        Raises:
            BadValueError: the goal is none of the task's.
        """
        super().reset(seed=seed)
        wanted = {} if self._goal is None else {"goal": self._goal}
        observation, info = self.world.reset(seed=seed, options={**wanted, **(options or {})} or None)
        return observation, {**info, **self._goal_info()}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Executes one action."""
        observation, reward, terminated, truncated, info = self.world.step(action)
        return observation, float(reward), terminated, truncated, {**info, **self._goal_info()}

    def render(self) -> np.ndarray:
        """Draws the present state, uint8 [H, W, 3]."""
        return self.world.render()

    def close(self) -> None:
        """Closes the environment; a second time does no harm."""
        self.world.close()

    def _goal_info(self) -> dict[str, Any]:
        goal, achieved = self.world.goal, self.world.achieved
        info: dict[str, Any] = {"goal": goal, "achieved": achieved, "success": self.world.success}
        if self._family is not None and achieved is not None:
            info["goal_error"] = self._family.error(goal, achieved)
        return info

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of: a pickled environment begins anew, as gymnasium's `EzPickle` has it."""
        return {"arguments": self._arguments, "spec": self.spec}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Makes it anew."""
        self.__init__(*state["arguments"])  # type: ignore[misc]
        self.spec = state["spec"]


def register() -> list[str]:
    """Makes every task known to gymnasium, those that still lack an expert included.

    Returns:
        The ids, for `gymnasium.make(id, goal=...)`.
    """
    ids = []
    for task in (*domains.tasks(), *domains.tasks_without_expert()):
        id = f"{NAMESPACE}/{task.name}"
        ids.append(id)
        if id not in gym.registry:
            gym.register(
                id,
                f"{__name__}:{GymnasiumEnv.__name__}",
                max_episode_steps=task.max_steps,
                disable_env_checker=True,
                kwargs={"task": task.id},
            )
    return ids
