"""Scenes: tasks and goals that share body, observation and action form, and what was actually done in their worlds.

A witness is a second world, of another task or goal of the scene: it enters the state of the world that is acted in,
gets the same actions, and judges by its own task's test what they did. So following a prompt can be told apart from
the return of the world.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np

from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.scores import reference_scores
from playground.task import Action, Goal, Observation, Task

LOOK = 100
"""Steps over which rewards are averaged where a task defines no success."""

ENOUGH = 0.6
"""Share of the expert's reward per step that counts as doing a task where it defines no success."""


def scenes(tasks: Iterable[Task]) -> dict[str, tuple[Task, ...]]:
    """Scene -> its tasks, of those scenes in which there is more than one aim, and only a prompt can tell which."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.scene, []).append(task)
    return {
        scene: tuple(members)
        for scene, members in found.items()
        if (len(members) > 1 or members[0].hidden_goal) and not members[0].observed_goal
    }


class Watch:
    """Whether a task is being done, by its own test, since `begin` or `restart`.

    Args:
        task: the task; without success it needs a known expert's score.
    """

    def __init__(self, task: Task):
        self.task = task
        self._rewards: deque[float] = deque(maxlen=LOOK)
        self._succeeded = False

    def restart(self, env: DomainEnv) -> None:
        """Forgets what was done before."""
        env.success = False
        self._rewards.clear()
        self._succeeded = False

    def note(self, env: DomainEnv, reward: float) -> None:
        """Takes notice of one step of the task's world."""
        self._rewards.append(reward)
        self._succeeded = self._succeeded or env.success

    @property
    def share(self) -> float:
        """How well the task is done: 0 or 1 where success is defined, else reward per step as a share of the expert's.

        Less than half of `LOOK` steps tell nothing.
        """
        if self.task.has_success:
            return float(self._succeeded)
        known = reference_scores().get(self.task.id)
        if known is None or known["expert"] <= 0 or len(self._rewards) < LOOK // 2:
            return 0.0
        return float(np.mean(self._rewards)) * self.task.max_steps / known["expert"]

    @property
    def done(self) -> bool:
        return self.share >= ENOUGH


class Witness:
    """Another task's view of a running world.

    Args:
        task: the other task, or the same with another goal.
        env: a world of it, used for nothing else.
    """

    def __init__(self, task: Task, env: DomainEnv):
        self.env = env
        self.watch = Watch(task)
        self.observation: Observation = {}
        self.ended = False

    def enter(self, world: DomainEnv, goal: Goal = None) -> None:
        """Begins to watch a world in its present state.

        Raises:
            BadValueError: this aim cannot be set there.
        """
        self.observation = self.env.enter(world, goal)
        self.watch.restart(self.env)
        self.ended = False

    def step(self, action: Action) -> None:
        """Takes the action that the world was given."""
        if self.ended:
            return
        self.observation, reward, terminated, truncated, _ = self.env.step(action)
        self.watch.note(self.env, float(reward))
        self.ended = terminated or truncated

    def would_be_idle(self, world: DomainEnv, goal: Goal, still: Action) -> bool:
        """Whether there would be nothing to do: the aim cannot be set in that world, or is met by standing still."""
        try:
            self.enter(world, goal)
        except BadValueError:
            return True
        if not self.watch.task.has_success:
            return False
        self.step(still)
        return self.watch.done
