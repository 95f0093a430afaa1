"""A panel: one session of a visitor, in a world of its own, under a prompt."""

from dataclasses import replace
from typing import Any

import numpy as np

from playground.api import make_policy, open_session
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadValueError
from playground.events import StepEvent
from playground.prompt import Prompt
from playground.prompt_spec import NO_PROMPT
from playground.recording.recorder import EpisodeRecorder
from playground.task import Action, Goal, Task
from playground.viewing.readouts import readouts
from playground.viewing.wrappers import ObservationMask
from playground.web.demonstration_store import MAX_OWN_STEPS, MIN_OWN_STEPS
from playground.web.prompt_info import prompt_info

PUSH_STEPS = 8
"""How long a push lasts: a pull at the body, or random actions where there is none to pull at."""

PUSH_REACH = 0.35
"""How far a push pulls, in widths of the picture."""

_SPOTS = ((0.5, 0.5), (0.5, 0.4), (0.45, 0.6), (0.6, 0.5), (0.5, 0.3), (0.35, 0.35), (0.65, 0.65))
"""Where on the picture a body is looked for."""


class Panel:
    """A session and what happened to it in the running episode.

    Args:
        task: task id.
        agent: who acts.
        prompt: the prompt of the first episode.
        seed: start of the first episode, as a person gives it.
        checkpoint: checkpoint folder; None takes the shipped one.
        size: width of pictures.

    Attributes:
        history: (t, text) of the episode's prompts: the first with t = 0, then one for each swap.
        touched: whether a person pushed, blinded or drove in this episode, so that prompts and seed alone do not
            reproduce it.
    """

    def __init__(self, task: str, agent: str, prompt: Prompt | None, seed: int, checkpoint: str | None, size: int):
        self._agent, self._checkpoint = agent, checkpoint
        self._info: dict[str, Any] | None = None
        self.session = open_session(task, agent, prompt, seed, None, checkpoint, size, consumers=[self])
        self.mask = ObservationMask(self.session.policy)
        self.session.policy = self.mask
        self.history: list[tuple[int, str]] = []
        self.touched = False
        self.frame: np.ndarray | None = None
        self.draws = True
        self._push_steps = 0
        self._stumbles = False
        self._rng = np.random.default_rng(seed)
        self._recorder = EpisodeRecorder(task)

    @property
    def task(self) -> Task:
        assert self.session.task is not None
        return self.session.task

    @property
    def prompt(self) -> str:
        """Text of the prompt that counts from the next step on."""
        return NO_PROMPT if self.session.prompt is None else self.session.prompt.name

    @property
    def info(self) -> dict[str, Any]:
        """What this prompt is made of and how the agent reads it, see `prompt_info`."""
        if self._info is None:
            self._info = prompt_info(self.session.prompt, self._agent, self.mask.policy)
        return self._info

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

    def readouts(self) -> dict[str, Any]:
        """How the episode stands and what happened in it, in JSON's terms."""
        return {"prompt": self.prompt, "history": self.history, "touched": self.touched, **readouts(self.session)}

    def swap(self, prompt: Prompt | None) -> None:
        """Another prompt from the next step on; the world stays."""
        self.session.prompt, self._info = prompt, None
        t = 0 if self.last is None else self.last.t
        if self.history:
            if self.history[-1][0] == t:
                self.history.pop()
            self.history.append((t, self.prompt))

    def switch(self, agent: str, seed: int) -> None:
        """Another agent takes over at the next step."""
        blind = self.mask.on
        self.mask = ObservationMask(make_policy(agent, self.task, self.env, seed, self._checkpoint))
        self.mask.on = blind
        self.session.policy = self.mask
        self._agent, self._info = agent, None

    def reset(self, seed: int | None, goal: Goal = None) -> None:
        """Asks the next step to start an episode, from the world's `seed` or the running episode's start again."""
        self.session.goal = goal
        self.session.reset(seed)

    def step(self, action: Action | None = None) -> StepEvent:
        """One step; `action` is executed in place of the agent's."""
        if self._push_steps and self._stumbles and action is None:
            action = self._random_action()
        event = self.session.step(action)
        if self._push_steps:
            self._push_steps -= 1
            if not self._push_steps:
                self.env.release()
        if event.t == 0:
            self.history, self.touched, self._push_steps = [(0, self.prompt)], self.mask.on, 0
        elif action is not None or self.mask.on:
            self.touched = True
        return event

    def push(self) -> None:
        """Pulls at the body for a moment; where there is none, the agent stumbles: a few random actions."""
        self._push_steps = PUSH_STEPS
        self._stumbles = True
        for x, y in _SPOTS:
            if self.grab(x, y):
                self._stumbles = False
                right, up = PUSH_REACH * self._rng.choice([-1.0, 1.0], 2)
                self.env.drag(x + right, y - abs(up))
                return

    def grab(self, x: float, y: float) -> bool:
        """Takes hold of the body at that place of the picture, 0 to 1 from its top left, if there is one."""
        self.touched = True
        return self.env.grab(x, y)

    def recording(self) -> Episode:
        """What has happened in the running episode so far, as a demonstration.

        Raises:
            BadValueError: too little has.
        """
        episode = self._recorder.running
        if episode is None or len(episode) < MIN_OWN_STEPS:
            raise BadValueError(f"{len(episode) if episode else 0} steps so far; let it run for {MIN_OWN_STEPS}")
        return episode

    def wants_frame(self, t: int) -> bool:
        return self.draws

    def __call__(self, event: StepEvent) -> None:
        """Consumes the session's events."""
        if event.t == 0:
            self._recorder = EpisodeRecorder(self.task.id)
        if event.t <= MAX_OWN_STEPS:
            self._recorder(replace(event, frame=None, decision=None))
        self.frame = event.frame

    def close(self) -> None:
        self.session.close()

    def _random_action(self) -> Action:
        space: Any = self.env.action_space
        if hasattr(space, "n"):
            return np.asarray(self._rng.integers(space.n), np.int64)
        return self._rng.choice([-1.0, 1.0], space.shape).astype(np.float32)
