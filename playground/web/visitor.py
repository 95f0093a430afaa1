"""One visitor: a thread that owns a stage, obeys commands between two steps, and keeps time."""

import logging
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import Any

from playground.episode import Episode
from playground.errors import PlaygroundError
from playground.viewing.clips import RenderWorker
from playground.web.demonstration_store import DemonstrationStore
from playground.web.outbox import Outbox
from playground.web.stage import Stage

MAX_INBOX = 500
ANSWER_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Visitor:
    """A running stage and its controls. Any thread may call the methods without underscore.

    Args:
        request: what to open with, as in the command `open`.
        agent: who acts.
        checkpoint: checkpoint folder; None takes the shipped one.
        worker: renders demonstrations.
        size: width of pictures.
    """

    def __init__(self, request: dict[str, Any], agent: str, checkpoint: str | None, worker: RenderWorker, size: int):
        self.outbox = Outbox()
        self.asked_at = monotonic()
        """When the page last asked for something."""
        self._folder: Path | None = None
        self._stage = Stage(agent, checkpoint, worker, size, self.outbox, DemonstrationStore(), self._files_folder)
        self._inbox: deque[dict[str, Any]] = deque([{"open": request}], maxlen=MAX_INBOX)
        self._arrivals: deque[Sequence[Episode]] = deque()
        self._requests: deque[Future[Episode]] = deque()
        self._wake = Condition()
        self._visible = self._closed = False
        self._thread = Thread(target=self._run, name="visitor", daemon=True)
        self._thread.start()

    def command(self, message: dict[str, Any]) -> None:
        """Asks for something; the thread obeys between two steps."""
        with self._wake:
            if "visible" in message:
                self._visible = bool(message.pop("visible"))
            else:
                self.asked_at = monotonic()
            if message:
                self._inbox.append(message)
            self._wake.notify()

    def receive(self, episodes: Sequence[Episode]) -> None:
        """Takes uploaded demonstrations."""
        with self._wake:
            self._arrivals.append(episodes)
            self._wake.notify()

    def recording(self) -> Episode:
        """The running episode so far.

        Raises:
            PlaygroundError: nothing has happened yet, or the stage does not answer.
        """
        answer: Future[Episode] = Future()
        with self._wake:
            self._requests.append(answer)
            self._wake.notify()
        try:
            return answer.result(timeout=ANSWER_SECONDS)
        except TimeoutError as error:
            raise PlaygroundError("the session is busy or has ended; try again, or reload the page") from error

    def file(self, name: str) -> Path | None:
        """A file that was made for this visitor."""
        return self._stage.videos.files.get(name)

    def attach(self, notify: Callable[[], None]) -> None:
        """Connects a page: `notify` is called, from another thread, whenever `take` has something."""
        self.outbox.attach(notify)
        with self._wake:
            self._visible, self.asked_at = True, monotonic()
            self._inbox.append({"hello": True})
            self._wake.notify()

    def detach(self) -> None:
        """Disconnects the page; the stage waits."""
        self.outbox.detach()
        with self._wake:
            self._visible = False

    @property
    def attached(self) -> bool:
        """Whether a page is connected."""
        return self.outbox.attached

    def take(self) -> bytes | None:
        """The next message to the page.

        Raises:
            SessionError: the session has failed.
        """
        return self.outbox.take()

    def close(self) -> None:
        """Ends the thread, which closes the worlds."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    @property
    def ended(self) -> bool:
        """Whether the thread has ended and its worlds are closed."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Waits for the thread of a closed visitor."""
        self._thread.join(timeout=10)

    # In the thread

    def _run(self) -> None:
        """Runs until the visitor is closed, or until not even an error can be shown: then the page is told."""
        try:
            self._serve()
        except Exception as error:
            _log.exception("a session ended")
            self.outbox.fail(f"{type(error).__name__}: {error}")
        finally:
            self._stage.close()
            self.outbox.watch([])
            self.outbox.want([])
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        while not self._closed:
            wait: float | None = None
            try:
                while self._requests:
                    self._answer(self._requests.popleft())
                while self._arrivals:
                    self._stage.add_own(self._arrivals.popleft())
                while self._inbox and not self._closed:
                    self._stage.obey(self._inbox.popleft())
                wait = self._stage.tick() if self._visible else None
            except PlaygroundError as error:
                self._stop(str(error))
            except Exception as error:
                _log.exception("visitor")
                self._stop(f"{type(error).__name__}: {error}")
            with self._wake:
                idle = not (self._inbox or self._arrivals or self._requests or self._closed)
                if idle and (wait is None or wait > 0):
                    self._wake.wait(wait)

    def _answer(self, request: "Future[Episode]") -> None:
        try:
            request.set_result(self._stage.recording())
        except PlaygroundError as error:
            request.set_exception(error)
        except Exception as error:
            request.set_exception(PlaygroundError(f"the recording failed ({type(error).__name__}: {error})"))
            raise

    def _stop(self, error: str) -> None:
        """Shows an error; the world waits for the next command."""
        self._stage.lockstep.playing, self._stage.error, self._stage.busy = False, error, ""
        self._stage.publish()

    def _files_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="playground-"))
        return self._folder
