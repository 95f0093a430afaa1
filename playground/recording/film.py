"""`film`: sessions run side by side and filmed, with a sidecar of results. What `playground record` does.

Time is the picture's: every session makes the steps that its own rate asks for, so that worlds of different rates go
together, and a swap happens at the same moment in all of them.
"""

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import numpy as np

from playground import domains
from playground.demonstrations import shipped_counts
from playground.errors import BadFileError, BadValueError, PlaygroundError
from playground.events import StepEvent
from playground.prompt import Prompt
from playground.recording.recorder import EventDigest
from playground.recording.video import ACCENT, FAINT, INK, WARM, VideoWriter, captioned, check_target, stride, tiled
from playground.session import Session
from playground.task import Goal, Task

NEWS_SECONDS = 1.0
"""How long a swapped prompt's name stands out."""


@dataclass(frozen=True)
class Swap:
    """Another prompt, or none, for all sessions, at a time counted in seconds from the film's beginning."""

    seconds: float
    prompt: Prompt | None

    @classmethod
    def parse(cls, text: str, find: Callable[[str], Prompt | None]) -> "Swap":
        """Reads seconds and a prompt's text, as in `4s=dm_control/walker-run#2[0:50]~shuffled`.

        Args:
            text: what a user wrote.
            find: gives a prompt by its text, see `playground.prompt_spec`.

        Raises:
            BadValueError: the seconds cannot be read, or the prompt cannot.
            UnknownNameError: there is no such prompt.
        """
        moment, equals, name = text.partition("=")
        try:
            seconds = float(moment.removesuffix("s"))
        except ValueError:
            seconds = -1.0
        if not equals or not 0 <= seconds < float("inf"):
            raise BadValueError(f"swap {text!r}: give seconds and a prompt, as in 4s=dm_control/walker-run#2")
        return cls(seconds, find(name))


@dataclass
class _Panel:
    """One session's part of the picture and of the sidecar; the last consumer of that session."""

    session: Session
    task: Task
    overlay: bool
    digest: EventDigest = field(default_factory=EventDigest)
    drawing: bool = True
    picture: np.ndarray | None = None
    ends: list[StepEvent] = field(default_factory=list)
    swapped: int | None = None
    """Timestep of the episode's latest swap."""

    def wants_frame(self, t: int) -> bool:
        return self.drawing

    def __call__(self, event: StepEvent) -> None:
        self.digest(event)
        if event.t == 0:
            self.ends.append(event)
            self.swapped = None
        elif event.prompt != self.ends[-1].prompt:
            self.swapped = event.t
        self.ends[-1] = event
        if event.frame is not None:
            self.draw(event, event.frame)

    def draw(self, event: StepEvent, frame: np.ndarray) -> None:
        under = f"t {event.t}   return {event.total_reward:.2f}" + ("   solved" if event.success else "")
        fresh = self.swapped is not None and event.t - self.swapped < NEWS_SECONDS * self.task.fps
        prompt = f"prompt: {event.prompt}" if event.prompt else "no prompt"
        lines = ((prompt, WARM if fresh else ACCENT), (self.task.id, INK), (under, FAINT))
        self.picture = captioned(frame, lines) if self.overlay else frame

    def go(self, t: int) -> StepEvent:
        """Makes the steps up to t, or to the episode's end, and draws the last one."""
        event = self.session.last
        while event is None or event.t < t:
            self.drawing = (0 if event is None else event.t) + 1 >= t
            event = self.session.step()
            if event.done:
                if event.frame is None:
                    self.draw(event, self.session.env.render())
                break
        return event

    def begin(self) -> None:
        """The start of the next episode."""
        self.drawing = True
        if self.session.last is not None and not self.session.last.done:
            self.session.reset(self.session.last.seed + 1)
        self.session.step()


