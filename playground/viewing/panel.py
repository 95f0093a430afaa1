"""A panel: one session as a person watches it, pushes it, blindfolds it, or drives it."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadValueError
from playground.events import Policy, StepEvent
from playground.policies import ReplayPolicy
from playground.prompt import Prompt
from playground.prompt_spec import NO_PROMPT
from playground.recording.recorder import EpisodeRecorder
from playground.session import Session
from playground.task import Action, Goal
from playground.viewing.controllers import controller_for
from playground.viewing.wrappers import ObservationMask

PUSH_STEPS = 8
"""How long a push lasts: a pull at the body, or random actions where there is none to pull at."""

PUSH_REACH = 0.35
"""How far a push pulls, in widths of the picture."""

MIN_RECORDED_STEPS = 3
"""Shortest episode, or part of one, that is kept as a demonstration."""

KEPT_TICKS = 2000

_SPOTS = ((0.5, 0.5), (0.5, 0.4), (0.45, 0.6), (0.6, 0.5), (0.5, 0.3), (0.35, 0.35), (0.65, 0.65))
"""Where on the picture a push looks for a body."""


class Panel:
    """A session and what happened to it in the running episode.

    Args:
        session: of a task; the panel wraps its policy and becomes one of its consumers.
        seed: of random pushes.
        max_recorded: timesteps of an episode that are recorded at most.
        clock: seconds.

    Attributes:
        mask: stands between the world and the policy.
        controller: what a person drives with.
        driving: whether the person acts in place of the policy, which goes on proposing.
        draws: whether the next step is drawn.
        picture: the newest picture, uint8 [H, W, 3].
        fresh: whether nobody has taken the newest picture yet.
        ticks: for each step of the episode, when it was and whether it was drawn.
        history: (t, text) of the episode's prompts: the first with t = 0, then one for each swap.
        touched: whether a person pushed, blindfolded or drove in this episode, so that prompts and seed alone do not
            reproduce it.
        pulled: whether the world was pulled at in this episode, so that its actions alone do not reproduce it.
    """

    def __init__(
        self,
        session: Session,
        seed: int = 0,
        max_recorded: float = float("inf"),
        clock: Callable[[], float] = perf_counter,
    ):
        assert session.task is not None
        self.session, self.task, self.clock = session, session.task, clock
        self.mask = session.policy = ObservationMask(session.policy)
        self.controller = controller_for(session.env, clock)
        self.driving = self.touched = self.pulled = False
        self.picture: np.ndarray | None = None
        self.draws, self.fresh = True, False
        self.ticks: deque[tuple[float, bool]] = deque(maxlen=KEPT_TICKS)
        self.history: list[tuple[int, str]] = []
        self._own_goal, self._max_recorded = session.goal, max_recorded
        self._rng = np.random.default_rng(seed)
        self._push_steps, self._stumbles = 0, False
        self._recorder = EpisodeRecorder(self.task.id)
        session.consumers.append(self)

    # What is so

    @property
    def env(self) -> DomainEnv:
        """The world."""
        return self.session.env

    @property
    def event(self) -> StepEvent | None:
        """The latest event."""
        return self.session.last

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.event is not None and self.event.done

    @property
    def policy(self) -> Policy:
        """Who acts, without the mask."""
        return self.mask.policy

    @property
    def prompt(self) -> str:
        """Text of the prompt that counts from the next step on."""
        return NO_PROMPT if self.session.prompt is None else self.session.prompt.name

    @property
    def waits(self) -> bool:
        """Whether the world waits for the person who drives."""
        return self.driving and self.event is not None and not self.event.done and not self.controller.ready

    @property
    def running(self) -> Episode | None:
        """The running episode so far; None before its first action."""
        return self._recorder.running

    def recording(self) -> Episode:
        """The running episode so far, as a demonstration.

        Raises:
            BadValueError: too little has.
        """
        episode = self.running
        if episode is None or len(episode) < MIN_RECORDED_STEPS:
            raise BadValueError(f"{len(episode) if episode else 0} steps so far; let it run for {MIN_RECORDED_STEPS}")
        return episode

    # Steps

    def step(self) -> StepEvent:
        """One step, by the person who drives, or else by the policy."""
        action = self.controller.take() if self.driving and self.event is not None and not self.over else None
        if self._push_steps and self._stumbles and action is None:
            action = self._random_action()
        event = self.session.step(action)
        if self._push_steps:
            self._push_steps -= 1
            if not self._push_steps:
                self.env.release()
        if event.t == 0:
            self._push_steps = 0
        elif action is not None or self.mask.on:
            self.touched = True
        if event.done and event.frame is None:
            self._draw()
        return event

    def reset(self, seed: int | None = None) -> None:
        """Asks the next step to start an episode, from the world's `seed` or from the running episode's start."""
        self.session.reset(seed)

    def aim(self, goal: Goal = None) -> None:
        """Sets the world's goal for the next start; None is the session's own, or its prompt's."""
        self.session.goal = self._own_goal if goal is None else goal

    def wants_frame(self, t: int) -> bool:
        """Whether the session is to draw this step."""
        return self.draws

    def __call__(self, event: StepEvent) -> None:
        """Consumes the session's events."""
        if event.t == 0:
            self.ticks.clear()
            self.history, self.touched, self.pulled = [(0, self.prompt)], self.mask.on, False
            self._recorder = EpisodeRecorder(self.task.id)
        elif self.history[-1][0] > event.t:  # the session went back in time
            self.history = [swap for swap in self.history if swap[0] < event.t] + [(event.t, self.prompt)]
        if event.t <= self._max_recorded:
            self._recorder(replace(event, frame=None, decision=None))
        self.ticks.append((self.clock(), event.frame is not None))
        if event.frame is not None:
            self.picture, self.fresh = event.frame, True

    # What a person does to it

    def swap(self, prompt: Prompt | None) -> None:
        """Another prompt: same world, same live steps. It counts from the next step on; a replay reads none."""
        if not isinstance(self.policy, ReplayPolicy):
            self.session.prompt = prompt
        t = 0 if self.event is None else self.event.t
        if self.history:
            if self.history[-1][0] == t:
                self.history.pop()
            self.history.append((t, self.prompt))

    def switch(self, policy: Policy) -> None:
        """Another policy takes over at the next step."""
        on = self.mask.on
        self.mask = self.session.policy = ObservationMask(policy)
        self.mask.on = on

    def take_over(self) -> None:
        """The person drives from the next step on."""
        self.driving = True
        self.controller.clear()

    def release(self) -> None:
        """The policy acts again."""
        self.driving = False
        self.controller.clear()

    def push(self) -> None:
        """Pulls at the body for a moment. Where there is none, the agent stumbles: a few random actions."""
        self._push_steps, self._stumbles, self.touched = PUSH_STEPS, True, True
        for x, y in _SPOTS:
            if self.grab(x, y):
                self._stumbles = False
                right, up = PUSH_REACH * self._rng.choice([-1.0, 1.0], 2)
                self.env.drag(x + right, y - abs(up))
                return

    def grab(self, x: float, y: float) -> bool:
        """Takes hold of what is drawn at x, y (0 to 1 from the picture's top left); whether anything is."""
        held = self.env.grab(x, y)
        self.touched |= held
        self.pulled |= held
        return held

    def look(self, camera: str) -> None:
        """Pictures from another place, from the present one on."""
        self.env.camera = camera
        if self.event is not None:
            self._draw()

    def close(self) -> None:
        """Closes the world."""
        self.session.close()

    def _draw(self) -> None:
        self.picture, self.fresh = self.env.render(), True

    def _random_action(self) -> Action:
        space: Any = self.env.action_space
        if hasattr(space, "n"):
            return np.asarray(self._rng.integers(space.n), np.int64)
        return self._rng.choice([-1.0, 1.0], space.shape).astype(np.float32)
