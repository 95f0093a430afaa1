"""One session as it is watched in the window: its prompt, its newest picture, when its steps were, who drives."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from playground import domains
from playground.demonstrations import Demonstration, find_demonstration, parse_prompt
from playground.events import StepEvent
from playground.policies import ReplayPolicy
from playground.prompt_spec import PromptSpec
from playground.session import Session
from playground.viewing.controllers import controller_for
from playground.window.agent_view import AgentView
from playground.window.teleoperation import Teleoperation


class View:
    """One session as it is watched.

    Args:
        session: of a task; the view is one of its consumers.
        prompt: text of its prompt, see `playground.prompt_spec`.
        clock: seconds.
        drawing: whether the next step is to be drawn.
        agent_view: of whoever acts.
    """

    def __init__(
        self,
        session: Session,
        prompt: str,
        clock: Callable[[], float],
        drawing: Callable[[], bool],
        agent_view: AgentView,
    ):
        self.session, self.agent_view = session, agent_view
        self.teleoperation = Teleoperation(session, controller_for(session.env, clock))
        self.picture: np.ndarray | None = None
        self.ticks: deque[tuple[float, bool]] = deque(maxlen=2000)
        """For each step of the episode, when it was and whether it was drawn."""
        self.touched = False
        """Whether the world was pulled at in this episode, so that its actions alone do not repeat it."""
        self.held: int | None = None
        """The demonstration's timestep that the person holds it at."""
        self._clock, self._drawing = clock, drawing
        self.spec: PromptSpec
        """What the prompt is made of; the last of its demonstrations is the one that is shown."""
        self.swap(prompt)
        session.consumers.append(self)

    @property
    def event(self) -> StepEvent | None:
        return self.session.last

    @property
    def shown_step(self) -> int:
        """The demonstration's timestep that is shown: it plays in a loop, or is held where the person put it."""
        found = self.demonstration
        if found is None:
            return 0
        if self.held is not None:
            return min(self.held, len(found.episode) - 1)
        fps = domains.task(found.episode.task).fps
        length = found.stop - found.start
        return found.start + min(int(self._clock() * fps) % (length + round(fps)), length - 1)

    def wants_frame(self, t: int) -> bool:
        return self._drawing()

    def __call__(self, event: StepEvent) -> None:
        """Consumes the session's events."""
        if event.t == 0:
            self.ticks.clear()
            self.touched = False
        self.ticks.append((self._clock(), event.frame is not None))
        if event.frame is not None:
            self.picture = event.frame

    @property
    def prompt(self) -> str:
        """Text of the prompt that counts from the next step on."""
        return str(self.spec)

    def swap(self, text: str) -> None:
        """Another prompt: same world, same live steps; it counts from the next step on.

        Args:
            text: of the prompt, see `playground.prompt_spec`.

        Raises:
            PlaygroundError: there is no such prompt; the old one stays.
        """
        find, spec = lru_cache(find_demonstration), parse_prompt(text)
        prompt = spec.build(find)
        if not isinstance(self.session.policy, ReplayPolicy):  # it reads none, and its world keeps its goal
            self.session.prompt = prompt
        self.spec = replace(spec, cuts=tuple(replace(cut, name=find(cut.name).name) for cut in spec.cuts))
        self.demonstration: Demonstration | None = None
        if spec.cuts:
            found, steps = find(spec.cuts[-1].name), spec.cuts[-1].steps(find(spec.cuts[-1].name))
            self.demonstration = replace(found, start=steps.start, stop=steps.stop)
        self.held = None
