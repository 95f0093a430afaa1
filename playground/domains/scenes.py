"""Scenes: tasks and goals that share body, observation and action form, and what was actually done in them.

A shadow environment is a second environment, of another task or goal of the scene. It enters the state of the one that
is acted in, gets the same actions, and judges by its own task's test what they did. So following a prompt can be told
apart from the return of the environment.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.scores import reference_scores
from playground.task import Action, Goal, Observation, Task

RECENT_STEPS = 100
"""Steps over which rewards are averaged where a task defines no success."""

DONE_SHARE = 0.6
"""Share of the expert's reward per step that counts as doing a task where it defines no success."""


def scenes(tasks: Iterable[Task]) -> dict[str, tuple[Task, ...]]:
    """Scene -> its tasks, of the scenes with several tasks or goals that only a prompt can tell apart."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.scene, []).append(task)
    return {
        scene: tuple(members)
        for scene, members in found.items()
        if (len(members) > 1 or members[0].hidden_goal) and not members[0].observed_goal
    }


class GoalMonitor:
    """Tells whether a task is being done, by its own test, since `restart`.

    Args:
        task: the task; without success it needs a known expert's score.
    """

    def __init__(self, task: Task):
        self.task = task
        self._rewards: deque[float] = deque(maxlen=RECENT_STEPS)
        self._succeeded = False

    def restart(self, env: DomainEnv) -> None:
        """Forgets what was done before in the task's environment."""
        env.success = False
        self._rewards.clear()
        self._succeeded = False

    def note(self, env: DomainEnv, reward: float) -> None:
        """Takes notice of one step of the task's environment."""
        self._rewards.append(reward)
        self._succeeded = self._succeeded or env.success

    @property
    def share(self) -> float:
        """How well the task is done: 0 or 1 where success is defined, else reward per step as a share of the expert's.

        It is 0 before half of `RECENT_STEPS` have passed.
        """
        if self.task.has_success:
            return float(self._succeeded)
        known = reference_scores().get(self.task.id)
        if known is None or known["expert"] <= 0 or len(self._rewards) < RECENT_STEPS // 2:
            return 0.0
        return float(np.mean(self._rewards)) * self.task.max_steps / known["expert"]

    @property
    def done(self) -> bool:
        """Whether the task is done."""
        return self.share >= DONE_SHARE


class ShadowEnvironment:
    """Another task's view of a running environment.

    Args:
        task: the other task, or the same with another goal.
        env: an environment of it, used for nothing else.
    """

    def __init__(self, task: Task, env: DomainEnv):
        self.env = env
        self.monitor = GoalMonitor(task)
        self.observation: Observation = {}
        self.reward = 0.0
        self.terminated = self.truncated = False

    @property
    def ended(self) -> bool:
        """Whether its episode has ended; it then takes no more actions."""
        return self.terminated or self.truncated

    def enter(self, env: DomainEnv, goal: Goal = None) -> None:
        """Enters the present state of an environment.

        Raises:
            BadValueError: this goal cannot be set there.
        """
        self.observation = self.env.enter(env, goal)
        self.monitor.restart(self.env)
        self.reward, self.terminated, self.truncated = 0.0, False, False

    def step(self, action: Action) -> None:
        """Takes the action that the environment was given."""
        if self.ended:
            return
        self.observation, reward, self.terminated, self.truncated, _ = self.env.step(action)
        self.reward = float(reward)
        self.monitor.note(self.env, self.reward)

    def has_nothing_to_do(self, env: DomainEnv, goal: Goal) -> bool:
        """Whether the goal cannot be set in that environment, or is reached by a no-op."""
        try:
            self.enter(env, goal)
        except BadValueError:
            return True
        if not self.monitor.task.has_success:
            return False
        self.step(env.no_op)
        return self.monitor.done


class ShadowedEnv(DomainEnv):
    """An environment with a shadow, as one environment.

    Observations are the environment's own until its episode ends, and then the shadow's; there is no reward then. It
    never ends by itself: whoever plays in it decides.

    Args:
        env: the environment that is reset and acted in.
        shadow: enters its state and gets the same actions, if there is one.
        task: what `env` is of.
    """

    def __init__(self, env: DomainEnv, shadow: ShadowEnvironment | None, task: Task):
        self.env, self.shadow = env, shadow
        self.monitor = GoalMonitor(task)
        self.shadow_goal: Goal = None
        """The shadow's goal, from the next reset on."""
        self.ended = False
        """Whether the environment's own episode has ended."""
        self.observation_space, self.action_space = env.observation_space, env.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Resets the environment and lets the shadow enter its state.

        Raises:
            BadValueError: one of the goals cannot be set.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        self.monitor.restart(self.env)
        if self.shadow is not None:
            self.shadow.enter(self.env, self.shadow_goal)
        self.ended = False
        self.goal, self.success = self.env.goal, self.env.success
        return observation, info

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Steps both."""
        observation: Observation = {}
        reward = 0.0
        if not self.ended:
            observation, given, terminated, truncated, _ = self.env.step(action)
            reward = float(given)
            self.monitor.note(self.env, reward)
            self.ended = terminated or truncated
        if self.shadow is not None:
            self.shadow.step(action)
            if self.ended:
                observation = self.shadow.observation
        self.success = self.env.success
        return observation, reward, False, False, {}

    def subtasks(self, text: str) -> tuple[str, ...]:
        """As the environment reads an instruction."""
        return self.env.subtasks(text)

    def render(self) -> np.ndarray:
        """Draws the environment, uint8 [H, W, 3]."""
        return self.env.render()
