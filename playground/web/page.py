"""The page: a gradio shell whose one part, the stage, draws itself and speaks over the websocket."""

import re
from html import escape
from importlib.resources import files

import gradio as gr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.viewing.keymap import PAGE, bindings

_STATIC = files("playground.web") / "static"
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONOSPACE = ["ui-monospace", "Menlo", "Consolas", "monospace"]

STYLE = (_STATIC / "style.css").read_text(encoding="utf-8")
HEAD = '<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width, initial-scale=1">'
THEME = gr.themes.Default(primary_hue="orange", neutral_hue="slate", font=_FONTS, font_mono=_MONOSPACE)

_START = """
const base = location.pathname.replace(/[^/]*$/, '');
import(base + 'pg/static/main.js').then((module) => module.start(element, base));
"""


def stage_html() -> str:
    """The stage's markup, in which `[key:ACTION]` stands for the label of an action's key."""
    labels = {binding.action: escape(binding.label) for binding in bindings(PAGE)}
    return re.sub(
        r"\[key:(\w+)\]", lambda found: labels[found[1]], (_STATIC / "stage.html").read_text(encoding="utf-8")
    )


def build_page() -> gr.Blocks:
    """The page. What it shows first, it asks the server."""
    with gr.Blocks(title="Playground", fill_width=True) as page:
        gr.HTML(html_template=stage_html(), js_on_load=_START, elem_id="stage")
    return page


class Calm:
    """Middleware that keeps gradio's loading bar from asking for a frame sixty times a second long after it has gone.

    It does so in gradio 6.31, and the page is laid out and composed anew each time. The script has to come before
    gradio's own, which `head` does not.
    """

    SCRIPT = b"""<script>
const requestFrame = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => (/statustracker/.test(new Error().stack) ? 0 : requestFrame(draw));
</script>"""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on; the page's answer gets the script."""
        if scope["type"] != "http" or scope["path"] != scope.get("root_path", "") + "/":
            return await self.app(scope, receive, send)

        async def calmed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [header for header in message["headers"] if header[0] != b"content-length"]
            elif message["type"] == "http.response.body":
                message["body"] = message.get("body", b"").replace(b"<head>", b"<head>" + self.SCRIPT, 1)
            await send(message)

        readable = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        await self.app({**scope, "headers": readable}, receive, calmed)
