"""Reels and film strips: demonstrations drawn as pictures, by one thread for all visitors, so that no live view waits.

Demonstrations are kept without pictures. A reel replays the recorded actions from the recorded start, checks every
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

REEL_FPS = 15.0
MAX_PICTURES = 240
KEPT_REELS = 32
STRIP_PICTURES = 6
STRIP_SIZE = 56
"""Height and width of a picture in a film strip, pixels."""

KEPT_STRIPS = 2000

_log = logging.getLogger(__name__)


def jpeg(picture: np.ndarray) -> bytes:
    """A picture, uint8 [H, W, 3], as JPEG."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


@dataclass
class Reel:
    """Pictures of one demonstration. Only ever grows; any thread may read it.

    Attributes:
        name: the demonstration's name.
        episode: the demonstration.
        fps: pictures per second of world time.
        stride: every how many-th step is drawn.
        pictures: JPEG of steps 0, stride, 2 stride, …
        note: where the replay is not what was recorded, or why there is none.
        watchers: called, from the painting thread, whenever there is something new.
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
        return len(self.episode) // self.stride + 1


@dataclass
class Strip:
    """A demonstration at a glance: a few small pictures side by side.

    Attributes:
        name: the demonstration's name.
        episode: the demonstration.
        picture: JPEG; None until it is drawn, empty if it cannot be.
        watchers: called, from the painting thread, when it is drawn.
    """

    name: str
    episode: Episode
    picture: bytes | None = None
    watchers: list[Callable[[], None]] = field(default_factory=list)


class Painter:
    """Draws reels, the latest wish first, and then strips, in a thread of its own; keeps the last ones.

    Args:
        size: width of pictures.
    """

    def __init__(self, size: int):
        self._size = size
        self._wishes: PriorityQueue[tuple[int, int, Reel | Strip | None]] = PriorityQueue()
        self._number = count()
        self._reels: OrderedDict[str, Reel] = OrderedDict()
        self._strips: OrderedDict[str, Strip] = OrderedDict()
        self._lock = Lock()
        self._env: tuple[str, DomainEnv] | None = None
        self._closed = False
        self._thread = Thread(target=self._run, name="painter", daemon=True)
        self._thread.start()

    def reel(self, name: str, episode: Episode) -> Reel:
        """The demonstration's reel, at once, drawn or not."""
        with self._lock:
            if name in self._reels:
                self._reels.move_to_end(name)
                return self._reels[name]
            task = domains.task(episode.task)
            stride = max(1, round(task.fps / REEL_FPS), -(-len(episode) // MAX_PICTURES))
            reel = self._reels[name] = Reel(name, episode, task.fps / stride, stride)
            if len(self._reels) > KEPT_REELS:
                self._reels.popitem(last=False)
        self._wishes.put((0, -next(self._number), reel))
        return reel

    def strips(self, episodes: Mapping[str, Episode]) -> list[Strip]:
        """The film strips of demonstrations by their names, at once, drawn or not; the latest wish is drawn first."""
        found, fresh = [], []
        with self._lock:
            for name, episode in episodes.items():
                if name not in self._strips:
                    self._strips[name] = Strip(name, episode)
                    fresh.append(self._strips[name])
                self._strips.move_to_end(name)
                found.append(self._strips[name])
            while len(self._strips) > KEPT_STRIPS:
                self._strips.popitem(last=False)
        for strip in reversed(fresh):
            self._wishes.put((1, -next(self._number), strip))
        return found

    def close(self) -> None:
        """Ends the thread and closes its world."""
        self._closed = True
        self._wishes.put((-1, 0, None))
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed:
            try:
                _, _, wish = self._wishes.get(timeout=60)
            except Empty:
                self._drop_env()
                continue
            if wish is None:
                continue
            error = ""
            try:
                self._paint(wish) if isinstance(wish, Reel) else self._paint_strip(wish)
            except PlaygroundError as problem:
                error = str(problem)
            except Exception as problem:
                _log.exception("drawing %s", wish.name)
                error = f"{type(problem).__name__}: {problem}"
            if error and isinstance(wish, Strip):
                wish.picture = b""
                self._tell(wish)
            elif error:
                self._tell(wish, error)
        self._drop_env()

    def _paint(self, reel: Reel) -> None:
        for event in self._replay(reel.episode):
            if not reel.note and not as_recorded(event.observation, reel.episode, event.t):
                self._tell(reel, f"drawn by replaying; the replay leaves the recording at step {event.t}")
            if event.t % reel.stride == 0:
                reel.pictures.append(jpeg(self._picture()))
                self._tell(reel)
                sleep(0.002)  # lets a live view that waits for the interpreter go first

    def _paint_strip(self, strip: Strip) -> None:
        steps = len(strip.episode)
        wanted = {round(n * steps / (STRIP_PICTURES - 1)) for n in range(STRIP_PICTURES)}
        pictures = []
        for event in self._replay(strip.episode):
            if event.t in wanted:
                small = Image.fromarray(self._picture())
                pictures.append(np.asarray(small.resize((STRIP_SIZE, STRIP_SIZE), Image.Resampling.BOX)))
            sleep(0.0005)
        strip.picture = jpeg(np.concatenate(pictures, axis=1))
        self._tell(strip)

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
    def _tell(wish: Reel | Strip, note: str = "") -> None:
        if note and isinstance(wish, Reel):
            wish.note = note
        for watcher in tuple(wish.watchers):
            watcher()
