"""The web server: the page, and one websocket per visitor for pictures, readouts and controls.

A page that loses its connection finds its session again by the id that it was given; sessions nobody came back to
are closed. Of files, only the page's own parts and what a visitor made are served.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from playground import domains
from playground.api import AGENTS
from playground.errors import BadValueError, PlaygroundError, UnknownNameError
from playground.viewing import keymap
from playground.web import allocator, reports, transfers
from playground.web.experiment_runner import ExperimentRunner
from playground.web.lobby import Full, Lobby
from playground.web.page_catalogue import FAVOURITES, catalogue, gallery, ood_prompts
from playground.web.visitor import Visitor

_log = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED = 3
SWEEP_SECONDS = 15.0
IDLE_CODE = 4001
"""The code with which the socket of an idle client is closed."""


def build_app(agent: str, checkpoint: str | None, task: str, limit: int = 8) -> FastAPI:
    """The whole application, page included.

    Raises:
        UnknownNameError: there is no such task.
    """
    import gradio as gr

    from playground.web.page import HEAD, STYLE, THEME, Calm, build_page

    lobby = Lobby(agent, checkpoint, domains.task(task).id, limit)

    runner = ExperimentRunner(checkpoint)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.create_task(_sweep(lobby))
        yield
        sweeper.cancel()
        await asyncio.to_thread(lobby.close)
        await asyncio.to_thread(runner.close)

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(Calm)
    _add_routes(app, lobby, runner)

    @app.websocket("/pg/stage")
    async def stage(socket: WebSocket) -> None:
        await socket.accept()
        try:
            admitted = await _queue(socket, lobby)
            if admitted is None:
                return
            id, visitor = admitted
        except (WebSocketDisconnect, RuntimeError):
            return
        try:
            await socket.send_text(json.dumps({"visitor": id}))
            await _serve_visitor(socket, visitor)
        except (WebSocketDisconnect, RuntimeError):  # starlette raises the latter when sending to a page that has gone
            pass
        finally:
            lobby.leave(id)

    page = build_page()
    return gr.mount_gradio_app(
        app, page, "/", theme=THEME, css=STYLE, head=HEAD, footer_links=[], run_history=False, ssr_mode=False
    )


def _add_routes(app: FastAPI, lobby: Lobby, runner: ExperimentRunner) -> None:
    """What the page fetches; everything under /pg/."""

    @app.exception_handler(PlaygroundError)
    def explain(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    def known(id: str) -> Visitor:
        visitor = lobby.find(id)
        if visitor is None:
            raise HTTPException(404, "this session has ended; reload the page")
        return visitor

    @app.get("/pg/catalogue")
    def get_catalogue() -> dict[str, Any]:
        ours = {"agents": AGENTS, "task": lobby.task, "agent": lobby.agent, "keys": keymap.to_json(keymap.PAGE)}
        return catalogue(lobby.checkpoint) | ours

    @app.get("/pg/gallery")
    def get_gallery(task: str) -> list[dict[str, Any]]:
        return gallery(task, lobby.checkpoint)

    @app.get("/pg/ood")
    def get_ood(task: str) -> list[str]:
        return ood_prompts(task, lobby.checkpoint)

    @app.get("/pg/house")
    async def get_house() -> dict[str, int]:
        return lobby.counts()

    @app.get("/pg/experiments")
    def get_experiments() -> list[dict[str, Any]]:
        return reports.experiments()

    @app.get("/pg/experiment-run")
    def get_experiment_run() -> dict[str, Any]:
        return runner.status()

    @app.post("/pg/experiment-run/{name}")
    def start_experiment(name: str) -> dict[str, Any]:
        runner.start(name)
        return runner.status()

    @app.get("/pg/figure/{name}")
    def get_figure(name: str, live: bool = False) -> FileResponse:
        path = runner.figure() if live else reports.figure(name)
        if path is None:
            raise HTTPException(404, "there is no such experiment")
        return FileResponse(path, media_type="image/png")

    @app.get("/pg/episode/{id}")
    def get_episode(id: str) -> Response:
        episode = known(id).recording()
        env = domains.make(episode.task)
        try:
            content = transfers.zipped(episode, env)
        finally:
            env.close()
        name = episode.task.replace("/", "-")
        headers = {"Content-Disposition": f'attachment; filename="{name}-v0.zip"'}
        return Response(content, media_type="application/zip", headers=headers)

    @app.get("/pg/kept/{id}/{name}")
    def get_kept(id: str, name: str) -> FileResponse:
        path = known(id).file(name)
        if path is None:
            raise HTTPException(404, "this file is not kept any more; record it again")
        return FileResponse(path, media_type="video/mp4", filename=name)

    @app.post("/pg/upload/{id}")
    async def upload(id: str, request: Request) -> dict[str, int]:
        visitor, content = known(id), b""
        async for piece in request.stream():
            content += piece
            if len(content) > transfers.MAX_UPLOAD:
                break  # it is refused below
        episodes = await asyncio.to_thread(transfers.unzipped, content)
        visitor.receive(episodes)
        return {"episodes": len(episodes)}

    app.mount("/pg/static", StaticFiles(directory=str(files("playground.web") / "static")))


async def _sweep(lobby: Lobby) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        lobby.sweep()
        if (id := lobby.idle_client()) is not None:
            lobby.dismiss_idle(id)
        if lobby.tidy():
            await asyncio.to_thread(allocator.give_back)


async def _queue(socket: WebSocket, lobby: Lobby) -> tuple[str, Visitor] | None:
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
            if not visitor.attached:
                await socket.close(IDLE_CODE)
                return
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


def serve(host: str, port: int, checkpoint: str | None, agent: str, task: str | None, limit: int = 8) -> None:
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
        listener.listen()  # who comes before the server runs waits for it
    except OSError as error:
        raise BadValueError(f"cannot listen at {host}:{port}: {error.strerror}; give another --port") from error
    if agent == "model":
        from playground.api import load_model
        from playground.model import warm_up

        warm_up(load_model(checkpoint))
    app = build_app(agent, checkpoint, first, limit)
    allocator.configure()
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    print(
        f"Playground is at http://{shown}:{port}  (Ctrl-C ends it; on the page, ? shows the keys)",
        flush=True,
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws_max_size=65536,
        ws_per_message_deflate=False,  # pictures are compressed already
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])
