"""A panel as the window shows it: its prompt's demonstration, and drives that are kept as recordings."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from playground import domains
from playground.demonstrations import Demonstration, find_demonstration, parse_prompt, save_recording
from playground.events import StepEvent
from playground.prompt_spec import PromptSpec
from playground.session import Session
from playground.viewing.panel import MIN_RECORDED_STEPS, Panel
from playground.window.agent_view import AgentView


class View(Panel):
    """One session as it is watched in the window. Every drive becomes a recording.

    Args:
        session: of a task; the view is one of its consumers.
        prompt: text of its prompt, see `playground.prompt_spec`.
        clock: seconds.
        agent_view: what the agent makes of its prompt.

    Attributes:
        spec: what the prompt is made of.
        demonstration: the last of the prompt's demonstrations, which is the one that is shown; None without one.
        held: the demonstration's timestep at which the person holds it; None while it plays.
        saved: folders of the recordings that were made, the latest last.
    """

    spec: PromptSpec
    demonstration: Demonstration | None

    def __init__(self, session: Session, prompt: str, clock: Callable[[], float], agent_view: AgentView):
        super().__init__(session, clock=clock)
        self.agent_view = agent_view
        self.held: int | None = None
        self.saved: list[Path] = []
        self._episode = 0
        self._start: int | None = None  # timestep at which the person took over
        self.swap_to(prompt)

    @property
    def prompt(self) -> str:
        """Text of the prompt that counts from the next step on."""
        return str(self.spec)

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
        return found.start + min(int(self.clock() * fps) % (length + round(fps)), length - 1)

    def swap_to(self, text: str) -> None:
        """Another prompt by its text: same world, same live steps; it counts from the next step on.

        Raises:
            PlaygroundError: there is no such prompt; the old one stays.
        """
        find, spec = lru_cache(find_demonstration), parse_prompt(text)
        prompt = spec.build(find)
        self.spec = replace(spec, cuts=tuple(replace(cut, name=find(cut.name).name) for cut in spec.cuts))
        self.demonstration = self.held = None
        if spec.cuts:
            found, steps = find(spec.cuts[-1].name), spec.cuts[-1].steps(find(spec.cuts[-1].name))
            self.demonstration = replace(found, start=steps.start, stop=steps.stop)
        self.swap(prompt)

    # Drives

    def __call__(self, event: StepEvent) -> None:
        """Consumes the session's events."""
        if event.episode != self._episode:  # the one before was given up, or has ended
            self._keep()
        self._episode = event.episode
        super().__call__(event)
        if self._start is not None:
            self._start = min(self._start, event.t)
        elif self.driving:
            self._start = max(0, event.t - 1)
        if event.done:
            self._keep()

    def take_over(self) -> None:
        """The person drives from the next step on."""
        super().take_over()
        self._start = None if self.event is None or self.over else self.event.t

    def release(self) -> None:
        """The policy acts again, and what was driven is kept."""
        super().release()
        self._keep()

    def save_episode(self) -> Path | None:
        """Keeps the running episode, or the one that just ended, from its start; None where there is nothing yet."""
        episode = self.running
        if episode is None:
            return None
        self.saved.append(save_recording(episode, self.env))
        return self.saved[-1]

    def _keep(self) -> None:
        start, self._start = self._start, None
        episode = None if start is None else self.running
        if start is not None and episode is not None and len(episode) - start >= MIN_RECORDED_STEPS:
            self.saved.append(save_recording(episode, self.env, start, len(episode)))
