"""The web server: the page, and one websocket per visitor for pictures, readouts and controls.

A page that loses its connection finds its session again by the id that it was given; sessions nobody came back to
are closed. Of files, only the page's own parts and what a visitor made are served.
"""

import asyncio
import json
from collections.abc import AsyncIterator
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
from playground.web.access import Access, Names
from playground.web.connection import serve_visitor, wait_for_place
from playground.web.experiment_runner import ExperimentRunner
from playground.web.lobby import Lobby
from playground.web.page_catalogue import FAVOURITES, catalogue, gallery, ood_prompts
from playground.web.visitor import Visitor

SWEEP_SECONDS = 15.0
"""How often sessions are closed whose pages are gone or idle."""


def build_app(agent: str, checkpoint: str | None, task: str, limit: int = 8, names: Names | None = None) -> FastAPI:
    """The whole application, page included.

    Raises:
        UnknownNameError: there is no such task.
    """
    import gradio as gr

    from playground.web.page import HEAD, STYLE, THEME, Calm, build_page

    names = names or Names()
    lobby = Lobby(agent, checkpoint, domains.task(task).id, limit)
    runner = ExperimentRunner(checkpoint)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.create_task(_sweep(lobby))
        yield
        sweeper.cancel()
        await asyncio.to_thread(lobby.close)
        await asyncio.to_thread(runner.close)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_middleware(Calm)
    app.add_middleware(Access, names=names)  # what is added last is asked first
    _add_routes(app, lobby, runner)

    @app.websocket("/pg/stage")
    async def stage(socket: WebSocket) -> None:
        await socket.accept()
        try:
            admitted = await wait_for_place(socket, lobby)
            if admitted is None:
                return
            id, visitor = admitted
        except (WebSocketDisconnect, RuntimeError):
            return
        try:
            await socket.send_text(json.dumps({"visitor": id}))
            if not await serve_visitor(socket, visitor):
                lobby.end(id)
        except (WebSocketDisconnect, RuntimeError):  # starlette raises the latter when sending to a page that has gone
            pass
        finally:
            lobby.leave(id)

    page = build_page()
    look = {"theme": THEME, "css": STYLE, "head": HEAD, "footer_links": []}
    return gr.mount_gradio_app(
        app, page, "/", root_path=names.root.rstrip("/") or None, run_history=False, ssr_mode=False, **look
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
            lobby.end(id)
        if lobby.tidy():
            await asyncio.to_thread(allocator.give_back)


def serve(names: Names, port: int, checkpoint: str | None, agent: str, task: str | None, limit: int = 8) -> None:
    """Serves the page until interrupted.

    Raises:
        PlaygroundError: the agent or the task cannot be had, or the port is taken.
    """
    import socket

    import uvicorn

    if agent not in AGENTS:
        raise UnknownNameError("agent", agent, AGENTS)
    first = domains.task(task or FAVOURITES[0]).id
    host = names.host
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
    app = build_app(agent, checkpoint, first, limit, names)
    allocator.configure()
    print(f"Playground is at {_url(host, port)}  (Ctrl-C ends it; on the page, ? shows the keys)", flush=True)
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws_max_size=65536,
        ws_per_message_deflate=False,  # pictures are compressed already
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _url(host: str, port: int) -> str:
    """Where the page is, for a browser on this machine."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
