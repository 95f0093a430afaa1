"""The page: a gradio shell whose one part, the stage, draws itself and speaks over the websocket."""

from importlib.resources import files

import gradio as gr

_STATIC = files("playground.web") / "static"
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONOSPACE = ["ui-monospace", "Menlo", "Consolas", "monospace"]

STYLE = (_STATIC / "style.css").read_text()
HEAD = '<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width, initial-scale=1">'
THEME = gr.themes.Default(primary_hue="orange", neutral_hue="slate", font=_FONTS, font_mono=_MONOSPACE)

_START = """
const base = location.pathname.replace(/[^/]*$/, '');
import(base + 'pg/static/main.js').then((module) => module.start(element, base));
"""


def build_page() -> gr.Blocks:
    """The page. What it shows first, it asks the server."""
    with gr.Blocks(title="Playground", fill_width=True) as page:
        gr.HTML(html_template=(_STATIC / "stage.html").read_text(), js_on_load=_START, elem_id="stage")
    return page
