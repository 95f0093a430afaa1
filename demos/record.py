"""The same start under several prompts, filmed side by side.

python demos/record.py metaworld/reach#0 metaworld/push#0 none --task metaworld/reach --out run.mp4
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from playground import domains, find_prompt, open_session
from playground.recording.film import film, shared_goal


def main(
    prompts: Annotated[list[str] | None, typer.Argument()] = None,
    task: str = "metaworld/reach",
    out: Path = Path("run.mp4"),
    agent: str = "model",
    checkpoint: str | None = None,
    seed: int = 0,
) -> None:
    """Films one start under several prompts."""
    found = [find_prompt(name) for name in prompts or ["metaworld/reach#0", "metaworld/push#0", "none"]]
    goal = shared_goal(domains.task(task), found)  # the same world for all
    with ExitStack() as stack:
        sessions = [stack.enter_context(open_session(task, agent, prompt, seed, goal, checkpoint)) for prompt in found]
        results = film(sessions, out)
    for prompt, returns in zip(results["prompts"], results["returns"], strict=True):
        print(f"{prompt or 'no prompt':24} return {returns[0]:.2f}")
    print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
