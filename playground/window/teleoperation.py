"""A person's drive: who acts in a session at the moment, and what is kept of it."""

from pathlib import Path

from playground.demonstrations import save_recording
from playground.events import StepEvent
from playground.recording.recorder import EpisodeRecorder
from playground.session import Session
from playground.task import Action
from playground.viewing.controllers import Controller

MIN_STEPS = 3
"""Shortest drive that is kept."""


class Teleoperation:
    """Lets a person act in place of the policy, which goes on proposing; every drive becomes a recording.

    Args:
        session: of a task; the drive listens to its events.
        controller: what the person holds.
    """

    def __init__(self, session: Session, controller: Controller):
        assert session.task is not None
        self.session, self.controller = session, controller
        self.active = False
        self.saved: list[Path] = []
        """Recordings that were made, the latest last."""
        self._recorder = EpisodeRecorder(session.task.id)
        self._episode = 0
        self._start: int | None = None  # timestep at which the person took over
        session.consumers.append(self)

    def __call__(self, event: StepEvent) -> None:
        """Consumes the session's events."""
        if event.episode != self._episode:  # the one before was given up, or has ended
            self._keep()
        self._episode = event.episode
        self._recorder(event)
        if self._start is not None:
            self._start = min(self._start, event.t)
        elif self.active:
            self._start = max(0, event.t - 1)
        if event.done:
            self._keep()

    def action(self) -> Action | None:
        """What the person does next; None where the policy acts."""
        last = self.session.last
        if not self.active or last is None or last.done:
            return None
        return self.controller.act(last.observation).action

    @property
    def waits(self) -> bool:
        """Whether the world waits for the person."""
        last = self.session.last
        return self.active and last is not None and not last.done and not self.controller.ready

    def take_over(self) -> None:
        self.active, last = True, self.session.last
        self._start = None if last is None or last.done else last.t

    def release(self) -> None:
        """Lets the policy act again, and keeps what was driven."""
        self.active = False
        self._keep()

    def save_episode(self) -> Path | None:
        """Keeps the running episode, or the one that just ended, from its start; None where there is nothing yet."""
        episode = self._recorder.running
        if episode is None:
            return None
        self.saved.append(save_recording(episode, self.session.env))
        return self.saved[-1]

    def _keep(self) -> None:
        start, self._start = self._start, None
        episode = self._recorder.running
        if start is not None and episode is not None and len(episode) - start >= MIN_STEPS:
            self.saved.append(save_recording(episode, self.session.env, start, len(episode)))
        self._recorder.episodes.clear()
