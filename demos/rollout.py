"""One episode in a plain loop: what the prompt asks, what the agent does, what it gets.

python demos/rollout.py --task metaworld/reach --prompt metaworld/reach#0
"""

import typer

from playground import open_session


def main(
    task: str = "metaworld/reach",
    prompt: str = "metaworld/reach#0",
    agent: str = "model",
    checkpoint: str | None = None,
    seed: int = 0,
) -> None:
    """Plays one episode and prints every twentieth step."""
    with open_session(task, agent, prompt, seed, checkpoint=checkpoint) as session:
        for event in session.episode():
            if event.decision is not None and (event.t % 20 == 1 or event.done):
                print(
                    f"t {event.t:4}   action {event.action}   return {event.total_reward:8.2f}   "
                    f"{event.decision.latency_ms:.1f} ms"
                )
    print(f"{task} under {event.prompt or 'no prompt'}: return {event.total_reward:.2f}, solved {event.success}")


if __name__ == "__main__":
    typer.run(main)
