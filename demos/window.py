"""The playground in a window of its own, as `playground window` starts it.

python demos/window.py --task metaworld/faucet-open
"""

import typer

from playground.window.app import run
from playground.window.viewer import Viewer


def main(
    task: str = "metaworld/faucet-open",
    prompt: str | None = None,
    agent: str = "model",
    checkpoint: str | None = None,
    seed: int = 0,
) -> None:
    """Opens the window."""
    run(Viewer(task, prompt, agent, checkpoint, seed))


if __name__ == "__main__":
    typer.run(main)
