"""Reels: demonstrations drawn as pictures, by one thread for all visitors, so that no live view waits for them.

Demonstrations are kept without pictures. A reel replays the recorded actions from the recorded start, checks every
observation against the recording, and says where the replay leaves it.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from queue import Empty, LifoQueue
from threading import Lock, Thread
from time import sleep

import numpy as np
from PIL import Image

from playground import domains
from playground.domains.base import DomainEnv
from playground.episode import Episode
from playground.errors import PlaygroundError
from playground.policies import ReplayPolicy
from playground.session import Session
from playground.task import Observation

REEL_FPS = 15.0
MAX_PICTURES = 240
KEPT_REELS = 48

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


class Painter:
    """Draws reels, the latest wish first, in a thread of its own; keeps the last ones.

    Args:
        size: width of pictures.
    """

    def __init__(self, size: int):
        self._size = size
        self._wishes: LifoQueue[Reel | None] = LifoQueue()
        self._reels: OrderedDict[str, Reel] = OrderedDict()
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
        self._wishes.put(reel)
        return reel

    def close(self) -> None:
        """Ends the thread and closes its world."""
        self._closed = True
        self._wishes.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed:
            try:
                reel = self._wishes.get(timeout=60)
            except Empty:
                self._drop_env()
                continue
            if reel is not None:
                try:
                    self._paint(reel)
                except PlaygroundError as error:
                    self._tell(reel, str(error))
                except Exception as error:
                    _log.exception("reel %s", reel.name)
                    self._tell(reel, f"{type(error).__name__}: {error}")
        self._drop_env()

    def _paint(self, reel: Reel) -> None:
        if reel.episode.seed is None:
            self._tell(reel, "its start was not recorded, so it cannot be shown")
            return
        session = self._start(reel.episode)
        for _ in range(len(reel.episode) + 1):
            last = session.last
            if last is not None and last.done:
                break
            if self._closed:
                return
            event = session.step()
            if not reel.note and not _same(event.observation, reel.episode, event.t):
                self._tell(reel, f"drawn by replaying; the replay leaves the recording at step {event.t}")
            if event.t % reel.stride == 0:
                reel.pictures.append(jpeg(session.env.render()))
                self._tell(reel)
                sleep(0.002)  # lets a live view that waits for the interpreter go first

    def _start(self, episode: Episode) -> Session:
        """A session about to replay from the recorded start; a goal is asked for only if it was when recording."""
        env = self._world(episode.task)
        replay = ReplayPolicy(episode.actions)
        drawn, _ = env.reset(seed=episode.seed)
        goal = None if _same(drawn, episode, 0) and env.goal == episode.goal else episode.goal
        return Session(env, replay, seed=episode.seed or 0, goal=goal)

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
    def _tell(reel: Reel, note: str = "") -> None:
        reel.note = note or reel.note
        for watcher in tuple(reel.watchers):
            watcher()


def _same(observation: Observation, episode: Episode, t: int) -> bool:
    """Whether an observation is the recorded one; floats to within 1e-5."""
    for key, recorded in episode.observations.items():
        here, there = np.asarray(observation[key]), recorded[t]
        equal = np.allclose(here, there, atol=1e-5) if here.dtype.kind == "f" else np.array_equal(here, there)
        if not equal:
            return False
    return True