def film(
    sessions: Sequence[Session],
    path: str | Path,
    episodes: int = 1,
    about: dict[str, Any] | None = None,
    progress: Callable[[StepEvent], None] = lambda event: None,
    swaps: Sequence[Swap] = (),
    seconds: float = float("inf"),
    overlay: bool = True,
) -> dict[str, Any]:
    """Runs fresh sessions together and films them side by side, or in a grid, each under its prompt's name.

    An episode is over when it has ended in every panel. Interrupting (Ctrl-C) leaves a playable file and its sidecar.

    Args:
        sessions: all with a `task`.
        path: `.mp4`, `.gif` or `.webp`; the sidecar has the same name and ends in `.json`.
        episodes: how many per panel.
        about: what else to note in the sidecar, such as the checkpoint.
        progress: called with the first panel's event of every picture.
        swaps: what to change meanwhile.
        seconds: ends every episode after that long.
        overlay: whether to write task, prompt and return above the pictures.

    Returns:
        What the sidecar holds: `tasks`, `prompts` and `digests` [panels], and `seeds`, `returns`, `success`, `steps`,
        `goals` [panels][episodes]. Equal digests mean equal events.

    Raises:
        BadValueError: the file cannot be written, no episode is asked for, or a session has no task.
        BadFileError: the disk is full; the file holds what was filmed before.
    """
    path = Path(path)
    check_target(path)
    if episodes < 1 or seconds <= 0:
        raise BadValueError(f"{episodes} episodes of {seconds:g} s asked for; give 1 or more, and more than 0 s")
    tasks = [session.task for session in sessions if session.task is not None]
    if not sessions or len(tasks) < len(sessions):
        raise BadValueError("filming needs sessions with tasks; give each Session its `task`")
    panels = [_Panel(session, task, overlay) for session, task in zip(sessions, tasks, strict=True)]
    prompts = [session.prompt and session.prompt.name for session in sessions]
    for panel in panels:
        panel.session.consumers.append(panel)
    waiting, done = sorted(swaps, key=lambda swap: swap.seconds), []
    stopped: BaseException | None = None
    sidecar = _Sidecar(path.with_suffix(".json"), {"tasks": [task.id for task in tasks], **(about or {})})
    video = VideoWriter(path, max(task.fps / stride(task.fps) for task in tasks))

    def swap_if_due() -> None:
        while waiting and waiting[0].seconds <= (video.count - 1) / video.fps:
            swap = waiting.pop(0)
            for panel in panels:
                panel.session.prompt = swap.prompt
            name = swap.prompt and swap.prompt.name
            done.append({"seconds": swap.seconds, "prompt": name, "steps": [panel.ends[-1].t for panel in panels]})

    with _late_interrupts() as obey:
        try:
            with video:
                for _ in range(episodes):
                    _film_episode(panels, video, seconds, swap_if_due, progress, obey)
        except (KeyboardInterrupt, PlaygroundError) as error:
            stopped = error
        results = {
            "tasks": [task.id for task in tasks],
            **(about or {}),
            "prompts": prompts,
            "swaps": done,
            "seeds": [[end.seed for end in panel.ends] for panel in panels],
            "goals": [[end.goal for end in panel.ends] for panel in panels],
            "returns": [[end.total_reward for end in panel.ends] for panel in panels],
            "success": [[end.success for end in panel.ends] for panel in panels],
            "steps": [[end.t for end in panel.ends] for panel in panels],
            "digests": [panel.digest.hexdigest() for panel in panels],
            "fps": video.fps,
            "frames": video.count,
            "interrupted": stopped is not None,
        }
        sidecar.write(results)
    if stopped is not None:
        raise stopped
    return results


class _Sidecar:
    """The JSON file beside a film. Its room is taken before the film is, so that a full disk leaves it whole."""

    ROOM = 65_536
    """Bytes."""

    def __init__(self, path: Path, start: dict[str, Any]):
        self.path = path
        unfinished = json.dumps({**start, "digests": [], "interrupted": True}).encode()
        try:
            path.write_bytes(unfinished.ljust(self.ROOM) + b"\n")
        except OSError as error:
            path.unlink(missing_ok=True)
            raise BadFileError(f"{path}: cannot be written ({error.strerror}); make room on the disk") from error

    def write(self, results: dict[str, Any]) -> None:
        """Puts the results in the place of the room that was taken."""
        content = json.dumps(results, indent=2).encode() + b"\n"
        try:
            with self.path.open("r+b") as file:
                file.write(content)
                file.truncate()
        except OSError as error:
            raise BadFileError(f"{self.path}: cannot be written ({error.strerror}); make room on the disk") from error


@contextmanager
def _late_interrupts() -> Iterator[Callable[[], None]]:
    """Holds Ctrl-C and a polite kill back until the yielded function is called; a second one is obeyed at once."""
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt

    def obey() -> None:
        if came:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield obey
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def panels_for(tasks: Sequence[str], prompts: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (task id, prompt text) to film, from what a user asks for.

    Args:
        tasks: ids or globs.
        prompts: texts; `own` is a task's first demonstration. None: no prompt for one task, `own` for several.

    Raises:
        BadValueError: several prompts for several tasks, and not one each.
        UnknownNameError: there is no such task.
    """
    ids = [task.id for pattern in tasks for task in domains.tasks(pattern)]
    names = list(prompts) or (["none"] if len(ids) == 1 else ["own"])
    if len(ids) == 1:
        ids *= len(names)
    elif len(names) == 1:
        names *= len(ids)
    if len(ids) != len(names):
        raise BadValueError(f"{len(names)} prompts for {len(ids)} tasks; give one for all, or one each")
    return [
        (id, name if name != "own" else f"{id}#0" if id in shipped_counts() else "none")
        for id, name in zip(ids, names, strict=True)
    ]


def shared_goal(task: Task, prompts: Sequence[Prompt | None]) -> Goal:
    """The goal of a world that several prompts are tried in from the same start: the first one's of this task."""
    return next((p.goal for p in prompts if p is not None and p.task == task.id and p.goal is not None), None)


def _film_episode(
    panels: Sequence[_Panel],
    video: VideoWriter,
    seconds: float,
    swap_if_due: Callable[[], None],
    progress: Callable[[StepEvent], None],
    obey: Callable[[], None],
) -> None:
    """One episode of every panel; those that end early keep their last picture. Holds the end for half a second."""
    pictures = 0
    for panel in panels:
        panel.begin()
    while True:
        video.append(tiled([panel.picture for panel in panels if panel.picture is not None]))
        progress(panels[0].ends[-1])
        obey()
        pictures += 1
        running = [panel for panel in panels if not panel.ends[-1].done]
        if not running or pictures / video.fps > seconds:
            break
        swap_if_due()
        for panel in running:
            panel.go(int(pictures * panel.task.fps / video.fps + 1e-9))
    for _ in range(round(video.fps / 2)):
        video.append(tiled([panel.picture for panel in panels if panel.picture is not None]))
