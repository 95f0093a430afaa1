"""Clips and thumbnails: demonstrations rendered by one thread for all visitors, so that no live view waits.

Demonstrations are kept without pictures. A clip replays the recorded actions from the recorded start, checks every
observation against the recording, and says where the replay leaves it.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from queue import Empty, PriorityQueue
from threading import Lock, Thread
from time import sleep

import numpy as np
from PIL import Image

from playground import domains
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import PlaygroundError
from playground.events import StepEvent
from playground.viewing.replaying import as_recorded, replay_session

CLIP_FPS = 15.0
MAX_PICTURES = 240
KEPT_CLIPS = 32
THUMBNAILS = 6
"""How many of a demonstration."""

THUMBNAIL_SIZE = 56
"""Height and width of a thumbnail, pixels."""

KEPT_THUMBNAILS = 2000

_log = logging.getLogger(__name__)


def jpeg(picture: np.ndarray) -> bytes:
    """A picture, uint8 [H, W, 3], as JPEG."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


@dataclass
class Clip:
    """Pictures of one demonstration. Only ever grows; any thread may read it.

    Attributes:
        name: the demonstration's name.
        episode: the demonstration.
        fps: pictures per second of world time.
        stride: every how many-th step is drawn.
        pictures: JPEG of steps 0, stride, 2 stride, …
        note: where the replay is not what was recorded, or why there is none.
        watchers: called, from the render thread, whenever there is something new.
    """

    name: str
    episode: Episode
    fps: float
    stride: int
    pictures: list[bytes] = field(default_factory=list)
    note: str = ""
    watchers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many pictures there are in the end."""
        return len(self.episode) // self.stride + 1


@dataclass
class Thumbnails:
    """A demonstration at a glance: a few small pictures side by side.

    Attributes:
        name: the demonstration's name.
        episode: the demonstration.
        picture: JPEG; None until it is drawn, empty if it cannot be.
        watchers: called, from the render thread, when it is drawn.
    """

    name: str
    episode: Episode
    picture: bytes | None = None
    watchers: list[Callable[[], None]] = field(default_factory=list)


class RenderWorker:
    """Renders clips, the latest request first, and then thumbnails, in a thread of its own; keeps the last ones.

    Args:
        size: width of pictures.
    """

    def __init__(self, size: int):
        self._size = size
        self._requests: PriorityQueue[tuple[int, int, Clip | Thumbnails | None]] = PriorityQueue()
        self._number = count()
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._thumbnails: OrderedDict[str, Thumbnails] = OrderedDict()
        self._lock = Lock()
        self._env: tuple[str, DomainEnv] | None = None
        self._closed = False
        self._thread = Thread(target=self._run, name="render-worker", daemon=True)
        self._thread.start()

    def clip(self, name: str, episode: Episode) -> Clip:
        """The demonstration's clip, at once, drawn or not."""
        with self._lock:
            if name in self._clips:
                self._clips.move_to_end(name)
                return self._clips[name]
            task = domains.task(episode.task)
            stride = max(1, round(task.fps / CLIP_FPS), -(-len(episode) // MAX_PICTURES))
            clip = self._clips[name] = Clip(name, episode, task.fps / stride, stride)
            if len(self._clips) > KEPT_CLIPS:
                self._clips.popitem(last=False)
        self._requests.put((0, -next(self._number), clip))
        return clip

    def thumbnails(self, episodes: Mapping[str, Episode]) -> list[Thumbnails]:
        """The thumbnails of demonstrations by their names, at once, drawn or not; the latest request is drawn first."""
        found, fresh = [], []
        with self._lock:
            for name, episode in episodes.items():
                if name not in self._thumbnails:
                    self._thumbnails[name] = Thumbnails(name, episode)
                    fresh.append(self._thumbnails[name])
                self._thumbnails.move_to_end(name)
                found.append(self._thumbnails[name])
            while len(self._thumbnails) > KEPT_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        for thumbnails in reversed(fresh):
            self._requests.put((1, -next(self._number), thumbnails))
        return found

    def close(self) -> None:
        """Ends the thread and closes its world."""
        self._closed = True
        self._requests.put((-1, 0, None))
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed:
            try:
                _, _, request = self._requests.get(timeout=60)
            except Empty:
                self._drop_env()
                continue
            if request is None:
                continue
            error = ""
            try:
                self._draw_clip(request) if isinstance(request, Clip) else self._draw_thumbnails(request)
            except PlaygroundError as problem:
                error = str(problem)
            except Exception as problem:
                _log.exception("drawing %s", request.name)
                error = f"{type(problem).__name__}: {problem}"
            if error and isinstance(request, Thumbnails):
                request.picture = b""
                self._tell(request)
            elif error:
                self._tell(request, error)
        self._drop_env()

    def _draw_clip(self, clip: Clip) -> None:
        for event in self._replay(clip.episode):
            if not clip.note and not as_recorded(event.observation, clip.episode, event.t):
                self._tell(clip, f"drawn by replaying; the replay leaves the recording at step {event.t}")
            if event.t % clip.stride == 0:
                clip.pictures.append(jpeg(self._picture()))
                self._tell(clip)
                sleep(0.002)  # lets a live view that waits for the interpreter go first

    def _draw_thumbnails(self, thumbnails: Thumbnails) -> None:
        steps = len(thumbnails.episode)
        wanted = {round(n * steps / (THUMBNAILS - 1)) for n in range(THUMBNAILS)}
        pictures = []
        for event in self._replay(thumbnails.episode):
            if event.t in wanted:
                small = Image.fromarray(self._picture())
                pictures.append(np.asarray(small.resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)))
            sleep(0.0005)
        thumbnails.picture = jpeg(np.concatenate(pictures, axis=1))
        self._tell(thumbnails)

    def _picture(self) -> np.ndarray:
        assert self._env is not None
        return self._env[1].render()

    def _replay(self, episode: Episode) -> Iterator[StepEvent]:
        """The events of a recording, played again as far as the world goes along.

        Raises:
            BadValueError: its start is not known.
        """
        session = replay_session(episode, env=self._world(episode.task))
        for _ in range(len(episode) + 1):
            if self._closed or (session.last is not None and session.last.done):
                return
            yield session.step()

    def _world(self, task: str) -> DomainEnv:
        if self._env is None or self._env[0] != task:
            env = domains.make(task, self._size)
            self._drop_env()
            self._env = (task, env)
        return self._env[1]

    def _drop_env(self) -> None:
        if self._env is not None:
            self._env[1].close()
            self._env = None

    @staticmethod
    def _tell(request: Clip | Thumbnails, note: str = "") -> None:
        if note and isinstance(request, Clip):
            request.note = note
        for watcher in tuple(request.watchers):
            watcher()
