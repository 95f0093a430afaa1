"""The web server: the page, and one websocket per visitor for pictures, readouts and controls.

A page that loses its connection finds its session again by the id that it was given; sessions nobody came back to
are closed.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from playground import domains
from playground.errors import BadValueError, UnknownNameError
from playground.facade import AGENTS
from playground.web.catalogue import FAVOURITES, prompt_choices
from playground.web.reel import Painter
from playground.web.visitor import Visitor

_log = logging.getLogger(__name__)

MAX_VISITORS = 8
MAX_UNACKNOWLEDGED = 3
IDLE_SECONDS = 60.0
PICTURE_SIZE = 320


class Reception:
    """All visitors of one server.

    Args:
        agent: who acts for a new visitor.
        checkpoint: checkpoint folder; None takes the shipped one.
        task: task that a new visitor sees.
    """

    def __init__(self, agent: str, checkpoint: str | None, task: str):
        self.agent, self.checkpoint, self.task = agent, checkpoint, task
        self.painter = Painter(PICTURE_SIZE)
        self._visitors: dict[str, Visitor] = {}
        self._left: dict[str, float] = {}
        self._spare: Visitor | None = self._new()  # so that the first page opens at once

    def _new(self) -> Visitor:
        prompt = prompt_choices(self.task)[0][1]
        return Visitor(self.task, prompt, self.agent, self.checkpoint, self.painter, PICTURE_SIZE)

    def admit(self, id: str) -> tuple[str, Visitor]:
        """The visitor of that id, if it waits for its page; else a new one with a new id.

        Raises:
            BadValueError: too many are there already.
        """
        self.sweep()
        known = self._visitors.get(id)
        if known is not None and not known.attached:
            self._left.pop(id, None)
            return id, known
        if len(self._visitors) >= MAX_VISITORS:
            if not self._left:
                raise BadValueError(f"{MAX_VISITORS} visitors are here already; try again later")
            self._dismiss(min(self._left, key=lambda id: self._left[id]))
        id = secrets.token_urlsafe(12)
        self._visitors[id], self._spare = self._spare or self._new(), None
        return id, self._visitors[id]

    def leave(self, id: str) -> None:
        """The page has gone; its session waits for a minute."""
        self._visitors[id].detach()
        self._left[id] = monotonic()

    def sweep(self) -> None:
        """Closes the sessions that nobody came back to."""
        for id, since in tuple(self._left.items()):
            if monotonic() - since > IDLE_SECONDS:
                self._dismiss(id)

    def _dismiss(self, id: str) -> None:
        del self._left[id]
        self._visitors.pop(id).close()

    def close(self) -> None:
        """Closes every session."""
        visitors = [*self._visitors.values(), *([self._spare] if self._spare else [])]
        for visitor in visitors:
            visitor.close()
        for visitor in visitors:
            visitor.join()
        self._visitors.clear()
        self.painter.close()


def build_app(agent: str, checkpoint: str | None, task: str) -> FastAPI:
    """The whole application, page included.

    Raises:
        UnknownNameError: there is no such task.
    """
    import gradio as gr

    from playground.web.page import HEAD, STYLE, THEME, build_page

    reception = Reception(agent, checkpoint, domains.task(task).id)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.create_task(_sweep(reception))
        yield
        sweeper.cancel()
        await asyncio.to_thread(reception.close)

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/stage")
    async def stage(socket: WebSocket) -> None:
        await socket.accept()
        try:
            id, visitor = reception.admit(socket.query_params.get("visitor", ""))
        except BadValueError as error:
            await socket.send_text(json.dumps({"full": str(error)}))
            await socket.close()
            return
        try:
            await socket.send_text(json.dumps({"visitor": id}))
            await _serve_visitor(socket, visitor)
        except (WebSocketDisconnect, RuntimeError):  # starlette raises the latter when sending to a page that has gone
            pass
        finally:
            reception.leave(id)

    page = build_page(reception.task, agent, AGENTS)
    return gr.mount_gradio_app(
        app, page, "/", theme=THEME, css=STYLE, head=HEAD, footer_links=[], run_history=False, ssr_mode=False
    )


async def _sweep(reception: Reception) -> None:
    while True:
        await asyncio.sleep(IDLE_SECONDS / 4)
        reception.sweep()


async def _serve_visitor(socket: WebSocket, visitor: Visitor) -> None:
    """Passes news out and commands in, with at most a few messages on their way, until the page goes."""
    news, on_their_way = asyncio.Event(), 0
    loop = asyncio.get_running_loop()
    visitor.attach(_caller(loop, news))

    async def send() -> None:
        nonlocal on_their_way
        while True:
            await news.wait()
            news.clear()
            while on_their_way < MAX_UNACKNOWLEDGED and (message := visitor.take()) is not None:
                on_their_way += 1
                await socket.send_bytes(message)

    sender = asyncio.create_task(send())
    sender.add_done_callback(_report)
    try:
        async for text in socket.iter_text():
            try:
                message = json.loads(text)
            except json.JSONDecodeError:
                continue
            if not isinstance(message, dict):
                continue
            if message.pop("ack", False):
                on_their_way -= 1
                news.set()
            if message:
                visitor.command(message)
    finally:
        sender.cancel()


def _report(sender: asyncio.Task[None]) -> None:
    """Logs what ended a sender, unless that is the page's going."""
    error = None if sender.cancelled() else sender.exception()
    if error is not None and not isinstance(error, WebSocketDisconnect | RuntimeError):
        _log.error("sending to a page failed", exc_info=error)


def _caller(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> Callable[[], None]:
    """Sets the event from any thread; does nothing once the loop has gone."""

    def call() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.set)

    return call


def serve(host: str, port: int, checkpoint: str | None, agent: str, task: str | None) -> None:
    """Serves the page until interrupted.

    Raises:
        PlaygroundError: the agent or the task cannot be had, or the port is taken.
    """
    import socket

    import uvicorn

    if agent not in AGENTS:
        raise UnknownNameError("agent", agent, AGENTS)
    first = domains.task(task or FAVOURITES[0]).id
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise BadValueError(f"cannot listen at {host}:{port}: {error.strerror}; give another --port") from error
    if agent == "model":
        from playground.facade import load_model

        load_model(checkpoint)
    app = build_app(agent, checkpoint, first)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    print(
        f"Playground is at http://{shown}:{port}  (Ctrl-C ends it; space plays and pauses, . steps, r resets)",
        flush=True,
    )
    config = uvicorn.Config(app, log_level="warning", ws_max_size=65536, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listener])
