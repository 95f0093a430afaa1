"""One session as it is watched in the window: its prompt, its newest picture, when its steps were, who drives."""

from collections import deque
from collections.abc import Callable

import numpy as np

from playground import domains
from playground.demonstrations import Demonstration, find_demonstration
from playground.events import StepEvent
from playground.policies import ReplayPolicy
from playground.session import Session
from playground.viewing.catalogue import NO_PROMPT
from playground.viewing.controllers import controller_for
from playground.window.agent_view import SHUFFLED, AgentView
from playground.window.teleoperation import Teleoperation


class View:
    """One session as it is watched.

    Args:
        session: of a task; the view is one of its consumers.
        prompt: name of its prompt.
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

    def swap(self, name: str) -> None:
        """Another prompt: same world, same live steps; it counts from the next step on.

        Args:
            name: of a demonstration, with ` shuffled` behind it if it is to be; or `none`.
        """
        plain = name.removesuffix(SHUFFLED)
        found: Demonstration | None = None if plain == NO_PROMPT else find_demonstration(plain)
        prompt = None if found is None else found.prompt
        if not isinstance(self.session.policy, ReplayPolicy):  # it reads none, and its world keeps its goal
            self.session.prompt = prompt.shuffled() if prompt is not None and name.endswith(SHUFFLED) else prompt
        self.prompt, self.demonstration, self.held = name, found, None
