"""The playground in the browser as one file, as `playground web` starts it; the app of a hosted Space.

python demos/web.py --task metaworld/faucet-open --port 7860
A Gradio Space on Hugging Face takes this file as its app.py, with `prompt-playground` in requirements.txt.
"""

import os

import typer

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}  # before gradio is imported: stay offline
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core per visitor

from playground.web.access import Names
from playground.web.server import serve

IN_SPACE = "SPACE_ID" in os.environ
ORIGINS = [f"https://{host}" for host in (os.environ.get("SPACE_HOST"),) if host]


def main(
    task: str = "metaworld/faucet-open",
    agent: str = "model",
    checkpoint: str | None = None,
    host: str = "0.0.0.0" if IN_SPACE else "127.0.0.1",
    port: int = 7860,
    visitors: int = 4 if IN_SPACE else 8,
) -> None:
    """Serves the page."""
    serve(Names(host, ORIGINS), port, checkpoint, agent, task, visitors)


if __name__ == "__main__":
    typer.run(main)
