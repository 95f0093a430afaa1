"""The playground in the browser, as `playground web` starts it.

python demos/web.py --task metaworld/reach --port 7860
"""

import os

import typer

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}  # before gradio is imported: stay offline

from playground.web.server import serve


def main(
    task: str = "metaworld/reach",
    agent: str = "model",
    checkpoint: str | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
) -> None:
    serve(host, port, checkpoint, agent, task)


if __name__ == "__main__":
    typer.run(main)
