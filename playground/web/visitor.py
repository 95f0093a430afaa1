"""One visitor: a thread that owns a session, obeys commands, keeps time, and publishes pictures and readouts.

Pictures are never queued: only the newest is kept, and none is drawn while the last one has not been taken.
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from time import perf_counter
from typing import Any

import numpy as np

from playground.errors import BadValueError, PlaygroundError
from playground.events import StepEvent
from playground.facade import make_policy, open_session, world_seed
from playground.session import Session
from playground.web.catalogue import find_demonstration, readable
from playground.web.readouts import packed, readouts
from playground.web.reel import Painter, Reel, jpeg

LIVE_FPS = 30.0
SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
END_PAUSE_SECONDS = 1.2

_log = logging.getLogger(__name__)


class Visitor:
    """A running session and its controls. Only the methods without underscore may be called from other threads.

    Args:
        task: task to open with.
        prompt: name of the demonstration to open with, if any.
        agent: who acts.
        checkpoint: checkpoint folder; None takes the shipped one.
        painter: draws demonstrations.
        size: width of pictures.
    """

    def __init__(self, task: str, prompt: str | None, agent: str, checkpoint: str | None, painter: Painter, size: int):
        self._task, self._prompt, self._agent, self._checkpoint = task, prompt, agent, checkpoint
        self._painter, self._size = painter, size
        self._session: Session | None = None
        self._playing, self._speed, self._seed = True, 1.0, 0
        self._error = self._busy = ""
        self._due = 0.0
        self._drawn_at = 0.0
        self._ticks: deque[tuple[float, bool]] = deque(maxlen=2000)
        self._inbox: deque[dict[str, Any]] = deque()
        self._wake = Condition()
        self._closed = False
        # What is published, guarded by _wake.
        self._notify: Callable[[], None] | None = None
        self._state: dict[str, Any] = {}
        self._picture: bytes | None = None
        self._fresh = self._fresh_picture = self._visible = False
        self._reel: Reel | None = None
        self._reel_sent, self._reel_note_sent, self._reel_turn = 0, "", False
        self._thread = Thread(target=self._run, name="visitor", daemon=True)
        self._thread.start()

    # From other threads

    def command(self, message: dict[str, Any]) -> None:
        """Asks for something; the thread obeys between two steps."""
        with self._wake:
            self._inbox.append(message)
            self._wake.notify()

    def attach(self, notify: Callable[[], None]) -> None:
        """Connects a page: `notify` is called, from another thread, whenever `take` has something."""
        with self._wake:
            self._notify, self._visible = notify, True
            self._fresh = self._fresh_picture = True
            self._reel_sent, self._reel_note_sent = 0, ""
            self._wake.notify()
        notify()

    def detach(self) -> None:
        """Disconnects the page; the session waits."""
        with self._wake:
            self._notify, self._visible = None, False

    @property
    def attached(self) -> bool:
        return self._notify is not None

    def take(self) -> bytes | None:
        """The next message to the page: 4 bytes length, JSON, JPEG. Live news and reel pictures take turns."""
        with self._wake:
            reel, self._reel_turn = self._reel_news() if self._reel_turn or not self._fresh else None, False
            if reel is not None:
                return reel
            if not self._fresh:
                return None
            picture = self._picture if self._fresh_picture else None
            self._fresh = self._fresh_picture = False
            self._reel_turn = True
            return packed({"live": self._state}, picture)

    def close(self) -> None:
        """Ends the thread, which closes the world."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def join(self) -> None:
        """Waits for the thread of a closed visitor."""
        self._thread.join(timeout=10)

    # In the thread

    def _run(self) -> None:
        self.command({"task": self._task, "prompt": self._prompt})
        while not self._closed:
            wait: float | None = None
            try:
                while self._inbox:
                    self._obey(self._inbox.popleft())
                wait = self._tick()
            except PlaygroundError as error:
                self._stop(str(error))
            except Exception as error:
                _log.exception("visitor")
                self._stop(f"{type(error).__name__}: {error}")
            with self._wake:
                self._wake.wait_for(lambda: self._inbox or self._closed or self._runs(), wait)
                if wait and not self._inbox and not self._closed:
                    remaining = self._due - perf_counter()
                    if remaining > 0:
                        self._wake.wait(remaining)
        self._watch(None)
        if self._session is not None:
            self._session.close()

    def _runs(self) -> bool:
        return self._playing and self._visible and self._session is not None

    def _tick(self) -> float | None:
        """Steps if it is time to; returns the seconds until it is again, or None if only a command changes that."""
        if not self._runs():
            return None
        now = perf_counter()
        if now >= self._due:
            event = self._step()
            pace = END_PAUSE_SECONDS if event.done else 1 / (self._fps * self._speed)
            now = perf_counter()
            self._due = max(self._due + pace, now - 0.25) if not event.done else now + pace
        return max(0.0, self._due - now)

    @property
    def _fps(self) -> float:
        assert self._session is not None and self._session.task is not None
        return self._session.task.fps

    def _step(self) -> StepEvent:
        assert self._session is not None
        event = self._session.step()
        self._error = ""
        if event.done and event.frame is None:
            self._publish(self._session.env.render())
        return event

    def wants_frame(self, t: int) -> bool:
        """Whether to draw step t: the page has taken the last picture and it is time, or nothing else will follow."""
        due = perf_counter() - self._drawn_at >= 0.9 / LIVE_FPS
        return not self._playing or t == 0 or (due and not self._fresh_picture)

    def __call__(self, event: StepEvent) -> None:
        """Consumes the session's events."""
        if event.t == 0:
            self._ticks.clear()
        self._ticks.append((perf_counter(), event.frame is not None))
        if event.frame is not None:
            self._publish(event.frame)

    def _publish(self, frame: np.ndarray | None = None) -> None:
        picture = None if frame is None else jpeg(frame)
        state = self._readouts()
        with self._wake:
            self._state, self._fresh = state, True
            if picture is not None:
                self._drawn_at = perf_counter()
                self._picture, self._fresh_picture = picture, True
            notify = self._notify
        if notify is not None:
            notify()

    def _readouts(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "task": self._task,
            "prompt": self._prompt,
            "agent": self._agent,
            "playing": self._playing,
            "speed": self._speed,
            "seed": self._seed,
            "error": self._error,
            "busy": self._busy,
        }
        return state | ({} if self._session is None else readouts(self._session, self._ticks))

    # Commands

    def _obey(self, message: dict[str, Any]) -> None:
        for key, value in message.items():
            match key, value:
                case "task", str():
                    self._open(value, message.get("prompt"))
                case "prompt", str() | None:
                    if "task" not in message:
                        self._swap(value)
                case "agent", str():
                    self._switch(value)
                case "playing", bool():
                    self._playing, self._due = value, perf_counter()
                case "visible", bool():
                    self._visible, self._due = value, perf_counter()
                case "step", _:
                    self._playing = False
                    self._step()
                case "reset", _:
                    self._reset(value)
                case "speed", int() | float() if value in SPEEDS:
                    self._speed, self._due = float(value), perf_counter()
                    self._ticks.clear()
                case _:
                    raise BadValueError(f"the page asked for {key} = {value!r}, which there is not; reload it")
        self._publish()

    def _open(self, task: str, prompt: str | None) -> None:
        """Another world: built before the old one goes, so that a failure leaves the old one running."""
        self._busy = f"building {task} …"
        self._publish()
        try:
            demonstration = find_demonstration(prompt)
            found = None if demonstration is None else demonstration.prompt
            session = open_session(
                task, self._agent, found, self._seed, None, self._checkpoint, self._size, consumers=[self]
            )
        finally:
            self._busy = ""
        if self._session is not None:
            self._session.close()
        self._session, self._task, self._error = session, task, ""
        self._show(prompt)
        self._ticks.clear()
        self._step()
        self._due = perf_counter()

    def _swap(self, prompt: str | None) -> None:
        """Another prompt: same world, same live steps; it counts from the next step on."""
        if self._session is None:
            self._prompt = prompt
            return
        demonstration = find_demonstration(prompt)
        self._session.prompt = None if demonstration is None else demonstration.prompt
        self._error = ""
        self._show(prompt)

    def _show(self, prompt: str | None) -> None:
        self._prompt = prompt
        demonstration = find_demonstration(prompt)
        self._watch(None if demonstration is None else self._painter.reel(demonstration.name, demonstration.episode))

    def _switch(self, agent: str) -> None:
        session = self._session
        if session is None or session.task is None:
            self._agent = agent
            return
        session.policy = make_policy(agent, session.task, session.env, self._seed, self._checkpoint)
        self._agent, self._error = agent, ""

    def _reset(self, seed: Any) -> None:
        if self._session is None:
            self._open(self._task, self._prompt)
            return
        start = None
        if isinstance(seed, int) and not isinstance(seed, bool):
            start = world_seed(seed)
            self._seed = seed
        self._session.reset(start)
        self._step()
        self._due = perf_counter()

    def _stop(self, error: str) -> None:
        """Shows an error; the world waits for the next command."""
        self._playing, self._error, self._busy = False, error, ""
        self._publish()

    # The demonstration's reel

    def _watch(self, reel: Reel | None) -> None:
        with self._wake:
            if self._reel is not None and self._news in self._reel.watchers:
                self._reel.watchers.remove(self._news)
            self._reel, self._reel_sent, self._reel_note_sent = reel, 0, ""
            if reel is not None:
                reel.watchers.append(self._news)
        self._news()

    def _news(self) -> None:
        notify = self._notify
        if notify is not None:
            notify()

    def _reel_news(self) -> bytes | None:
        reel = self._reel
        if reel is None:
            return None
        about = {
            "name": reel.name,
            "fps": reel.fps,
            "total": reel.total,
            "note": reel.note,
            "goal": readable(reel.episode.goal),
        }
        if self._reel_sent < len(reel.pictures):
            index = self._reel_sent
            self._reel_sent, self._reel_note_sent = index + 1, reel.note
            return packed({"reel": about | {"index": index}}, reel.pictures[index])
        if reel.note != self._reel_note_sent:
            self._reel_note_sent = reel.note
            return packed({"reel": about}, None)
        return None
