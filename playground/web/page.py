"""The page: gradio choosers on the left, and the stage, whose canvases and buttons speak over the websocket.

Choices change what other choosers offer through gradio; what they do to the session goes over the socket.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from playground.web.catalogue import domain_names, first_task, prompt_choices, task_choices

_STATIC = files("playground.web") / "static"
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONOSPACE = ["ui-monospace", "Menlo", "Consolas", "monospace"]

STYLE = (_STATIC / "style.css").read_text()
HEAD = '<link rel="icon" href="data:,">'
THEME = gr.themes.Default(primary_hue="orange", neutral_hue="slate", font=_FONTS, font_mono=_MONOSPACE)

_HEADER = (
    '<div class="pg-head"><h1>Playground</h1><p>One agent, many worlds: it does what the demonstration in its prompt '
    "shows. Swap the prompt while it runs.</p></div>"
)
_ABOUT = """<div class="pg-about"><p>The agent sees the demonstration first, then acts. Swapping it changes neither the
world nor where it stands, so what changes is what the agent wants.</p><p>Demonstrations of other tasks with the same
body are listed too. A world takes its prompt's goal when it is reset.</p></div>"""


def build_page(task: str, agent: str, agents: Sequence[str]) -> gr.Blocks:
    """The page, opening with a task and an agent."""
    domain = task.partition("/")[0]
    with gr.Blocks(title="Playground", fill_width=True) as page:
        gr.HTML(_HEADER)
        with gr.Row():
            with gr.Column(scale=0, min_width=270):
                domains = gr.Dropdown(domain_names(), value=domain, label="Domain", elem_id="domain")
                tasks = gr.Dropdown(task_choices(domain), value=task, label="Task", elem_id="task")
                prompts = prompt_choices(task)
                prompt = gr.Dropdown(prompts, value=prompts[0][1], label="Prompt (demonstration)", elem_id="prompt")
                who = gr.Dropdown(list(agents), value=agent, label="Who acts", elem_id="agent")
                gr.HTML(_ABOUT)
            with gr.Column(scale=1, min_width=600):
                gr.HTML(
                    html_template=(_STATIC / "stage.html").read_text(),
                    js_on_load=(_STATIC / "stage.js").read_text(),
                    elem_id="stage",
                )
        opens: dict[str, Any] = {
            "fn": None,
            "inputs": [tasks, prompt],
            "js": "(task, prompt) => { window.playground.send({ task, prompt }); return []; }",
        }
        quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
        domains.input(_domain_chosen, domains, [tasks, prompt], **quiet).then(**opens)
        tasks.input(_task_chosen, tasks, prompt, **quiet).then(**opens)
        prompt.input(None, prompt, js="(prompt) => { window.playground.send({ prompt }); return []; }")
        who.input(None, who, js="(agent) => { window.playground.send({ agent }); return []; }")
    return page


def _domain_chosen(domain: str) -> tuple[Any, Any]:
    first = first_task(domain)
    return gr.update(choices=task_choices(domain), value=first), _task_chosen(first)


def _task_chosen(task: str) -> Any:
    choices = prompt_choices(task)
    return gr.update(choices=choices, value=choices[0][1])
