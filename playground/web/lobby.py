"""The lobby: one visitor per page up to a limit, a queue behind it, and an end for those who have gone or sleep."""

import asyncio
import secrets
from time import monotonic
from typing import Any

from playground.viewing.clips import RenderWorker
from playground.web.page_catalogue import first_prompt
from playground.web.visitor import Visitor

MAX_QUEUE = 50
GONE_SECONDS = 60.0
"""How long a session waits for its page to reconnect."""

IDLE_SECONDS = 600.0
"""How long a client may do nothing while others wait in the queue."""

PICTURE_SIZE = 320


class Full(Exception):
    """The queue itself is full."""


class Lobby:
    """All visitors of one server; used from the event loop only.

    Args:
        agent: who acts for a new visitor.
        checkpoint: checkpoint folder; None takes the shipped one.
        task: task that a new visitor sees.
        limit: visitors at a time.
    """

    def __init__(self, agent: str, checkpoint: str | None, task: str, limit: int):
        self.agent, self.checkpoint, self.task, self.limit = agent, checkpoint, task, limit
        self.render_worker = RenderWorker(PICTURE_SIZE)
        self._visitors: dict[str, Visitor] = {}
        self._left: dict[str, float] = {}
        self._queue: list[asyncio.Event] = []
        self._leaving: list[Visitor] = []
        self._warm: Visitor | None = self._new()  # a warm session: the first page opens at once

    def _new(self) -> Visitor:
        request: dict[str, Any] = {"task": self.task, "prompts": [first_prompt(self.task)]}
        return Visitor(request, self.agent, self.checkpoint, self.render_worker, PICTURE_SIZE)

    def find(self, id: str) -> Visitor | None:
        """The visitor of that id."""
        return self._visitors.get(id)

    def admit(self, id: str) -> tuple[str, Visitor] | None:
        """The visitor of that id, if it waits for its page, else a new one with a new id; None if there is no room."""
        self.sweep()
        known = self._visitors.get(id)
        if known is not None and not known.attached:
            self._left.pop(id, None)
            return id, known
        if len(self._visitors) >= self.limit:
            if not self._left:
                return None
            self._dismiss(min(self._left, key=lambda id: self._left[id]))
        id = secrets.token_urlsafe(12)
        self._visitors[id], self._warm = self._warm or self._new(), None
        return id, self._visitors[id]

    def join_queue(self) -> asyncio.Event:
        """A place in the queue: the event is set whenever the places have changed.

        Raises:
            Full: too many wait already.
        """
        if len(self._queue) >= MAX_QUEUE:
            raise Full
        turn = asyncio.Event()
        self._queue.append(turn)
        return turn

    def place(self, turn: asyncio.Event) -> int:
        """How many are before this one in the queue."""
        return self._queue.index(turn)

    def leave_queue(self, turn: asyncio.Event) -> None:
        """Gives a place in the queue back."""
        self._queue.remove(turn)
        self._call_queue()

    def leave(self, id: str) -> None:
        """The page has gone; its session waits for a minute, or until somebody needs the place."""
        if id in self._visitors:
            self._visitors[id].detach()
            self._left[id] = monotonic()
            self._call_queue()

    def idle_client(self) -> str | None:
        """The id of the client that has been idle for longest, if somebody waits for its place."""
        now = monotonic()
        idle = [id for id, v in self._visitors.items() if v.attached and now - v.asked_at > IDLE_SECONDS]
        return min(idle, key=lambda id: self._visitors[id].asked_at) if idle and self._queue else None

    def sweep(self) -> None:
        """Closes the sessions that nobody came back to."""
        for id, since in tuple(self._left.items()):
            if monotonic() - since > GONE_SECONDS:
                self._dismiss(id)

    def tidy(self) -> bool:
        """Whether a session's worlds have been closed since the last call, so that memory can be returned."""
        ended = [visitor for visitor in self._leaving if visitor.ended]
        for visitor in ended:
            self._leaving.remove(visitor)
        return bool(ended)

    def counts(self) -> dict[str, int]:
        """How many are here and how many wait."""
        return {"visitors": len(self._visitors), "waiting": len(self._queue), "limit": self.limit}

    def _call_queue(self) -> None:
        for turn in self._queue:
            turn.set()

    def _dismiss(self, id: str) -> None:
        self._left.pop(id, None)
        visitor = self._visitors.pop(id)
        visitor.close()
        self._leaving.append(visitor)
        self._call_queue()

    def end(self, id: str) -> None:
        """Closes the session of a client that is connected, but idle or failed."""
        if id in self._visitors:
            self._visitors[id].detach()
            self._dismiss(id)

    def close(self) -> None:
        """Closes every session."""
        visitors = [*self._visitors.values(), *self._leaving, *([self._warm] if self._warm else [])]
        for visitor in visitors:
            visitor.close()
        for visitor in visitors:
            visitor.join()
        self._visitors.clear()
        self.render_worker.close()
