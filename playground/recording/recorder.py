"""Consumers that keep what a session did: as Episodes, as a video, as a digest.

None of them looks at the clock: the same session gives the same recording and the same digest, byte for byte.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np

from playground.episode import Episode
from playground.events import StepEvent, episode_from_events
from playground.recording.video import VideoWriter, stride


class EpisodeRecorder:
    """Builds an Episode out of every episode's events; `finish()` adds the one that was cut short.

    Where the session went back in time, what it took back is forgotten.

    Args:
        task: task id to note in the episodes.
        frames: whether to keep the pictures of every step.
    """

    def __init__(self, task: str, frames: bool = False):
        self.task, self.frames = task, frames
        self.episodes: list[Episode] = []
        self._events: list[StepEvent] = []
        self._ended = False

    def wants_frame(self, t: int) -> bool:
        """Whether pictures are kept."""
        return self.frames

    def __call__(self, event: StepEvent) -> None:
        """Takes one event; where an episode ends, it is added to `episodes`."""
        events = self._events
        if events and event.episode != events[-1].episode:
            self.finish()
        elif events and event.t <= events[-1].t:  # the session went back, perhaps from behind the end
            if self._ended:
                self.episodes.pop()
            del events[max(0, event.t - events[0].t) :]
        self._events.append(event)
        self._ended = event.done
        if event.done and self.running is not None:
            self.episodes.append(self.running)

    def finish(self) -> None:
        """Ends the running episode, if it holds an action, as truncated."""
        episode, self._events = None if self._ended else self.running, []
        if episode is not None:
            self.episodes.append(episode)

    @property
    def running(self) -> Episode | None:
        """The running episode so far, as truncated; None while it holds no action."""
        events = self._events
        if len(events) < 2:
            return None
        return episode_from_events(self.task, events, frames=self.frames)


class EventDigest:
    """SHA-256 over everything in the events but pictures and latencies."""

    def __init__(self) -> None:
        self._hash = sha256()

    def __call__(self, event: StepEvent) -> None:
        """Adds one event to the digest."""
        proposed = None if event.decision is None else event.decision.action
        arrays = {"action": event.action, "proposed": proposed, **event.observation}
        for key in sorted(arrays):
            value = np.asarray(arrays[key]) if arrays[key] is not None else np.zeros(0)
            self._hash.update(f"{key} {value.dtype} {value.shape}".encode() + value.tobytes())
        self._hash.update(
            repr(
                (
                    event.episode,
                    event.t,
                    event.reward,
                    event.terminated,
                    event.truncated,
                    event.goal,
                    event.success,
                    event.prompt,
                    event.seed,
                )
            ).encode()
        )

    def hexdigest(self) -> str:
        """The digest so far, in hexadecimal digits."""
        return self._hash.hexdigest()


class VideoRecorder:
    """Writes a session's pictures to a video file at true speed; a context manager.

    Args:
        path: `.mp4`, `.gif` or `.webp`.
        fps: the environment's own rate; from 30 on only every k-th step is drawn.
    """

    def __init__(self, path: str | Path, fps: float):
        self._stride = stride(fps)
        self.writer = VideoWriter(path, fps / self._stride)

    def wants_frame(self, t: int) -> bool:
        """Whether this timestep is drawn."""
        return t % self._stride == 0

    def __call__(self, event: StepEvent) -> None:
        """Writes the event's picture, if it has one."""
        if event.frame is not None:
            self.writer.append(event.frame)

    def close(self) -> None:
        """Ends the file."""
        self.writer.close()

    def __enter__(self) -> "VideoRecorder":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
