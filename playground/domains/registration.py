"""Tasks by `gymnasium.make`: after `register()`, "playground/reacher-hidden" is a world, at any goal one asks for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym

from playground import domains
from playground.domains.dm_control import SPECS, ControlEnv
from playground.domains.goals import GoalFamily
from playground.environment import DomainEnv
from playground.task import Action, Goal, Observation

NAMESPACE = "playground"


class GoalWorld(gym.Wrapper[Observation, Action, Observation, Action]):
    """A world with a fixed goal, which tells in `info` what was achieved, and how far from the goal that is.

    Args:
        env: the world.
        goal: its goal in every episode; None draws one of the trained goals each time.
        family: of the task, if it has one.
    """

    def __init__(self, env: DomainEnv, goal: Goal = None, family: GoalFamily | None = None):
        super().__init__(env)
        self._world, self._goal, self._family = env, goal, family

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """As the world's; a goal in `options` goes before the fixed one.

        Raises:
            BadValueError: the goal is none of the task's.
        """
        wanted = {} if self._goal is None else {"goal": self._goal}
        observation, info = self._world.reset(seed=seed, options={**wanted, **(options or {})} or None)
        return observation, {**info, **self._told()}

    def step(self, action: Action) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self._world.step(action)
        return observation, reward, terminated, truncated, {**info, **self._told()}

    def _told(self) -> dict[str, Any]:
        goal, achieved = self._world.goal, self._world.achieved
        told: dict[str, Any] = {"goal": goal, "achieved": achieved, "success": self._world.success}
        if self._family is not None and achieved is not None:
            told["goal_error"] = self._family.error(goal, achieved)
        return told


def register() -> list[str]:
    """Makes every task known to gymnasium, target speeds without a trained expert included.

    Returns:
        The ids, for `gymnasium.make(id, goal=...)`.
    """
    makers: dict[str, tuple[str, Callable[[int], DomainEnv]]] = {t.name: (t.id, t.make) for t in domains.tasks()}
    makers |= {name: (f"dm_control/{name}", partial(ControlEnv, name)) for name in SPECS}
    known = domains.known_families()
    ids = []
    for name, (task, make) in makers.items():
        id = f"{NAMESPACE}/{name}"
        ids.append(id)
        if id not in gym.registry:
            gym.register(id, _entry(make, known.get(task)), disable_env_checker=True)
    return ids


def _entry(make: Callable[[int], DomainEnv], family: GoalFamily | None) -> Callable[..., GoalWorld]:
    def build(goal: Goal = None, size: int = 320, render_mode: str | None = None) -> GoalWorld:
        return GoalWorld(make(size), goal, family)

    return build
