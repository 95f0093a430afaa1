"""A panel: one session of a visitor, in a world of its own, under a prompt that is told by its text."""

from dataclasses import replace
from typing import Any

import numpy as np

from playground.domains.base import DomainEnv
from playground.episode import Episode
from playground.errors import BadValueError
from playground.events import StepEvent
from playground.facade import make_policy, open_session
from playground.recorder import EpisodeRecorder
from playground.task import Action, Goal, Task
from playground.web.library import MAX_OWN_STEPS, MIN_OWN_STEPS, Library
from playground.web.prompts import Recipe
from playground.web.senses import Blindfold

STUMBLE_STEPS = 6
"""Random actions that a push means where there is no body to shove."""


class Panel:
    """A session and what happened to it in the running episode.

    Args:
        task: task id.
        agent: who acts.
        prompt: the prompt's text, see `playground.web.prompts`.
        seed: start of the first episode, as a person gives it.
        checkpoint: checkpoint folder; None takes the shipped one.
        size: width of pictures.
        library: where demonstrations are found.

    Attributes:
        prompt: text of the prompt that counts from the next step on.
        history: (t, text) of the episode's prompts: the first with t = 0, then one for each swap.
        touched: whether a person pushed, blinded or drove in this episode, so that prompts and seed alone do not
            reproduce it.
    """

    def __init__(
        self, task: str, agent: str, prompt: str, seed: int, checkpoint: str | None, size: int, library: Library
    ):
        self.prompt, self._library, self._checkpoint = prompt, library, checkpoint
        built = Recipe.parse(prompt).build(library.find)
        self.session = open_session(task, agent, built, seed, None, checkpoint, size, consumers=[self])
        self.eyes = Blindfold(self.session.policy)
        self.session.policy = self.eyes
        self.history: list[tuple[int, str]] = []
        self.touched = False
        self.frame: np.ndarray | None = None
        self.draws = True
        self._stumbles = 0
        self._rng = np.random.default_rng(seed)
        self._events: list[StepEvent] = []

    @property
    def task(self) -> Task:
        assert self.session.task is not None
        return self.session.task

    @property
    def env(self) -> DomainEnv:
        return self.session.env

    @property
    def last(self) -> StepEvent | None:
        return self.session.last

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.last is not None and self.last.done

    def swap(self, prompt: str) -> None:
        """Another prompt from the next step on; the world stays.

        Raises:
            PlaygroundError: there is no such prompt; the old one stays.
        """
        self.session.prompt = Recipe.parse(prompt).build(self._library.find)
        self.prompt = prompt
        t = 0 if self.last is None else self.last.t
        if self.history:
            if self.history[-1][0] == t:
                self.history.pop()
            self.history.append((t, prompt))

    def switch(self, agent: str, seed: int) -> None:
        """Another agent takes over at the next step."""
        blind = self.eyes.on
        self.eyes = Blindfold(make_policy(agent, self.task, self.env, seed, self._checkpoint))
        self.eyes.on = blind
        self.session.policy = self.eyes

    def reset(self, seed: int | None, goal: Goal = None) -> None:
        """Asks the next step to start an episode, from the world's `seed` or the running episode's start again."""
        self.session.goal = goal
        self.session.reset(seed)

    def step(self, action: Action | None = None) -> StepEvent:
        """One step; `action` is executed in place of the agent's."""
        if action is None and self._stumbles:
            self._stumbles -= 1
            action = self._random_action()
        event = self.session.step(action)
        if event.t == 0:
            self.history, self.touched, self._stumbles = [(0, self.prompt)], self.eyes.on, 0
        elif action is not None or self.eyes.on:
            self.touched = True
        return event

    def push(self) -> None:
        """Shoves the body; where there is none, the agent stumbles: a few random actions."""
        self.touched = True
        if not self.env.push(self._rng):
            self._stumbles = STUMBLE_STEPS

    def recording(self) -> Episode:
        """What has happened in the running episode so far, as a demonstration.

        Raises:
            BadValueError: too little has.
        """
        if len(self._events) <= MIN_OWN_STEPS:
            raise BadValueError(f"{max(0, len(self._events) - 1)} steps so far; let it run for {MIN_OWN_STEPS}")
        recorder = EpisodeRecorder(self.task.id)
        for event in self._events:
            recorder(event)
        recorder.finish()
        return recorder.episodes[-1]

    def wants_frame(self, t: int) -> bool:
        return self.draws

    def __call__(self, event: StepEvent) -> None:
        """Consumes the session's events."""
        if event.t == 0:
            self._events = []
        if len(self._events) <= MAX_OWN_STEPS:
            self._events.append(replace(event, frame=None, decision=None))
        self.frame = event.frame

    def close(self) -> None:
        self.session.close()

    def _random_action(self) -> Action:
        space: Any = self.env.action_space
        if hasattr(space, "n"):
            return np.asarray(self._rng.integers(space.n), np.int64)
        return self._rng.choice([-1.0, 1.0], space.shape).astype(np.float32)
