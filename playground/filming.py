"""`film`: sessions run in step and filmed side by side, with a sidecar of results. What `playground record` does."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from playground.errors import BadValueError
from playground.events import StepEvent
from playground.recorder import EventDigest
from playground.session import Session
from playground.video import VideoWriter, captioned, check_target, side_by_side, stride


@dataclass
class _Panel:
    """One session's part of the picture and of the sidecar; the last consumer of that session."""

    session: Session
    title: str
    stride: int
    digest: EventDigest = field(default_factory=EventDigest)
    picture: np.ndarray | None = None
    ends: list[StepEvent] = field(default_factory=list)

    def wants_frame(self, t: int) -> bool:
        return t % self.stride == 0

    def __call__(self, event: StepEvent) -> None:
        self.digest(event)
        if event.t == 0:
            self.ends.append(event)
        self.ends[-1] = event
        if event.frame is not None:
            under = f"t {event.t}   return {event.total_reward:.2f}" + ("   solved" if event.success else "")
            self.picture = captioned(event.frame, (self.title, event.prompt or "no prompt", under))


def film(
    sessions: Sequence[Session],
    path: str | Path,
    episodes: int = 1,
    about: dict[str, Any] | None = None,
    progress: Callable[[StepEvent], None] = lambda event: None,
) -> dict[str, Any]:
    """Runs fresh sessions in step and films them side by side, each under its prompt's name.

    An episode is over when it has ended in every panel. Interrupting (Ctrl-C) leaves a playable file and its sidecar.

    Args:
        sessions: all with a `task` of the same rate.
        path: `.mp4`, `.gif` or `.webp`; the sidecar has the same name and ends in `.json`.
        episodes: how many per panel.
        about: what else to note in the sidecar, such as the checkpoint.
        progress: called with every event of the first panel.

    Returns:
        What the sidecar holds: `prompts` and `digests` [panels], and `seeds`, `returns`, `success`, `steps`, `goals`
        [panels][episodes]. Equal digests mean equal events.

    Raises:
        BadValueError: the file cannot be written, no episode is asked for, or a session has no task.
    """
    path = Path(path)
    check_target(path)
    if episodes < 1:
        raise BadValueError(f"{episodes} episodes asked for; give 1 or more")
    tasks = [session.task for session in sessions if session.task is not None]
    if len(tasks) < len(sessions) or len({task.fps for task in tasks}) != 1:
        raise BadValueError("filming needs sessions with tasks of one rate; give each Session its `task`")
    every = stride(tasks[0].fps)
    panels = [_Panel(session, task.id, every) for session, task in zip(sessions, tasks, strict=True)]
    for panel in panels:
        panel.session.consumers.append(panel)
    interrupted = False
    with VideoWriter(path, tasks[0].fps / every) as video:
        try:
            for _ in range(episodes):
                _film_episode(panels, video, every, progress)
        except KeyboardInterrupt:
            interrupted = True
    results = {
        "task": tasks[0].id,
        **(about or {}),
        "prompts": [session.prompt and session.prompt.name for session in sessions],
        "seeds": [[end.seed for end in panel.ends] for panel in panels],
        "goals": [[end.goal for end in panel.ends] for panel in panels],
        "returns": [[end.total_reward for end in panel.ends] for panel in panels],
        "success": [[end.success for end in panel.ends] for panel in panels],
        "steps": [[end.t for end in panel.ends] for panel in panels],
        "digests": [panel.digest.hexdigest() for panel in panels],
        "fps": video.fps,
        "frames": video.count,
        "interrupted": interrupted,
    }
    path.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")
    if interrupted:
        raise KeyboardInterrupt
    return results


def _film_episode(panels: list[_Panel], video: VideoWriter, every: int, progress: Callable[[StepEvent], None]) -> None:
    """One episode of every panel; those that end early keep their last picture. Holds the end for half a second."""
    t, running = 0, list(panels)
    while running:
        for panel in running:
            event = panel.session.step()
            if panel is panels[0]:
                progress(event)
        if t % every == 0:
            _append(panels, video)
        running = [panel for panel in running if not panel.ends[-1].done]
        t += 1
    for _ in range(round(video.fps / 2)):
        _append(panels, video)


def _append(panels: list[_Panel], video: VideoWriter) -> None:
    video.append(side_by_side([panel.picture for panel in panels if panel.picture is not None]))
