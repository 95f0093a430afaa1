"""The loop of one environment: whoever owns a clock calls `Session.step()`, everybody else listens to its events.

Reset and prompt swap are *requests* that the next step carries out, so every consumer sees every event, t = 0
included, and paused simply means that nobody calls `step`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import get_ident
from typing import TypedDict

import numpy as np

from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.events import Consumer, Policy, StepEvent
from playground.prompt import Prompt
from playground.rollout import EnvRunner
from playground.task import Action, Goal, Task

REMEMBERED = 128
"""Steps before the present that a policy reads again after going back."""


class _Notes(TypedDict, total=False):
    """What an event says besides what the environment did."""

    prompt: str | None
    frame: bool


class Session:
    """One policy in one environment under one prompt at a time.

    A session belongs to the thread that first steps it: pictures drawn from another thread come out black or raise.

    Args:
        env: the environment; `close()` closes it.
        policy: what decides.
        prompt: what the policy is conditioned on; assign `session.prompt` to swap it in mid-episode.
        seed: start of the first episode. An episode that follows an ended one starts from the next seed.
        goal: the environment's goal, from the next reset on. None takes the prompt's, if the prompt is of this task, or
            else lets the environment draw one. The prompt's own start is never taken.
        task: the task that `env` is of; without it, success is not reported and every prompt's goal is tried.
        consumers: called with every event, in this order.
    """

    def __init__(
        self,
        env: DomainEnv,
        policy: Policy,
        prompt: Prompt | None = None,
        seed: int = 0,
        goal: Goal = None,
        task: Task | None = None,
        consumers: Iterable[Consumer] = (),
    ):
        self.env = env
        self.task = task
        self._runner = EnvRunner(env, task)
        self.goal = goal
        self.consumers: list[Consumer] = list(consumers)
        self.last: StepEvent | None = None
        """The latest event; None before the first step."""
        self._prompt = prompt
        self._policy = policy
        self._swap = self._takeover = True
        self._seed = seed
        self._reset = True
        self._episode = -1
        self._start_goal: Goal = None  # of the running episode
        self._actions: list[Action] = []  # of the running episode
        self._back = 0
        self._thread: int | None = None

    @property
    def policy(self) -> Policy:
        """What decides. Assigning another makes it take over at the next step: same environment, same state."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._policy, self._swap, self._takeover = policy, True, True

    @property
    def prompt(self) -> Prompt | None:
        """The prompt of the next decision. Assigning swaps it at the next step; state and live steps stay."""
        return self._prompt

    @prompt.setter
    def prompt(self, prompt: Prompt | None) -> None:
        self._prompt, self._swap = prompt, True

    def reset(self, seed: int | None = None) -> None:
        """Asks the next step to start an episode: from `seed`, or from the running episode's start again."""
        if seed is not None:
            self._seed = seed
        self._reset = True

    def rewind(self, steps: int) -> None:
        """Asks the next step to go `steps` actions back in the episode: its event is the one of that time once more.

        Worlds are deterministic, so they are taken back by playing the executed actions again from the start, and the
        policy reads the last of them again. What pushed the bodies besides the actions is not repeated.
        """
        self._back = steps

    def step(self, action: Action | None = None) -> StepEvent:
        """Produces the next event: the start of an episode if one is due, else the outcome of one action.

        Args:
            action: executed in place of what the policy proposes; ignored where an episode starts.

        Raises:
            BadValueError: the action does not fit the environment, or another thread than the first one steps.
        """
        self._check_thread()
        if self._swap:
            self._swap = False
            self._policy.condition(self._prompt)
        if self._reset or self.last is None:
            event = self._start()
        elif self._back:
            event = self._go_back(self.last)
        elif self.last.done:
            self._seed, self._reset = self._seed + 1, True
            event = self._start()
        else:
            event = self._advance(self.last, action)
        self.last = event
        for consumer in tuple(self.consumers):
            consumer(event)
        return event

    def episode(self) -> Iterator[StepEvent]:
        """The events up to and including the one that ends the episode."""
        while True:
            event = self.step()
            yield event
            if event.done:
                return

    def close(self) -> None:
        """Closes the environment; from the thread that stepped it."""
        self._check_thread()
        self.env.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _start(self) -> StepEvent:
        self._start_goal = self._wanted_goal()
        event = self._runner.start(self._seed, self._start_goal, episode=self._episode + 1, **self._notes(0))
        self._policy.reset()
        self._episode += 1
        self._actions, self._back = [], 0
        self._reset = self._takeover = False
        return event

    def _advance(self, last: StepEvent, action: Action | None) -> StepEvent:
        if self._takeover:
            self._takeover = False
            self._policy.reset()
        override = None if action is None else self._fitting(action)
        decision = self._policy.act(last.observation)
        executed = decision.action if override is None else override
        event = self._runner.step(executed, decision, **self._notes(last.t + 1))
        self._policy.commit(executed)
        self._actions.append(executed)
        return event

    def _go_back(self, last: StepEvent) -> StepEvent:
        """The event of an earlier step, with the decision left out."""
        stop, self._back = max(0, last.t - self._back), 0
        self._actions = self._actions[:stop]
        notes = self._notes(stop)
        event = self._runner.start(last.seed, self._start_goal, episode=self._episode, **(notes if not stop else {}))
        for t, action in enumerate(self._actions):
            if t == max(0, stop - REMEMBERED):
                self._policy.reset()
            if t >= stop - REMEMBERED:
                self._policy.act(event.observation)
                self._policy.commit(action)
            event = self._runner.step(action, **(notes if t == stop - 1 else {}))
        if not stop:
            self._policy.reset()
        self._takeover = False
        return replace(event, terminated=False, truncated=False)

    def _notes(self, t: int) -> "_Notes":
        """For the event of timestep `t`."""
        frame = any(c.wants_frame(t) for c in self.consumers if hasattr(c, "wants_frame"))
        return {"prompt": None if self._prompt is None else self._prompt.name, "frame": frame}

    def _wanted_goal(self) -> Goal:
        if self.goal is not None or self._prompt is None:
            return self.goal
        return self._prompt.goal if self.task is None or self._prompt.task == self.task.id else None

    def _fitting(self, action: Action) -> Action:
        space = self.env.action_space
        fitting = np.asarray(action, dtype=space.dtype)
        if not space.contains(fitting):
            raise BadValueError(f"action {np.asarray(action).tolist()} does not fit {space}; give one inside it")
        return fitting

    def _check_thread(self) -> None:
        self._thread = self._thread or get_ident()
        if self._thread != get_ident():
            raise BadValueError("session used from a second thread; make, step and close it in one and the same")
