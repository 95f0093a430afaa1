"""A page's websocket: its place in the queue, and then news out and commands in."""

import asyncio
import json
import logging
from collections.abc import Callable

from fastapi import WebSocket, WebSocketDisconnect

from playground.web.lobby import Full, Lobby
from playground.web.outbox import SessionError
from playground.web.visitor import Visitor

MAX_UNACKNOWLEDGED = 3
"""Messages on their way to a page at a time."""

IDLE_CODE = 4001
"""The code with which the socket of an idle client is closed."""

FAILED_CODE = 4002
"""The code with which the socket is closed when a session has failed."""

MAX_REASON = 120
"""Most bytes of what a close says (123 by the protocol)."""

_log = logging.getLogger(__name__)


async def wait_for_place(socket: WebSocket, lobby: Lobby) -> tuple[str, Visitor] | None:
    """Lets a page in at once, or when it is its turn; None if it was turned away."""
    id = socket.query_params.get("visitor", "")
    if not lobby.counts()["waiting"] and (admitted := lobby.admit(id)) is not None:
        return admitted
    try:
        turn = lobby.join_queue()
    except Full:
        await socket.send_text(json.dumps({"full": "too many people are waiting already; try again later"}))
        await socket.close()
        return None
    gone = asyncio.create_task(_until_gone(socket))
    try:
        while True:
            place = lobby.place(turn)
            if place == 0 and (admitted := lobby.admit(id)) is not None:
                return admitted
            await socket.send_text(json.dumps({"queue": place + 1, "limit": lobby.limit}))
            turn.clear()
            waiting = asyncio.create_task(turn.wait())
            done, _ = await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if gone in done:
                return None
    finally:
        gone.cancel()
        lobby.leave_queue(turn)


async def _until_gone(socket: WebSocket) -> None:
    """Waits for a queueing page to go; what it says meanwhile is not heard."""
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError):
        return


async def serve_visitor(socket: WebSocket, visitor: Visitor) -> bool:
    """Passes news out and commands in, with at most a few messages on their way, until the page goes.

    Returns:
        Whether the session can go on. If a message could not be made, the page is told why, and it cannot.
    """
    news, on_their_way = asyncio.Event(), 0
    loop = asyncio.get_running_loop()
    visitor.attach(_caller(loop, news))

    async def send() -> None:
        nonlocal on_their_way
        while True:
            await news.wait()
            news.clear()
            if not visitor.attached:
                await socket.close(IDLE_CODE)
                return
            while on_their_way < MAX_UNACKNOWLEDGED and (message := _next(visitor)) is not None:
                on_their_way += 1
                await socket.send_bytes(message)

    async def receive() -> None:
        nonlocal on_their_way
        async for text in socket.iter_text():
            try:
                message = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if not isinstance(message, dict):
                continue
            if message.pop("ack", False):
                on_their_way -= 1
                news.set()
            if message:
                visitor.command(message)

    sender, receiver = asyncio.create_task(send()), asyncio.create_task(receive())
    try:
        await asyncio.wait((sender, receiver), return_when=asyncio.FIRST_COMPLETED)
        error = sender.exception() if sender.done() else None
        if not isinstance(error, SessionError):  # the page has gone, or goes
            await receiver
            return True
        _log.error("sending to a page failed", exc_info=error)
        await socket.close(FAILED_CODE, str(error).encode()[:MAX_REASON].decode("utf-8", "ignore"))
        return False
    finally:
        sender.cancel()
        receiver.cancel()


def _next(visitor: Visitor) -> bytes | None:
    """The next message to the page; any fault in making it is one of the session."""
    try:
        return visitor.take()
    except SessionError:
        raise
    except Exception as error:
        raise SessionError(f"{type(error).__name__}: {error}") from error


def _caller(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> Callable[[], None]:
    """Sets the event from any thread; does nothing once the loop has gone."""

    def call() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.set)

    return call
