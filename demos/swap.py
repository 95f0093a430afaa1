"""The prompt is swapped in the middle of an episode: same world, same place, another wish.

python demos/swap.py --task metaworld/reach --first metaworld/reach#0 --second metaworld/reach#1 --at 60
"""

import typer

from playground import find_prompt, open_session
from playground.events import StepEvent


def show(event: StepEvent) -> None:
    """A consumer: called with every event."""
    if event.t % 20 == 0 or event.done:
        print(f"t {event.t:4}   {event.prompt or 'no prompt':24} action {event.action}   {event.total_reward:.2f}")


def main(
    task: str = "metaworld/reach",
    first: str = "metaworld/reach#0",
    second: str = "metaworld/reach#1",
    at: int = 60,
    agent: str = "model",
    checkpoint: str | None = None,
    seed: int = 0,
) -> None:
    """Plays one episode and swaps the prompt at a timestep."""
    with open_session(task, agent, first, seed, checkpoint=checkpoint, consumers=[show]) as session:
        for event in session.episode():
            if event.t == at:
                session.prompt = find_prompt(second)  # counts from the next decision on


if __name__ == "__main__":
    typer.run(main)
